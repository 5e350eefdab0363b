"""The Debian package: what lintian says of it, and its life on a host."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from packages import smoke
from packages.deb import field, first_build, lint, repacked
from packages.host import Host, running

CONTAINERS = 5
# What apt and dpkg write down of their own.
LOGS = "/var/log /var/cache/apt /var/cache/debconf /var/lib/apt /var/lib/dpkg /var/cache/ldconfig"


@pytest.fixture(scope="module")
def installed(host: Host, deb: Path) -> Host:
    """The host with crunw, installed as README says."""
    host.run(f"apt-get install --yes {deb}")
    smoke.make_bundles(host)
    return host


def start(host: Host, name: str, bundle: str) -> None:
    host.run(
        f"crunw create --bundle {smoke.BUNDLES}/{bundle} {name} <>/dev/null >/dev/null 2>&1;"
        f"crunw start {name}"
    )


def states(host: Host) -> dict[str, tuple[int, str]]:
    listed = json.loads(host.says("crunw list --format json"))
    return {one["id"]: (one["pid"], one["status"]) for one in listed}


def test_lintian_has_nothing_to_say(deb: Path) -> None:
    assert lint(deb) == ""


def test_two_builds_give_the_same_bytes(deb: Path, tmp_path: Path) -> None:
    """Of which one is a checkout's first, in another directory."""
    again = first_build("deb", tmp_path)
    assert again.name == deb.name
    assert again.read_bytes() == deb.read_bytes()


def test_it_runs(installed: Host, deb: Path) -> None:
    smoke.check(installed)
    version = field(deb, "Version")
    assert installed.says("crunw --version").startswith(f"crunw version {version}\n")


def test_an_upgrade_leaves_containers_alone(
    installed: Host, deb: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    host = installed
    config = host.root / f"{smoke.BUNDLES[1:]}/native/config.json"
    document = json.loads(config.read_text())
    document["process"]["args"] = ["/bin/sh", "-c", "while :; do sleep 1000; done"]
    config.write_text(json.dumps(document))
    names = [f"up{number}" for number in range(CONTAINERS)]
    for name in names:
        start(host, name, "native")
    before = states(host)
    assert {status for _, status in before.values()} == {"running"}
    newer = repacked(deb, tmp_path_factory.mktemp("next"), "99")
    host.root.joinpath("srv/next.deb").write_bytes(newer.read_bytes())
    host.run("apt-get install --yes /srv/next.deb")
    assert states(host) == before
    for name in names:
        assert host.says(f"crunw exec {name} /bin/sh -c 'echo still'") == "still\n"
        host.run(f"crunw kill {name} KILL")
        host.run(f"crunw delete --force {name}")
    assert states(host) == {}


def files(host: Host) -> set[str]:
    prune = " ".join(f"-path {directory} -prune -o" for directory in LOGS.split())
    return set(host.says(f"find / -xdev {prune} -print; find /run -print").splitlines())


def test_purge_leaves_nothing(bare: Path, deb: Path) -> None:
    """Beside the packages that it depends on."""
    with running(bare) as host:
        names = [word.split()[0] for word in field(deb, "Depends").split(",")]
        host.run(f"apt-get install --yes {' '.join(names)} libwasmedge0")
        host.run("mkdir /etc/containerd")
        before = files(host)
        host.run(f"apt-get install --yes {deb}")
        smoke.make_bundles(host)
        smoke.check(host)
        host.run("install -D -m 644 /dev/null /etc/crunw/crunw.toml; crunw install containerd")
        start(host, "left", "native")
        removed = host.says("apt-get remove --yes crunw")
        assert "warning: containers in /run/crunw" in removed
        host.run(f"apt-get install --yes {deb}")
        host.run("crunw delete --force left")
        host.run("apt-get purge --yes crunw")
        left = {path for path in files(host) - before if not path.startswith(smoke.BUNDLES)}
        assert left <= {"/srv/bundles"}
