"""What is made of ``csrc/contract.toml`` is; what is encoded is what ``csrc/plan.h`` says."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from crunw.plan import ops
from crunw.plan.encode import Step, decode_fields, encode
from crunw.plan.op_fields import FIELDS

PROJECT = Path(__file__).parents[2]
CONTRACT = (PROJECT / "csrc" / "contract.toml").read_text()


def made_of(contract: str, project: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """``ci/contract`` with that table, in a tree of its own."""
    for path in ("ci", "csrc", "crunw/plan"):
        (project / path).mkdir(parents=True, exist_ok=True)
    shutil.copy(PROJECT / "ci" / "contract", project / "ci")
    (project / "csrc" / "contract.toml").write_text(contract)
    command = [sys.executable, str(project / "ci" / "contract"), *options]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_what_is_made_of_the_contract_is_checked_in(tmp_path):
    assert made_of(CONTRACT, tmp_path).returncode == 0
    made = [path for path in tmp_path.rglob("*.[hp]*") if path.is_file()]
    assert len(made) == 4
    for path in made:
        assert path.read_text() == (PROJECT / path.relative_to(tmp_path)).read_text()


def test_what_is_stale_is_found(tmp_path):
    assert made_of(CONTRACT, tmp_path).returncode == 0
    assert made_of(CONTRACT, tmp_path, "--check").returncode == 0
    stale = made_of(CONTRACT.replace("version = 8", "version = 9", 1), tmp_path, "--check")
    assert (stale.returncode, stale.stderr) == (
        1,
        "ci/contract: csrc/contract.h is not what csrc/contract.toml makes (run ci/contract)\n",
    )


@pytest.mark.parametrize(("entry", "kind"), [("op.debug", "op"), ("report.notice", "report")])
def test_numbers_are_unique(tmp_path, entry, kind):
    twice = re.sub(rf"(?<=^\[{entry}\]\nnumber = )\d+", "1", CONTRACT, flags=re.MULTILINE)
    result = made_of(twice, tmp_path)
    error = f"ci/contract: csrc/contract.toml: a number of [{kind}] occurs twice\n"
    assert (result.returncode, result.stderr) == (1, error)


def test_every_field_has_a_name():
    assert {op: len(signature) for op, (_, signature) in ops.OPS.items() if signature} == {
        op: len(names.split()) for op, names in FIELDS.items()
    }


def test_layout():
    plan = encode([Step("umask", 0o22), Step("process", ["a", ""], [])])
    umask = b"\x37\0\0\0\x08\0\0\0" + b"\x12\0\0\0\0\0\0\0"
    payload = b"\x02\0\0\0" + b"\x01\0\0\0a\0" + b"\0\0\0\0\0" + b"\0\0\0\0"
    process = b"\x3c\0\0\0" + len(payload).to_bytes(4, "little") + payload
    body = umask + process
    header = b"CRWP\x08\0\0\0\x02\0\0\0" + len(body).to_bytes(4, "little")
    assert plan == header + bytes(4) + body


def test_a_part_says_that_there_is_more():
    assert encode([], more=True) == encode([])[:16] + b"\x01\0\0\0"


def test_negative_number_is_twos_complement():
    assert encode([Step("oom_score_adj", -1)]).endswith(b"\xff" * 8)


def test_bytes_and_numbers():
    plan = encode([Step("seccomp", b"\0\1", 3, 0, [])])
    assert plan.endswith(b"\x02\0\0\0\0\1" + (3).to_bytes(8, "little") + bytes(8) + bytes(4))


@pytest.mark.parametrize(
    "step",
    [
        Step("umask"),
        Step("umask", "22"),
        Step("hostname", 1),
        Step("process", "a", []),
        Step("seccomp", "text", 0, 0, []),
    ],
)
def test_wrong_fields_are_refused(step):
    with pytest.raises(TypeError):
        encode([step])


def test_decode_fields():
    payload = b"\x04\0\0\0exec\0" + b"\x02\0\0\0\0\0\0\0" + b"\x01\0\0\0\xff\0"
    assert decode_fields("sus", payload) == ["exec", 2, "\udcff"]
