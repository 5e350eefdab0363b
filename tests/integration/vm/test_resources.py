"""All limits, with both managers: as read back, as systemd knows them, and as felt."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.commands import wait_for

TOP = Path("/sys/fs/cgroup")
DISK = Path("/sys/block/nvme0n1")
MB = 1 << 20


def disk() -> tuple[int, int]:
    """A whole disk: limits on I/O are none of a partition's."""
    major, minor = (DISK / "dev").read_text().split(":")
    return int(major), int(minor)


def whole(disk: tuple[int, int]) -> dict[str, Any]:
    """``linux.resources`` with every field that cgroup v2 has."""
    device = {"major": disk[0], "minor": disk[1]}
    return {
        "memory": {"limit": 256 * MB, "swap": 320 * MB, "reservation": 64 * MB},
        "cpu": {"shares": 512, "quota": 150000, "period": 100000, "burst": 20000}
        | {"cpus": "1", "mems": "0"},
        "pids": {"limit": 50},
        "blockIO": {
            "weight": 500,
            "throttleReadBpsDevice": [{**device, "rate": 50 * MB}],
            "throttleWriteBpsDevice": [{**device, "rate": 40 * MB}],
            "throttleReadIOPSDevice": [{**device, "rate": 3000}],
            "throttleWriteIOPSDevice": [{**device, "rate": 2000}],
        },
        "hugepageLimits": [{"pageSize": "2MB", "limit": 4 * MB}],
        "unified": {"memory.high": str(200 * MB), "memory.min": str(16 * MB), "pids.max": "40"},
        "devices": [{"allow": False, "access": "rwm"}],
    }


FILES = {
    "memory.max": f"{256 * MB}",
    "memory.swap.max": f"{64 * MB}",
    "memory.low": f"{64 * MB}",
    "memory.high": f"{200 * MB}",
    "memory.min": f"{16 * MB}",
    "cpu.weight": "59",
    "cpu.max": "150000 100000",
    "cpu.max.burst": "20000",
    "cpuset.cpus": "1",
    "cpuset.mems": "0",
    "pids.max": "40",
    "hugetlb.2MB.max": f"{4 * MB}",
    "hugetlb.2MB.rsvd.max": f"{4 * MB}",
}
PROPERTIES = {
    "MemoryMax": f"{256 * MB}",
    "MemorySwapMax": f"{64 * MB}",
    "MemoryLow": f"{64 * MB}",
    "MemoryHigh": f"{200 * MB}",
    "MemoryMin": f"{16 * MB}",
    "CPUWeight": "59",
    "CPUQuotaPerSecUSec": "1.500000s",
    "CPUQuotaPeriodUSec": "100ms",
    "AllowedCPUs": "1",
    "AllowedMemoryNodes": "0",
    "TasksMax": "40",
    "IOWeight": "4950",
    "DevicePolicy": "strict",
    "Delegate": "yes",
    "Slice": "pod_123-456.slice",
    "CollectMode": "inactive-or-failed",
}


def test_every_limit_is_read_back(managed, bundle, properties) -> None:
    made = managed.place(bundle("sleep", "1000", linux__resources=whole(disk())))
    managed.crunw.start(made)

    def check() -> None:
        assert {name: managed.file(made, name) for name in FILES} == FILES
        weights = [managed.file(made, name) for name in ("io.weight", "io.bfq.weight")
                   if (managed.group(made) / name).exists()]  # fmt: skip
        assert {"default 4950", "default 500"}.intersection(weights)
        limits = f"rbps={50 * MB} wbps={40 * MB} riops=3000 wiops=2000"
        assert managed.file(made, "io.max") == f"{disk()[0]}:{disk()[1]} {limits}"

    check()
    if managed.manager == "systemd":
        assert properties(managed.unit(made), *PROPERTIES) == PROPERTIES
        os.system("systemctl daemon-reload")  # noqa: S605 -- systemd writes what it knows again
        check()
    managed.crunw("delete", "--force", made.id).ok()
    managed.wait_gone(made)


def test_an_update_reaches_files_and_properties(managed, bundle, properties) -> None:
    made = managed.place(bundle("sleep", "1000", linux__resources={"pids": {"limit": 50}}))
    managed.crunw.start(made)
    asked = {
        "memory": {"limit": 128 * MB, "swap": 128 * MB},
        "cpu": {"shares": 2048, "quota": 50000, "period": 200000},
        "pids": {"limit": -1},
    }
    managed.crunw("update", "--resources", "-", made.id, stdin=json.dumps(asked)).ok()
    names = ("memory.max", "memory.swap.max", "cpu.weight", "cpu.max", "pids.max")
    found = [managed.file(made, name) for name in names]
    assert found == [f"{128 * MB}", "0", "174", "50000 200000", "max"]
    if managed.manager == "systemd":
        wanted = {
            "MemoryMax": f"{128 * MB}",
            "CPUWeight": "174",
            "CPUQuotaPerSecUSec": "250ms",
            "CPUQuotaPeriodUSec": "200ms",
            "TasksMax": "infinity",
        }
        assert properties(managed.unit(made), *wanted) == wanted


def test_the_limit_on_memory_kills(managed, bundle) -> None:
    script = "dd if=/dev/zero of=/dev/shm/fill bs=1M count=48; echo survived"
    resources = {"memory": {"limit": 24 * MB, "swap": 24 * MB}}
    made = managed.place(bundle("sh", "-c", script, linux__resources=resources))
    managed.crunw.create(made).ok()
    events = os.open(managed.group(made), os.O_RDONLY)
    try:
        managed.crunw("start", made.id)

        def killed() -> bool:
            text = Path(f"/proc/self/fd/{events}/memory.events").read_text()
            return int(re.search(r"^oom_kill (\d+)", text, re.MULTILINE)[1]) > 0

        wait_for(killed, "an OOM kill")
    finally:
        os.close(events)


def test_the_limit_on_processes_refuses_a_fork(managed, bundle) -> None:
    script = "sleep 100 & sleep 100 & sleep 100 & echo all; kill %1 %2 %3"
    made = managed.place(bundle("sh", "-c", script, linux__resources={"pids": {"limit": 2}}))
    result = managed.crunw.run(made)
    assert result.status
    assert "can't fork: Resource temporarily unavailable" in result.err
    assert "all" not in result.out


def test_the_quota_of_cpu_is_counted(managed, bundle) -> None:
    resources = {"cpu": {"quota": 20000, "period": 50000}}
    script = "while :; do :; done"
    made = managed.place(bundle("sh", "-c", script, linux__resources=resources))
    managed.crunw.start(made)

    def throttled() -> int:
        statistics = managed.file(made, "cpu.stat")
        return int(re.search(r"^nr_throttled (\d+)", statistics, re.MULTILINE)[1])

    before = throttled()
    wait_for(lambda: throttled() > before + 5, "throttling")


def test_a_container_that_runs_when_nothing_else_does(managed, bundle, properties) -> None:
    made = managed.place(bundle("sleep", "1000", linux__resources={"cpu": {"idle": 1}}))
    managed.crunw.start(made)
    assert managed.file(made, "cpu.idle") == "1"
    if managed.manager == "systemd":
        assert properties(managed.unit(made), "CPUWeight") == {"CPUWeight": "idle"}


def test_a_process_sees_its_processors(managed, bundle) -> None:
    resources = {"cpu": {"cpus": "1", "mems": "0"}}
    words = ("grep", "-E", "^(Cpus|Mems)_allowed_list", "/proc/self/status")
    made = managed.place(bundle(*words, linux__resources=resources))
    allowed = dict(line.split(":\t") for line in managed.crunw.run(made).ok().splitlines())
    assert allowed == {"Cpus_allowed_list": "1", "Mems_allowed_list": "0"}


def test_no_limit(managed, bundle, properties) -> None:
    asked = {"memory": {"limit": -1}, "pids": {"limit": -1}, "cpu": {"quota": -1, "period": 50000}}
    made = managed.place(bundle("sleep", "1000", linux__resources=asked))
    managed.crunw.start(made)
    names = ("memory.max", "memory.swap.max", "pids.max", "cpu.max")
    assert [managed.file(made, name) for name in names] == ["max", "max", "max", "max 50000"]
    if managed.manager == "systemd":
        names = ("MemoryMax", "MemorySwapMax", "TasksMax", "CPUQuotaPerSecUSec")
        assert properties(managed.unit(made), *names) == dict.fromkeys(names, "infinity")


@pytest.fixture(params=["io.weight", "io.bfq.weight"])
def weights(request: pytest.FixtureRequest) -> Iterator[str]:
    """The file of the policy that weighs the disk's users: blk-iocost's, BFQ's."""
    number, scheduler = ":".join(map(str, disk())), DISK / "queue/scheduler"
    if request.param == "io.weight":
        (TOP / "io.cost.qos").write_text(f"{number} enable=1")
        yield request.param
        (TOP / "io.cost.qos").write_text(f"{number} enable=0")
        return
    subprocess.run(["modprobe", "bfq"], check=True)
    scheduler.write_text("bfq")
    yield request.param
    scheduler.write_text("none")
    subprocess.run(["modprobe", "--remove", "bfq"], check=True)


def test_weights_of_a_disk(managed, bundle, weights) -> None:
    major, minor = disk()
    device = {"major": major, "minor": minor, "weight": 300}
    resources = {"blockIO": {"weight": 500, "weightDevice": [device]}}
    made = managed.place(bundle("sleep", "1000", linux__resources=resources))
    managed.crunw.start(made)
    wanted = {"io.weight": (4950, 2930), "io.bfq.weight": (500, 300)}[weights]
    found = managed.file(made, weights).splitlines()
    assert found == [f"default {wanted[0]}", f"{major}:{minor} {wanted[1]}"]
    managed.crunw("delete", "--force", made.id).ok()
    managed.wait_gone(made)


def test_a_limit_below_what_is_in_use_is_refused_if_asked_to(managed, bundle) -> None:
    fill = "dd if=/dev/zero of=/dev/shm/fill bs=1M count=16 2>/dev/null; touch /full; sleep 1000"
    made = managed.place(bundle("sh", "-c", fill))
    managed.crunw.start(made)
    wait_for((made.rootfs / "full").exists)
    asked = {"memory": {"limit": 8 * MB, "checkBeforeUpdate": True}}
    error = managed.crunw("update", "--resources", "-", made.id, stdin=json.dumps(asked)).error()
    assert error.startswith("linux.resources.memory.limit: ")
    assert "is less than is in use" in error
    assert managed.file(made, "memory.max") == "max"
    assert managed.crunw.status(made) == "running"


def test_all_processes_of_a_container_end_with_one(managed, bundle) -> None:
    """``unified`` reaches a file that no other field does: ``memory.oom.group``."""
    resources = {
        "memory": {"limit": 24 * MB, "swap": 24 * MB},
        "unified": {"memory.oom.group": "1"},
    }
    script = "dd if=/dev/zero of=/dev/shm/fill bs=1M count=48; sleep 1000"
    made = managed.place(bundle("sh", "-c", script, linux__resources=resources))
    assert managed.crunw.run(made).status == 137
    managed.wait_gone(made)


@pytest.mark.parametrize(
    ("resources", "error"),
    [
        ({"rdma": {"none0": {"hcaHandles": 3}}}, "rdma.none0: writing 'none0 hca_handle=3' to "),
        ({"unified": {"misc.max": "none 1"}}, "unified.misc.max: writing 'none 1' to misc.max: "),
        ({"unified": {"memory.none": "1"}}, "unified.memory.none: writing '1' to memory.none: "),
        ({"cpu": {"cpus": "77"}}, "cpu.cpus: "),
    ],
    ids=lambda value: None if isinstance(value, str) else next(iter(value)),
)
def test_what_the_kernel_does_not_have_is_refused(managed, bundle, resources, error) -> None:
    made = managed.place(bundle("true", linux__resources=resources))
    assert managed.crunw.run(made).error().startswith(f"linux.resources.{error}")
    managed.wait_gone(made)
