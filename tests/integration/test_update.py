"""update: limits of a running container as the kernel has them and as its processes feel them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from support.commands import wait_for
from support.containers import Bundle, Runtime, cgroup_path

from crunw.effects.cgroups.layout import UNIFIED, detect

MIB = 1 << 20


def controller(name: str) -> tuple[Path, int]:
    """Its hierarchy and version; skips where there is none."""
    tops = detect().tops
    for key, top in tops.items():
        if name in key.split(","):
            return Path(top), 1
    if UNIFIED in tops:
        top = Path(tops[UNIFIED])
        v2_name = {"blkio": "io"}.get(name, name)
        if name == "devices" or v2_name in (top / "cgroup.controllers").read_text().split():
            return top, 2
    pytest.skip(f"the controller {name} is not available")


def limit(container: Bundle, name: str, v1: str, v2: str) -> str:
    top, version = controller(name)
    return (top / cgroup_path(container) / (v1 if version == 1 else v2)).read_text().strip()


def memory(container: Bundle) -> int:
    return int(limit(container, "memory", "memory.limit_in_bytes", "memory.max"))


def memory_and_swap(container: Bundle) -> int:
    both = limit(container, "memory", "memory.memsw.limit_in_bytes", "memory.swap.max")
    return int(both) if controller("memory")[1] == 1 else int(both) + memory(container)


def quota(container: Bundle) -> tuple[str, str]:
    if controller("cpu")[1] == 2:
        first, second = limit(container, "cpu", "", "cpu.max").split()
        return first, second
    return (
        limit(container, "cpu", "cpu.cfs_quota_us", ""),
        limit(container, "cpu", "cpu.cfs_period_us", ""),
    )


@pytest.fixture
def sleeper(crunw: Runtime, bundle) -> Bundle:
    return crunw.start(bundle("sleep", "1000"))


def kept(crunw: Runtime, container: Bundle) -> dict[str, Any]:
    """The resources in the container's copy of the specification."""
    config = json.loads((crunw.root / container.id / "config.json").read_text())
    return config["linux"]["resources"]


def test_memory_and_swap_up_and_down(crunw, sleeper):
    controller("memory")
    for now in (64, 256, 32):
        crunw("update", "--memory", f"{now}m", "--memory-swap", f"{now * 2}MiB", sleeper.id).ok()
        assert memory(sleeper) == now * MIB
        assert memory_and_swap(sleeper) == now * 2 * MIB
    crunw("update", "--memory", "40m", sleeper.id).ok()
    assert (memory(sleeper), memory_and_swap(sleeper)) == (40 * MIB, 64 * MIB)
    crunw("update", "--memory-swap", "48m", sleeper.id).ok()
    assert (memory(sleeper), memory_and_swap(sleeper)) == (40 * MIB, 48 * MIB)
    error = crunw("update", "--memory", "1g", sleeper.id).error()
    assert error.startswith("linux.resources.memory.swap: ")
    assert kept(crunw, sleeper)["memory"] == {"limit": 40 * MIB, "swap": 48 * MIB}
    crunw("update", "--memory", "-1", sleeper.id).ok()
    assert kept(crunw, sleeper)["memory"] == {"limit": -1, "swap": -1}


def test_memory_is_felt(crunw, bundle):
    controller("memory")
    fill = "read go </go; dd if=/dev/zero of=/dev/null bs=64M count=1 2>/dev/null; echo $? >/status"
    container = bundle("sh", "-c", f"mkfifo /go; {fill}")
    (container.rootfs / "bin" / "mkfifo").symlink_to("busybox")
    crunw.start(container)
    wait_for((container.rootfs / "go").exists)
    limits = {"memory": {"limit": 16 * MIB, "swap": 16 * MIB}}
    crunw("update", "--resources", "-", container.id, stdin=json.dumps(limits)).ok()
    (container.rootfs / "go").write_text("go\n")
    assert wait_for(lambda: status_of(container)) == "137"


def status_of(container: Bundle) -> str:
    path = container.rootfs / "status"
    return path.read_text().strip() if path.exists() else ""


def test_pids_is_felt(crunw, sleeper):
    controller("pids")
    crunw("update", "--pids-limit", "5", sleeper.id).ok()
    assert limit(sleeper, "pids", "pids.max", "pids.max") == "5"
    fork = "for i in 1 2 3 4 5 6 7 8; do sleep 1 & done; wait"
    result = crunw("exec", sleeper.id, "sh", "-c", fork)
    assert "can't fork" in result.err
    crunw("update", "--pids-limit=-1", sleeper.id).ok()
    assert limit(sleeper, "pids", "pids.max", "pids.max") == "max"
    assert crunw("exec", sleeper.id, "sh", "-c", fork).status == 0


def test_cpu_is_felt(crunw, bundle):
    top, _ = controller("cpu")
    container = crunw.start(bundle("sh", "-c", "while :; do :; done"))
    crunw("update", "--cpu-quota", "10000", "--cpu-period", "100000", container.id).ok()
    assert quota(container) == ("10000", "100000")
    file = top / cgroup_path(container) / "cpu.stat"

    def throttled() -> int:
        numbers = dict(line.split() for line in file.read_text().splitlines())
        return int(numbers["nr_throttled"])

    before = throttled()
    wait_for(lambda: throttled() > before, "throttling")


def test_period_and_quota_alone_leave_the_other(crunw, sleeper):
    controller("cpu")
    crunw("update", "--cpu-quota", "50000", "--cpu-period", "100000", sleeper.id).ok()
    crunw("update", "--cpu-period", "20000", sleeper.id).ok()
    assert quota(sleeper) == ("50000", "20000")
    crunw("update", "--cpu-quota", "30000", sleeper.id).ok()
    assert quota(sleeper) == ("30000", "20000")
    crunw("update", "--cpu-quota", "-1", sleeper.id).ok()
    assert quota(sleeper)[0] in ("-1", "max")


def test_shares_and_cpuset(crunw, sleeper):
    controller("cpu")
    controller("cpuset")
    crunw(
        "update", "--cpu-share", "256", "--cpuset-cpus", "0", "--cpuset-mems", "0", sleeper.id
    ).ok()
    assert limit(sleeper, "cpu", "cpu.shares", "cpu.weight") in ("256", "35")
    assert limit(sleeper, "cpuset", "cpuset.cpus", "cpuset.cpus") == "0"
    assert limit(sleeper, "cpuset", "cpuset.mems", "cpuset.mems") == "0"


def test_hugepages(crunw, sleeper):
    """In the hybrid layout that controller has to be handed down first."""
    controller("hugetlb")
    limits = {"hugepageLimits": [{"pageSize": "2MB", "limit": 4 * MIB}]}
    crunw("update", "--resources", "-", sleeper.id, stdin=json.dumps(limits)).ok()
    found = limit(sleeper, "hugetlb", "hugetlb.2MB.limit_in_bytes", "hugetlb.2MB.max")
    assert found == str(4 * MIB)


def test_a_refused_value_leaves_the_others_as_they_were(crunw, sleeper):
    controller("pids")
    controller("cpuset")
    crunw("update", "--pids-limit", "50", sleeper.id).ok()
    limits = {"pids": {"limit": 40}, "hugepageLimits": [{"pageSize": "3MB", "limit": 1}]}
    error = crunw("update", "--resources", "-", sleeper.id, stdin=json.dumps(limits)).error()
    assert error.startswith("linux.resources.hugepageLimits[0]: ")
    assert limit(sleeper, "pids", "pids.max", "pids.max") == "50"
    assert kept(crunw, sleeper)["pids"] == {"limit": 50}


def test_device_rules(crunw, bundle):
    """A list replaces the earlier one; on cgroup v2 that is another program."""
    controller("devices")
    container = bundle("sleep", "1000")
    fuse = {"type": "c", "path": "/dev/fuse", "major": 10, "minor": 229, "fileMode": 0o666}
    container.change(linux__devices=[fuse])
    crunw.start(container)

    def opened() -> bool:
        return crunw("exec", container.id, "sh", "-c", "exec </dev/fuse").status == 0

    assert not opened()
    for rule, expected in ((True, True), (False, False)):
        device = {"type": "c", "major": 10, "minor": 229, "access": "r", "allow": rule}
        rules = [{"allow": False, "access": "rwm"}, device]
        limits = json.dumps({"devices": rules})
        crunw("update", "--resources", "-", container.id, stdin=limits).ok()
        assert opened() == expected
        assert kept(crunw, container)["devices"] == rules
        assert crunw("exec", container.id, "sh", "-c", "exec </dev/null").status == 0


REFUSED = [
    (["--kernel-memory", "1m"], "--kernel-memory: the kernel has no such limit any more"),
    (["--l3-cache-schema", "L3:0=f"], "--l3-cache-schema: Intel RDT is not supported"),
    (["--memory", "3x"], "--memory: '3x' is not a number"),
    (["--pids-limit", "many"], "--pids-limit: 'many' is not a number"),
    (["--cpu-share", "1"], "linux.resources.cpu.shares: must be 0 or from 2 to 262144, is 1"),
    (["--cpuset-cpus", "a"], "linux.resources.cpu.cpus: must be a list such as '0-3,7', is 'a'"),
    (["-r", "-"], "-: invalid JSON at line 1, column 1: a value is missing"),
    (["-r", "-", "--memory", "1m"], "--resources says all: no other limit can be given with it"),
    (["-r", "/missing"], "/missing: can't be read: No such file or directory"),
]


@pytest.mark.parametrize(("options", "error"), REFUSED)
def test_refused_command_lines(crunw, options, error):
    assert crunw("update", *options, "missing").error() == error


def test_status(crunw, bundle):
    container = bundle("sleep", "1000")
    crunw.create(container).ok()
    crunw("update", container.id).ok()
    crunw("start", container.id).ok()
    crunw("pause", container.id).ok()
    crunw("update", container.id).ok()
    crunw("kill", container.id, "KILL").ok()
    crunw.wait_status(container, "stopped")
    error = f"update {container.id}: the container is stopped, must be created or running or paused"
    assert crunw("update", container.id).error() == error
    assert crunw("update", "missing").error() == "container missing does not exist"
