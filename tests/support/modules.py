"""The modules that the tests run: those of tests/modules, and the examples'."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

PROJECT = Path(__file__).parents[2]


def provide_modules(directory: Path) -> None:
    """Put them into a directory: as ``CRUNW_TEST_MODULES`` has them, or else newly compiled.

    ``ci/modules`` compiles them there. A machine without compilers is given them.
    """
    if built := os.environ.get("CRUNW_TEST_MODULES"):
        shutil.copytree(built, directory, dirs_exist_ok=True)
    else:
        for build in ("tests/modules/build", "examples/build"):
            subprocess.run([PROJECT / build, directory], check=True)
