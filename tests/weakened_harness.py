"""Programs that lack one defence (``crunw_weakened`` in ``csrc/init/CMakeLists.txt``).

A test of an attack shows with one that it would succeed but for that defence.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

import crunw

BUILT = Path(
    os.environ.get("CRUNW_WEAKENED")
    or Path(__file__).parents[1] / "build" / "release" / "cmake" / "weakened"
)


def program(defence: str) -> Path:
    """``crunw-init`` without a defence, by the name that its macro has after CRUNW_WEAKEN_."""
    path = BUILT / defence / "crunw-init"
    if not path.exists():
        pytest.skip(f"there is no build without {defence} ({path})")
    return path


def install(defence: str, prefix: Path) -> Path:
    """A copy of the installation below ``prefix`` with that ``crunw-init``; its ``crunw``."""
    weak = program(defence)
    found = shutil.which("crunw")
    assert found
    source = Path(found).resolve().parent
    package = Path(crunw.__file__).parent
    copy = prefix / package.relative_to(source.parent)
    shutil.copytree(package, copy)
    (prefix / "bin").mkdir()
    for path in source.glob("crunw*"):
        shutil.copy(weak if path.name == "crunw-init" else path, prefix / "bin" / path.name)
    return prefix / "bin" / "crunw"
