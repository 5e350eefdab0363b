"""The portable archive on hosts that have nothing of what crunw needs."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from archive.hosts import Kind, check_second_start_is_compiled, files
from packages import smoke
from packages.host import Host

PREFIX = "/opt/crunw"


@pytest.fixture(scope="module")
def before(host: Host) -> set[str]:
    host.run("mkdir -p /opt /usr/lib /usr/local/bin /etc/containerd")
    return files(host)


@pytest.fixture(scope="module")
def installed(host: Host, archive: Path, before: set[str]) -> Host:
    said = host.says(f"{archive}/install.sh")
    assert said.endswith(f"is installed: {PREFIX}/bin/crunw\n")
    smoke.make_bundles(host)
    return host


def test_both_kinds_run_and_doctor_is_content(installed: Host) -> None:
    smoke.check(installed)


def test_second_start_is_compiled(installed: Host) -> None:
    check_second_start_is_compiled(installed)


def test_nothing_of_the_host_is_loaded(installed: Host) -> None:
    """No library of the host's: neither by crunw-init with an engine, nor by the interpreter."""
    installed.run(f"crunw create --bundle {smoke.BUNDLES}/wasm w3 </dev/null >/dev/null 2>&1")
    pid = json.loads(installed.says("crunw state w3"))["pid"]
    mapped = installed.says(f"cat /proc/{pid}/maps")
    installed.run("crunw delete --force w3")
    paths = {line.split(None, 5)[5] for line in mapped.splitlines() if "/" in line}
    libraries = {path for path in paths if ".so" in path and not path.endswith("/module.so")}
    assert f"{PREFIX}/" in "".join(libraries)
    # Those of crunw-init, by the clone of the root that it has opened them in.
    assert all("/lib/crunw/" in path for path in libraries), libraries


@pytest.mark.parametrize("how", ["cp", "ln -s"])
def test_where_an_engine_looks(installed: Host, how: str) -> None:
    directory = "/usr/lib/cri-o-runc/sbin"
    installed.run(f"mkdir -p {directory}; {how} {PREFIX}/bin/crunw {directory}/")
    bundle = f"{smoke.BUNDLES}/native"
    said = installed.says(f"{directory}/crunw run --bundle {bundle} c1")
    installed.run("rm -r /usr/lib/cri-o-runc")
    assert said == "native runs\n"


def test_podman(installed: Host, kind: Kind) -> None:
    if "podman" not in kind.packages:
        pytest.skip("has no podman")
    # No systemd here; podman's own limits are higher than can be set without CAP_SYS_RESOURCE.
    podman = f"podman --cgroup-manager=cgroupfs --events-backend=file --runtime {PREFIX}/bin/crunw"
    limits = "--ulimit nofile=1024:1024 --ulimit nproc=1024:1024"
    run = f"{podman} run --rm --network none {limits} --rootfs"
    native, wasm = (f"{smoke.BUNDLES}/{kind}/rootfs" for kind in ("native", "wasm"))
    assert "from podman\n" in installed.says(f"{run} {native} /bin/sh -c 'echo from podman'")
    assert installed.run(f"{run} {wasm} /app.wasm", check=False).returncode == 3


def test_containerd(installed: Host, kind: Kind) -> None:
    if "containerd" not in kind.packages:
        pytest.skip("has no containerd")
    installed.run(
        "containerd >/run/containerd.log 2>&1 & echo $! >/run/containerd.pid; "
        "for i in $(seq 200); do ctr version >/dev/null 2>&1 && break; sleep 0.1; done"
    )
    run = f"ctr run --rm --runc-binary {PREFIX}/bin/crunw --rootfs {smoke.BUNDLES}"
    try:
        said = installed.says(f"{run}/native/rootfs n3 /bin/sh -c 'echo from ctr'")
        status = installed.run(f"{run}/wasm/rootfs w3 /app.wasm", check=False).returncode
    finally:
        installed.run("kill $(cat /run/containerd.pid)")
    assert said == "from ctr\n"
    assert status == 3


def test_engine_of_its_choice(installed: Host, archive: Path) -> None:
    """The path in the configuration is the one that an upgrade keeps."""
    said = installed.says(f"{archive}/install.sh --engine containerd")
    assert f'BinaryName = "{PREFIX}/bin/crunw"' in said


def test_upgrade(installed: Host, archive: Path, packages: Path) -> None:
    """A container goes on; the version before the last one is removed."""
    version = (archive / "VERSION").read_text().strip()
    bundle = f"{smoke.BUNDLES}/native"
    installed.run(f"crunw create --bundle {bundle} up <>/dev/null >/dev/null 2>&1")
    newer = packages / "newer"
    for number in ("98", "99"):
        shutil.rmtree(newer, ignore_errors=True)
        shutil.copytree(archive, newer, symlinks=True)
        (newer / "VERSION").write_text(f"{number}\n")
        installed.run(f"{newer}/install.sh")
        assert json.loads(installed.says("crunw state up"))["status"] == "created"
    shutil.rmtree(newer)
    kept = set(installed.says(f"cd {PREFIX}; ls").split())
    assert kept == {"98", "99", "bin", "current", "lib", "share"}
    assert version not in kept
    installed.run("crunw start up; crunw delete --force up")
    smoke.check(installed)


def test_uninstall_leaves_nothing(installed: Host, before: set[str]) -> None:
    installed.run(
        f"mkdir /etc/crunw; touch /etc/crunw/crunw.toml; {PREFIX}/current/install.sh --uninstall"
    )
    installed.run("rm -rf /srv/bundles /run/containerd*")
    left = {
        path
        for path in files(installed) - before
        if not path.startswith(("/var/lib/cont", "/run/", "/etc/cni/"))  # the engines'
    }
    assert left == set()
