"""Images that hold a module alone."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

PROGRAM = "/module.wasm"
_CONTAINERFILE = f'FROM scratch\nCOPY module.wasm /\nCMD ["{PROGRAM}"]\n'


def build(module: Path, environment: Mapping[str, str] = os.environ) -> str:
    """Make an image of a module in the storage that ``environment`` names; return its name."""
    image = f"localhost/{module.stem}"
    with tempfile.TemporaryDirectory() as directory:
        (Path(directory) / "Containerfile").write_text(_CONTAINERFILE)
        shutil.copyfile(module, f"{directory}{PROGRAM}")
        command = ["buildah", "build", "--quiet", "--isolation=chroot", f"--tag={image}", directory]
        subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL)
    return image
