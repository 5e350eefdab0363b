"""Commands that tests run, and how long they wait for anything."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).parents[2]
# Seconds; for what takes one at most on an idle machine. An emulated one is slow.
PATIENCE = float(os.environ.get("CRUNW_TEST_PATIENCE", "60"))


def wait_for(condition: Callable[[], Any], what: str = "the condition") -> Any:
    """Return what ``condition`` returns as soon as that is true; fail after ``PATIENCE``."""
    deadline = time.monotonic() + PATIENCE
    while not (found := condition()):
        assert time.monotonic() < deadline, f"{what}: not within {PATIENCE:.0f} s"
        time.sleep(0.01)
    return found


@dataclass
class Result:
    """How a command ended."""

    status: int
    out: str
    err: str

    def ok(self) -> str:
        """The output of a command that must have succeeded in silence."""
        assert (self.status, self.err) == (0, ""), self
        return self.out

    def text(self) -> str:
        """The output of a command that must have succeeded, without the line's end."""
        assert self.status == 0, self
        return self.out.removesuffix("\n")

    def notices(self) -> list[str]:
        """What a command, which must have succeeded, reports that works worse than asked for."""
        assert self.status == 0, self
        lines = self.err.splitlines()
        assert all(line.startswith("crunw: warning: ") for line in lines), self
        return [line.removeprefix("crunw: warning: ") for line in lines]

    def error(self, status: int = 1) -> str:
        """The one line of a command that must have failed, without the program's name.

        ``status``: of `exec` 255.
        """
        assert self.status == status, self
        lines = self.err.splitlines()
        assert len(lines) == 1, self
        assert lines[0].startswith("crunw: "), self
        return lines[0].removeprefix("crunw: ")


def run(command: list[str], environment: dict[str, str] | None = None) -> Result:
    """Run a command to its end."""
    done = subprocess.run(
        command,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
    )
    return Result(done.returncode, done.stdout, done.stderr)
