"""Programs that lack one defence (``crunw_weakened`` in ``csrc/init/CMakeLists.txt``).

A test of an attack shows with one that it would succeed but for that defence.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

import crunw
from crunw import paths

BUILT = Path(
    os.environ.get("CRUNW_WEAKENED")
    or Path(__file__).parents[2] / "build" / "release" / "cmake" / "weakened"
)


def program(defence: str) -> Path:
    """``crunw-init`` without a defence, by the name that its macro has after CRUNW_WEAKEN_."""
    path = BUILT / defence / "crunw-init"
    if not path.exists():
        pytest.skip(f"there is no build without {defence} ({path})")
    return path


def install(init: Path, prefix: Path) -> Path:
    """A copy of the installation below ``prefix`` with that for ``crunw-init``; its ``crunw``."""
    copy = prefix / "lib/crunw/crunw"
    shutil.copytree(Path(crunw.__file__).parent, copy)
    shutil.copy(init, copy / "lib/crunw-init")
    (prefix / "bin").mkdir()
    return Path(shutil.copy(paths.program_path(), prefix / "bin"))
