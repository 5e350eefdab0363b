"""ci/Containerfile, by CONTRIBUTING.md's commands: what is built in the image works."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from archive.hosts import TRIXIE, made
from documents import page
from packages import smoke
from packages.deb import copied
from packages.host import PROJECT, Host, running

BASE = "docker.io/library/debian:trixie-slim"
BUILD, INSTALL = (
    block.text
    for block in page.read(PROJECT / "CONTRIBUTING.md")
    if block.section == "Build in an image" and block.language == "bash"
)
IMAGE, RUN = BUILD.split("\n", 1)
CONFIGURE = "cmake .."


@pytest.fixture(scope="module")
def podman(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Its own limits are higher than can be set without CAP_SYS_RESOURCE."""
    settings = tmp_path_factory.mktemp("podman") / "containers.conf"
    settings.write_text('[containers]\ndefault_ulimits = ["nofile=1024:1024", "nproc=4096:4096"]\n')
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CONTAINERS_CONF_OVERRIDE", str(settings))
        patch.setenv("PODMAN_IGNORE_CGROUPSV1_WARNING", "1")
        yield


@pytest.fixture(scope="module")
def image(podman: None) -> None:
    """The image, built from a Debian of the mirror that this host is set up with."""
    with subprocess.Popen(["tar", "-C", made(TRIXIE), "-c", "."], stdout=subprocess.PIPE) as tree:
        subprocess.run(["podman", "import", "--quiet", "-", BASE], stdin=tree.stdout, check=True)
    subprocess.run(["bash", "-euc", IMAGE], cwd=PROJECT, check=True)


@pytest.fixture(scope="module")
def host() -> Iterator[Host]:
    packages = INSTALL.splitlines()[0].removeprefix("sudo apt install ").split()
    with running(made(TRIXIE._replace(packages=tuple(packages)))) as started:
        yield started


@pytest.mark.parametrize("compiler", ["gcc", "clang"])
def test_build(image: None, host: Host, tmp_path: Path, compiler: str) -> None:
    checkout = copied(tmp_path)
    assert CONFIGURE in RUN
    script = RUN if compiler == "gcc" else RUN.replace(CONFIGURE, f"CC={compiler} {CONFIGURE}")
    subprocess.run(["bash", "-euc", script], cwd=checkout, check=True)
    used = (checkout / "build/CMakeCache.txt").read_text()
    assert f"CMAKE_C_COMPILER:FILEPATH=/usr/bin/{'cc' if compiler == 'gcc' else compiler}" in used
    target = host.root / "srv" / compiler
    shutil.copytree(checkout / "build/root", target / "build/root", symlinks=True)
    for command in INSTALL.splitlines()[1:]:
        host.run(f"cd /srv/{compiler}; {command.removeprefix('sudo ')}")
    smoke.make_bundles(host)
    smoke.check(host)
    host.run(f"rm -rf {smoke.BUNDLES} /usr/local/bin/crunw /usr/local/lib/crunw")
