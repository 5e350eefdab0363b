"""The RPM package: what is in it, and its life on a host whose packages rpm and dnf keep.

The host is a Debian with rpm's own database, in which a package without files stands for the shell.
"""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from archive.hosts import RPM_HOST, check_second_start_is_compiled, files, made
from packages import smoke
from packages.deb import copied, package
from packages.host import PROJECT, Host, running

# What rpm and dnf write down of their own.
LOGS = ("/var/lib/rpm", "/var/lib/dnf", "/var/cache/dnf", "/var/log", "/run/lock", "/run/dnf")
DNF = "dnf --assumeyes --disablerepo='*' --releasever=12"
SHELL = """
Name: shell
Version: 1
Release: 1
Summary: the host's shell
License: none
BuildArch: noarch
Provides: /bin/sh
%description
The host's shell.
%files
"""


@pytest.fixture(scope="module")
def rpm(packages: Path) -> Path:
    return package("rpm", packages)


@pytest.fixture(scope="module")
def newer(packages: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """That of a later release."""
    checkout = copied(tmp_path_factory.mktemp("newer"))
    source = checkout / "crunw/__init__.py"
    source.write_text(re.sub('__version__ = ".*"', '__version__ = "99"', source.read_text()))
    return package("rpm", packages / "newer", checkout)


@pytest.fixture(scope="module")
def host(packages: Path) -> Iterator[Host]:
    spec = packages / "shell.spec"
    spec.write_text(SHELL)
    build = ["rpmbuild", "-bb", "--quiet", "--define", f"_topdir {packages}/shell", spec]
    subprocess.run(build, check=True)
    with running(made(RPM_HOST)) as started:
        started.run(f"mkdir -p /opt /etc/containerd; rpm --install {packages}/shell/RPMS/*/*.rpm")
        yield started


@pytest.fixture(scope="module")
def before(host: Host) -> set[str]:
    return files(host)


@pytest.fixture(scope="module")
def installed(host: Host, rpm: Path, before: set[str]) -> Host:
    host.run(f"{DNF} install {rpm}")
    smoke.make_bundles(host)
    return host


def test_contents(rpm: Path) -> None:
    """What it has is the archive's; it asks for no library."""

    def query(*options: str) -> list[str]:
        done = subprocess.run(
            ["rpm", "-qp", *options, rpm], capture_output=True, text=True, check=True
        )
        return done.stdout.splitlines()

    paths = query("--list")
    assert "/usr/bin/crunw" in paths
    assert "/opt/crunw/bin" in paths
    assert any(path.endswith("/lib/crunw/crunw/lib/crunw-init") for path in paths)
    assert all(path.startswith(("/opt/crunw", "/usr/bin/crunw")) for path in paths)
    assert all(need.startswith(("rpmlib(", "/bin/sh")) for need in query("--requires"))
    assert "install --uninstall" in "\n".join(query("--scripts"))


def test_rpmlint_has_nothing_to_say(host: Host, rpm: Path) -> None:
    config = PROJECT / "deploy/packaging/rpm/rpmlint.toml"
    said = host.run(f"rpmlint --config {config} {rpm}", check=False)
    assert "0 errors, 0 warnings" in said.stdout, said.stdout


def test_both_kinds_run_and_doctor_is_content(installed: Host) -> None:
    smoke.check(installed)


def test_second_start_is_compiled(installed: Host) -> None:
    check_second_start_is_compiled(installed)


def test_upgrade(installed: Host, newer: Path) -> None:
    """A container goes on, and the new version controls it; of the old one nothing is left."""
    config = installed.root / f"{smoke.BUNDLES[1:]}/native/config.json"
    document = json.loads(config.read_text())
    usual = document["process"]["args"]
    document["process"]["args"] = ["/bin/sh", "-c", "while :; do sleep 1000; done"]
    config.write_text(json.dumps(document))
    bundle = f"{smoke.BUNDLES}/native"
    installed.run(f"crunw create --bundle {bundle} up <>/dev/null >/dev/null 2>&1; crunw start up")
    document["process"]["args"] = usual
    config.write_text(json.dumps(document))
    old = installed.says("readlink /opt/crunw/current").strip()
    state = json.loads(installed.says("crunw state up"))
    assert state["status"] == "running"
    installed.run(f"{DNF} upgrade {newer}")
    assert installed.says("crunw --version").startswith("crunw version 99")
    assert json.loads(installed.says("crunw state up")) == state
    assert installed.says("crunw exec up /bin/sh -c 'echo still'") == "still\n"
    installed.run("crunw kill up KILL; crunw delete --force up")
    kept = set(installed.says("ls /opt/crunw").split())
    new = installed.says("readlink /opt/crunw/current").strip()
    assert old != new
    assert kept == {new, "bin", "current", "lib", "share"}
    smoke.check(installed)
    check_second_start_is_compiled(installed)


def test_no_file_has_changed(installed: Host) -> None:
    """Since it was installed: rpm compares sums, modes and times, and those of links."""
    assert installed.says("rpm --verify crunw") == ""


def test_removal_leaves_nothing(installed: Host, rpm: Path, before: set[str]) -> None:
    """But the state of containers that run; installed again, crunw controls them."""
    config = installed.root / "etc/containerd/config.toml"
    installed.run("crunw install containerd")
    assert "crunw" in config.read_text()
    bundle = f"{smoke.BUNDLES}/native"
    installed.run(f"crunw create --bundle {bundle} left <>/dev/null >/dev/null 2>&1")
    said = installed.says(f"{DNF} remove crunw")
    assert "warning: containers in /run/crunw" in said
    assert not config.exists()
    installed.run(f"{DNF} install {rpm}; crunw delete --force left; {DNF} remove crunw")
    installed.run(f"rm -r {smoke.BUNDLES}")
    left = {path for path in files(installed) - before if not path.startswith(LOGS)}
    assert left == set()
