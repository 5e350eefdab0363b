"""What tests run a second time is counted in the output."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

TESTS = Path(__file__).parents[1]


def summary(directory: Path, lines: str) -> str:
    text = f"from support.run_again import note\ndef test_it():\n{lines}"
    (directory / "test_it.py").write_text(text)
    pytest_run = [sys.executable, "-m", "pytest", "-q", "-p", "conftest", "-p", "no:cacheprovider"]
    done = subprocess.run(
        [*pytest_run, "-c", os.devnull, "--rootdir=.", "test_it.py"],
        cwd=directory, text=True, check=True, stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(TESTS)},
    )  # fmt: skip
    return done.stdout


def test_counted(tmp_path: Path) -> None:
    text = summary(tmp_path, "    note('podman run')\n    note('one spec')\n")
    assert "run again: 2" in text
    assert "test_it.py::test_it: podman run" in text
    assert "test_it.py::test_it: one spec" in text


def test_nothing_to_count(tmp_path: Path) -> None:
    assert "run again" not in summary(tmp_path, "    pass\n")
