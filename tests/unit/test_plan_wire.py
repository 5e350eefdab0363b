"""``csrc/plan.h`` and ``crunw.plan.ops`` say the same; what is encoded is what the header says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from crunw.plan import ops
from crunw.plan.encode import Step, decode_fields, encode

HEADER = (Path(__file__).parents[2] / "csrc" / "plan.h").read_text()


def test_same_operations():
    declared = re.findall(r'X\((\w+), (\d+), "(\w*)"\)', HEADER)
    assert {name.lower(): (int(n), signature) for name, n, signature in declared} == ops.OPS


def test_numbers_are_unique():
    numbers = [number for number, _ in ops.OPS.values()]
    assert len(set(numbers)) == len(numbers)


@pytest.mark.parametrize("prefix", ["CREDENTIALS", "MOUNT", "NOTICE", "REPORT"])
def test_same_constants(prefix):
    declared = dict(re.findall(rf"\b({prefix}_\w+)(?: =)? (\d+)u?\b", HEADER))
    known = {name: str(value) for name, value in vars(ops).items() if name.startswith(prefix + "_")}
    assert declared
    assert declared == known


def test_same_version_and_magic():
    assert f'#define PLAN_MAGIC "{ops.MAGIC.decode()}"' in HEADER
    assert f"#define PLAN_VERSION {ops.VERSION}u" in HEADER


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
