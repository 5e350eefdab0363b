"""The launcher finds its installation from wherever it is started, and nobody else's."""

from __future__ import annotations

from pathlib import Path

import pytest
from packages import smoke
from packages.host import Host

EVIL = "/tmp/lib/crunw/crunw/lib"


@pytest.fixture(scope="module")
def installed(host: Host, deb: Path) -> Host:
    host.run(f"apt-get install --yes {deb}")
    smoke.make_bundles(host)
    return host


@pytest.mark.parametrize(
    ("prepare", "program"),
    [
        (
            "mkdir -p /usr/lib/cri-o-runc/sbin; cp /usr/bin/crunw $_",
            "/usr/lib/cri-o-runc/sbin/crunw",
        ),
        ("ln -s /usr/bin/crunw /srv/link", "/srv/link"),
        ("ln -s ../usr/bin/crunw /srv/relative", "cd /srv; ./relative"),
        ("ln /usr/bin/crunw /usr/crunw-hard", "/usr/crunw-hard"),
        ("cp /usr/bin/crunw /crunw", "/crunw"),
        ("cp /usr/bin/crunw /usr/local/bin/", "crunw"),
        ("cp /usr/local/bin/crunw /srv/second", "/srv/second"),
        ("", "cd /usr/bin; ./crunw"),
        ("", "cd /usr/lib; ../bin/crunw"),
        ("", "PATH=/usr/bin crunw"),
        ("", "exec -a /tmp/bin/crunw crunw"),
        ("", "exec -a '' crunw"),
        ("", "CRUNW_FORWARDED=1 /usr/bin/crunw"),
    ],
)
def test_started_from(installed: Host, prepare: str, program: str) -> None:
    installed.run(prepare)
    assert installed.says(f"{program} --version") == installed.says("/usr/bin/crunw --version")
    assert (
        installed.run(f"{program} run --bundle {smoke.BUNDLES}/wasm p", check=False).returncode == 3
    )


def test_without_proc(installed: Host) -> None:
    without = "unshare --mount sh -c 'umount --lazy /proc; /usr/bin/crunw --version'"
    assert installed.says(without) == installed.says("/usr/bin/crunw --version")


def test_what_anybody_can_write_is_not_run(installed: Host) -> None:
    """A copy in /tmp/d looks beside itself, which is /tmp/lib, for the package."""
    plant = f"mkdir -p {EVIL} && echo 'print(1)' >{EVIL}/boot.bin"
    installed.run(f'setpriv --reuid 65534 --clear-groups sh -c "{plant}"')
    installed.run("mkdir /tmp/d; cp /usr/bin/crunw /tmp/d/")
    assert installed.says("/tmp/d/crunw --version") == installed.says("/usr/bin/crunw --version")


def test_nothing_to_find(installed: Host) -> None:
    """One error, which says where it was looked; the copy does not start itself for ever."""
    hidden = (
        "mount -t tmpfs none /usr/lib/crunw; cp /usr/bin/crunw /srv/alone; /srv/alone --version"
    )
    done = installed.run(f"unshare --mount sh -c '{hidden}'", check=False)
    assert done.returncode == 1
    assert done.stdout.startswith("crunw: /: no package crunw for python3")
    assert "/usr/local" in done.stdout


def test_python_is_gone(installed: Host) -> None:
    """As after an upgrade of the distribution."""
    gone = "mount --bind /dev/null /usr/bin/python3.13; crunw --version"
    done = installed.run(f"unshare --mount sh -c '{gone}'", check=False)
    assert done.returncode == 1
    assert done.stdout.startswith("crunw: execute /usr/bin/python3.13: ")
    assert "install crunw again" in done.stdout
