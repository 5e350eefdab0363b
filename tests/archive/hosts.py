"""The hosts that the archive is tried on."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import NamedTuple

from packages import smoke
from packages.host import PROJECT, Host


class Kind(NamedTuple):
    """A release of Debian with some packages; ``busybox``: no C library at all."""

    suite: str
    name: str
    packages: tuple[str, ...] = ()
    shell: str = "bash"


BUSYBOX = Kind("busybox", "busybox alone", (), "sh")
TRIXIE = Kind("trixie", "Debian 13")
HOSTS = (
    Kind("bullseye", "Debian 11", ("podman",)),
    Kind("bookworm", "Debian 12", ("podman", "containerd")),
    TRIXIE,
    Kind("sid", "Debian unstable"),
    BUSYBOX,
)


# dnf asks rpm's own database, which has nothing of dpkg's.
RPM_HOST = Kind("bookworm", "Debian 12 with rpm and dnf", ("rpm", "dnf", "rpmlint"))


def made(kind: Kind) -> Path:
    """The root directory of such a host, made once."""
    done = subprocess.run(
        [PROJECT / "tests/archive/root", kind.suite, *kind.packages],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return Path(done.stdout.strip())


def files(host: Host) -> set[str]:
    """All paths, but those of other file systems and the tests' own."""
    return set(host.says("find / -xdev; find /run").splitlines())


def check_second_start_is_compiled(host: Host) -> None:
    """The module is interpreted until it has been compiled, and compiled code is used then."""
    bundle = f"{smoke.BUNDLES}/wasm"
    create = f"crunw create --bundle {bundle} w2 </dev/null >/dev/null 2>&1"
    maps = []
    for prepare in ("crunw cache prune --all", f"crunw cache warm {bundle}"):
        host.run(f"{prepare}; {create}")
        pid = json.loads(host.says("crunw state w2"))["pid"]
        maps.append(host.says(f"cat /proc/{pid}/maps"))
        host.run("crunw delete --force w2")
    interpreted, compiled = maps
    assert "/module.so" not in interpreted
    assert "/module.so" in compiled


def unpacked(archive: Path, directory: Path) -> Path:
    """The top directory of an archive, unpacked below ``directory``."""
    subprocess.run(["tar", "-C", directory, "-xf", archive], check=True)
    return directory / archive.name.removesuffix(".tar.zst")
