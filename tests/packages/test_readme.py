"""README's commands for Install, Upgrade and Uninstall, on a host that is not prepared."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from documents import page
from packages import smoke
from packages.deb import repacked
from packages.host import PROJECT, Host, running

CHECKOUT = "/srv/crunw"
BUILDS = "ci/package"  # which needs a reference machine: this one


def blocks(section: str) -> list[list[str]]:
    """The commands of each block of a section."""
    return [
        block.text.splitlines()
        for block in page.read(PROJECT / "README.md")
        if block.section == section and block.language == "bash"
    ]


class Reader:
    """Someone with a checkout who does what README says."""

    def __init__(self, host: Host, packages: Path) -> None:
        self.host = host
        self._packages = packages
        self.checkout = host.root / CHECKOUT[1:]
        listed = subprocess.run(
            ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            cwd=PROJECT,
            stdout=subprocess.PIPE,
            check=True,
        )
        for name in listed.stdout.decode().split("\0"):
            if name and (PROJECT / name).is_file():
                (self.checkout / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(PROJECT / name, self.checkout / name)

    def do(self, commands: list[str]) -> None:
        for command in commands:
            if command.startswith(BUILDS):
                made = self.checkout / "build/packages"
                shutil.rmtree(made, ignore_errors=True)
                shutil.copytree(self._packages, made)
            else:
                self.host.run(f"cd {CHECKOUT}; {command}")

    def upgrade(self, packages: Path) -> None:
        """Get a newer checkout."""
        self._packages = packages
        source = self.checkout / "crunw/__init__.py"
        source.write_text(re.sub('__version__ = ".*"', '__version__ = "99"', source.read_text()))


@pytest.fixture
def reader(bare: Path, deb: Path, tmp_path: Path) -> Iterator[Reader]:
    packages = tmp_path / "packages"
    packages.mkdir()
    shutil.copy(deb, packages)
    with running(bare) as host:
        yield Reader(host, packages)


@pytest.mark.parametrize("way", [0, 1], ids=["package", "virtual environment"])
def test_install_upgrade_uninstall(reader: Reader, deb: Path, tmp_path: Path, way: int) -> None:
    host = reader.host
    reader.do(blocks("Install")[way])
    smoke.make_bundles(host)
    smoke.check(host)
    newer = tmp_path / "newer"
    newer.mkdir()
    repacked(deb, newer, "99")
    reader.upgrade(newer)
    reader.do(blocks("Upgrade")[way])
    smoke.check(host)
    if way == 1:
        assert host.says("crunw --version").startswith("crunw version 99\n")
    else:
        assert host.says("dpkg-query --show --showformat '${Version}' crunw") == "99"
    reader.do(blocks("Uninstall")[way])
    assert host.says("hash -r; command -v crunw || echo gone") == "gone\n"
    others = " ".join(f"-not -path '{path}*'" for path in (CHECKOUT, PROJECT, "/var/"))
    assert host.says(f"find / -xdev -name '*crunw*' {others}") == ""
