"""The channel of notices (crunw/notices.py), in processes of its own as it is used."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SHOWN = """
from crunw import notices
def show(level, text):
    print(level, text)
"""


def interpreter(code: str, *arguments: str) -> str:
    """What ``code`` prints, in an interpreter as crunw starts it."""
    code = f"import sys\nsys.path.append({str(ROOT)!r})\n{code}"
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code, *arguments],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_shown_at_once_and_once():
    code = SHOWN + (
        "notices.show_by(show, 'warning')\n"
        "notices.degraded('a', 'b\\nc')\n"
        "print('later')\n"
        "notices.degraded('a', 'b\\nc')\n"
        "notices.detail('hidden')\n"
    )
    assert interpreter(code) == "warning a: b c\nlater\n"


def test_details_with_debug():
    code = SHOWN + "notices.show_by(show, 'debug')\nnotices.detail('seen')\n"
    assert interpreter(code) == "debug seen\n"


def test_kept_with_the_container(tmp_path: Path):
    file = tmp_path / "notices"
    code = SHOWN + (
        "notices.show_by(show, 'warning')\n"
        "notices.degraded('before', '1')\n"
        "notices.keep_in(sys.argv[1])\n"
        "notices.degraded('after', '2')\n"
    )
    for _ in range(3):  # each `exec` may tell the same again
        interpreter(code, str(file))
    assert file.read_text() == "before: 1\nafter: 2\n"
    assert file.stat().st_mode & 0o777 == 0o600


def test_a_deleted_container_keeps_nothing(tmp_path: Path):
    code = SHOWN + (
        "notices.show_by(show, 'warning')\n"
        "notices.keep_in(sys.argv[1])\n"
        "notices.degraded('a', 'b')\n"
    )
    assert interpreter(code, str(tmp_path / "gone/notices")) == "warning a: b\n"


def test_what_can_not_be_kept_is_told(tmp_path: Path):
    (tmp_path / "notices").mkdir()
    code = SHOWN + (
        "notices.show_by(show, 'warning')\n"
        "notices.keep_in(sys.argv[1])\n"
        "notices.degraded('a', 'b')\n"
    )
    shown = interpreter(code, str(tmp_path / "notices")).splitlines()
    assert shown[0] == "warning a: b"
    assert shown[1].startswith(f"warning notices: can't be kept in {tmp_path}/notices: ")


def test_a_long_notice_is_cut_and_the_file_stays_small(tmp_path: Path):
    file = tmp_path / "notices"
    code = (
        "from crunw import notices\n"
        "notices.keep_in(sys.argv[1])\n"
        "for number in range(200):\n"
        "    notices.degraded(str(number), 'x' * 10000)\n"
    )
    interpreter(code, str(file))
    lines = file.read_text().splitlines()
    assert lines[0].startswith("0: xxx")
    assert lines[0].endswith(" … " + 500 * "x")
    assert len(lines[0]) == 2003
    assert file.stat().st_size < 65536


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_the_program_shows_and_logs_them(tmp_path: Path, log_format: str):
    log = tmp_path / "log"
    code = (
        "import crunw.cli.main as main, crunw.cli.list as verb\n"
        "from crunw import notices\n"
        "verb.run = lambda *_: notices.degraded('the subject', 'a \"reason\"') or 0\n"
        f"sys.argv[1:] = ['--log', sys.argv[1], '--log-format', {log_format!r}, 'list']\n"
        "sys.stderr = sys.stdout\n"
        "status = main.main()\n"
        "assert status == 0\n"
    )
    assert interpreter(code, str(log)) == 'crunw: warning: the subject: a "reason"\n'
    text = log.read_text()
    if log_format == "json":
        record = json.loads(text)
        assert record["level"] == "warning"
        assert record["msg"] == 'the subject: a "reason"'
    else:
        assert ' level=warning msg="the subject: a \\"reason\\""\n' in text


def test_reports_of_the_process(tmp_path: Path):
    """Several in one stream: notices go to the channel, the error is raised."""
    code = SHOWN + (
        "notices.show_by(show, 'warning')\n"
        "from crunw.effects.init import follow_reports\n"
        "from crunw.errors import CrunwError\n"
        "def text(word): return len(word).to_bytes(4, 'little') + word + b'\\0'\n"
        "def report(kind, payload):\n"
        "    return kind.to_bytes(4, 'little') + len(payload).to_bytes(4, 'little') + payload\n"
        "u = lambda n: n.to_bytes(8, 'little')\n"
        "notice = report(6, u(0) + text(b'keyring') + text(b'full'))\n"
        "detail = report(6, u(1) + text(b'fence') + text(b'less'))\n"
        "error = report(5, text(b'exec') + text(b'exec') + text(b'/x') + u(2) + text(b''))\n"
        "follow_reports(b'')\n"
        "for data in (notice + detail, notice + error, error[:-3]):\n"
        "    try:\n"
        "        follow_reports(data)\n"
        "    except CrunwError as problem:\n"
        "        print(problem)\n"
    )
    assert interpreter(code).splitlines() == [
        "warning keyring: full",
        "exec /x: No such file or directory",
        "the container's process ended while it reported an error",
    ]
