"""The hosts that the archive is tried on."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import NamedTuple


class Kind(NamedTuple):
    """A release of Debian with some packages; ``busybox``: no C library at all."""

    suite: str
    packages: tuple[str, ...] = ()
    shell: str = "bash"


HOSTS = (
    Kind("bullseye", ("podman",)),
    Kind("bookworm", ("podman", "containerd")),
    Kind("trixie"),
    Kind("sid"),
    Kind("busybox", (), "sh"),
)


def unpacked(archive: Path, directory: Path) -> Path:
    """The top directory of an archive, unpacked below ``directory``."""
    subprocess.run(["tar", "-C", directory, "-xf", archive], check=True)
    return directory / archive.name.removesuffix(".tar.zst")
