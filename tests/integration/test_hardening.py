"""How the installed programs were built: what makes an exploit of a mistake harder."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

import crunw
from crunw import paths

PROGRAMS = [paths.program_path(), paths.init_path(), paths.compiler_path(), paths.later_path()]


def installed() -> list[Path]:
    """The programs, and the package's libraries."""
    return [*map(Path, PROGRAMS), *sorted(Path(crunw.__file__).parent.rglob("*.so"))]


def readelf(path: Path, what: str) -> str:
    done = subprocess.run(
        ["readelf", "--wide", what, path], stdout=subprocess.PIPE, text=True, check=True
    )
    return done.stdout


@pytest.mark.parametrize("path", installed(), ids=lambda path: path.name)
def test_hardened(path: Path) -> None:
    segments = readelf(path, "--segments")
    stack = next(line for line in segments.splitlines() if "GNU_STACK" in line)
    assert "RWE" not in stack
    assert "GNU_RELRO" in segments
    assert not any(" RWE " in line for line in segments.splitlines())
    assert "DYN" in readelf(path, "--file-header")  # position-independent
    dynamic = readelf(path, "--dynamic")
    if "NEEDED" in dynamic:
        assert "NOW" in dynamic
    assert "RPATH" not in dynamic


@pytest.mark.parametrize("path", [paths.init_path(), paths.compiler_path()])
def test_buffers_are_checked(path: str) -> None:
    symbols = readelf(Path(path), "--dyn-syms")
    assert "__stack_chk_fail" in symbols
    assert "_chk@" in symbols  # _FORTIFY_SOURCE
