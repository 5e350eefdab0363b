"""All limits, with both managers: as read back, as systemd knows them, and as felt."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

from container_harness import wait_for

MB = 1 << 20


def disk() -> tuple[int, int]:
    """A whole disk: limits on I/O are none of a partition's."""
    major, minor = Path("/sys/block/nvme0n1/dev").read_text().split(":")
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
