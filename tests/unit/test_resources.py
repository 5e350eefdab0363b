"""``linux.resources`` as writes: values, conversions, order, errors."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from crunw.errors import SpecError
from crunw.plan.resources import Write, cpu_weight, writes

ALL_CONFIGS = (Path(__file__).parents[1] / "data" / "configs").glob("*.json")
CONFIGS = sorted(path for path in ALL_CONFIGS if path.stem != "every-field")


def v1(_: str) -> int:
    return 1


def v2(_: str) -> int:
    return 2


def lines(resources: dict[str, Any], version: Callable[[str], int]) -> list[str]:
    """``file=value`` of all writes but those for devices."""
    found = writes(resources, version)  # type: ignore[arg-type]
    return [f"{w.file}={w.value}" for w in found if w.controller != "devices"]


MIB = 1 << 20
CASES = [
    ({"memory": {"limit": 64 * MIB}}, ["memory.limit_in_bytes=67108864"], ["memory.max=67108864"]),
    (
        {"memory": {"limit": 64, "swap": 100}},
        ["memory.limit_in_bytes=64", "memory.memsw.limit_in_bytes=100"],
        ["memory.swap.max=36", "memory.max=64"],
    ),
    (
        {"memory": {"limit": 64, "swap": 64}},
        ["memory.limit_in_bytes=64", "memory.memsw.limit_in_bytes=64"],
        ["memory.swap.max=0", "memory.max=64"],
    ),
    (
        {"memory": {"limit": -1}},
        ["memory.limit_in_bytes=-1", "memory.memsw.limit_in_bytes=-1"],
        ["memory.swap.max=max", "memory.max=max"],
    ),
    (
        {"memory": {"limit": 64, "swap": -1}},
        ["memory.limit_in_bytes=64", "memory.memsw.limit_in_bytes=-1"],
        ["memory.swap.max=max", "memory.max=64"],
    ),
    ({"memory": {"limit": 0, "swap": 0, "reservation": 0}}, [], []),
    (
        {"memory": {"reservation": 9}},
        ["memory.soft_limit_in_bytes=9"],
        ["memory.low=9"],
    ),
    (
        {"memory": {"disableOOMKiller": True, "swappiness": 0, "useHierarchy": True}},
        ["memory.use_hierarchy=1", "memory.oom_control=1", "memory.swappiness=0"],
        "memory.disableOOMKiller",
    ),
    ({"memory": {"disableOOMKiller": False}}, ["memory.oom_control=0"], []),
    ({"memory": {"swappiness": 60}}, ["memory.swappiness=60"], "memory.swappiness"),
    ({"memory": {"useHierarchy": False}}, ["memory.use_hierarchy=0"], "memory.useHierarchy"),
    ({"memory": {"kernel": 5}}, ["memory.kmem.limit_in_bytes=5"], "memory.kernel"),
    ({"memory": {"kernelTCP": 5}}, ["memory.kmem.tcp.limit_in_bytes=5"], "memory.kernelTCP"),
    ({"memory": {"swap": 5}}, "memory.swap", "memory.swap"),
    ({"memory": {"limit": 6, "swap": 5}}, "memory.swap", "memory.swap"),
    ({"memory": {"limit": -2}}, "memory.limit", "memory.limit"),
    ({"memory": {"swappiness": 101}}, "memory.swappiness", "memory.swappiness"),
    ({"cpu": {"shares": 1024}}, ["cpu.shares=1024"], ["cpu.weight=100"]),
    (
        {"cpu": {"quota": 50000, "period": 100000, "burst": 10000}},
        ["cpu.cfs_period_us=100000", "cpu.cfs_quota_us=50000", "cpu.cfs_burst_us=10000"],
        ["cpu.max=50000 100000", "cpu.max.burst=10000"],
    ),
    ({"cpu": {"quota": 50000}}, ["cpu.cfs_quota_us=50000"], ["cpu.max=50000"]),
    ({"cpu": {"quota": -1}}, ["cpu.cfs_quota_us=-1"], ["cpu.max=max"]),
    ({"cpu": {"period": 50000}}, ["cpu.cfs_period_us=50000"], ["cpu.max=max 50000"]),
    ({"cpu": {"shares": 0, "quota": 0, "period": 0}}, [], []),
    (
        {"cpu": {"realtimePeriod": 9, "realtimeRuntime": 5}},
        ["cpu.rt_period_us=9", "cpu.rt_runtime_us=5"],
        "cpu.realtimePeriod",
    ),
    ({"cpu": {"idle": 1}}, ["cpu.idle=1"], ["cpu.idle=1"]),
    ({"cpu": {"idle": 2}}, "cpu.idle", "cpu.idle"),
    ({"cpu": {"quota": -2}}, "cpu.quota", "cpu.quota"),
    (
        {"cpu": {"cpus": "0-1,3", "mems": "0"}},
        ["cpuset.cpus=0-1,3", "cpuset.mems=0"],
        ["cpuset.cpus=0-1,3", "cpuset.mems=0"],
    ),
    ({"cpu": {"cpus": "", "mems": " \n"}}, [], []),
    ({"cpu": {"cpus": " 0, 1,\n"}}, ["cpuset.cpus=0,1,"], ["cpuset.cpus=0,1,"]),
    ({"cpu": {"cpus": "0;1"}}, "cpu.cpus", "cpu.cpus"),
    ({"pids": {"limit": 50}}, ["pids.max=50"], ["pids.max=50"]),
    ({"pids": {"limit": -1}}, ["pids.max=max"], ["pids.max=max"]),
    ({"pids": {"limit": 0}}, [], []),
    ({"blockIO": {"weight": 10}}, ["blkio.weight=10"], ["io.bfq.weight=10"]),
    ({"blockIO": {"weight": 5}}, "blockIO.weight", "blockIO.weight"),
    ({"blockIO": {"leafWeight": 10}}, ["blkio.leaf_weight=10"], "blockIO.leafWeight"),
    (
        {"blockIO": {"weightDevice": [{"major": 8, "minor": 0, "weight": 500}]}},
        ["blkio.weight_device=8:0 500"],
        ["io.bfq.weight=8:0 500"],
    ),
    (
        {"blockIO": {"weightDevice": [{"major": 8, "minor": 0, "leafWeight": 5}]}},
        "blockIO.weightDevice[0].leafWeight",
        "blockIO.weightDevice[0].leafWeight",
    ),
    (
        {
            "blockIO": {
                "throttleReadBpsDevice": [{"major": 8, "minor": 0, "rate": 100}],
                "throttleWriteIOPSDevice": [{"major": 8, "minor": 1, "rate": 7}],
            }
        },
        ["blkio.throttle.read_bps_device=8:0 100", "blkio.throttle.write_iops_device=8:1 7"],
        ["io.max=8:0 rbps=100", "io.max=8:1 wiops=7"],
    ),
    (
        {"hugepageLimits": [{"pageSize": "2MB", "limit": 4}]},
        ["hugetlb.2MB.limit_in_bytes=4", "hugetlb.2MB.rsvd.limit_in_bytes=4"],
        ["hugetlb.2MB.max=4", "hugetlb.2MB.rsvd.max=4"],
    ),
    (
        {"hugepageLimits": [{"pageSize": "../MB", "limit": 4}]},
        "hugepageLimits[0].pageSize",
        "hugepageLimits[0].pageSize",
    ),
    (
        {"network": {"classID": 7, "priorities": [{"name": "lo", "priority": 2}]}},
        ["net_cls.classid=7", "net_prio.ifpriomap=lo 2"],
        ["net_cls.classid=7", "net_prio.ifpriomap=lo 2"],
    ),
    (
        {"rdma": {"mlx5_1": {"hcaHandles": 3, "hcaObjects": 9}, "none": {}}},
        ["rdma.max=mlx5_1 hca_handle=3 hca_object=9"],
        ["rdma.max=mlx5_1 hca_handle=3 hca_object=9"],
    ),
    ({"rdma": {"a b": {"hcaHandles": 3}}}, "rdma", "rdma"),
    (
        {"unified": {"memory.high": "5", "io.max": "8:0 rbps=1\n8:1 rbps=2"}},
        "unified.memory.high",
        ["memory.high=5", "io.max=8:0 rbps=1", "io.max=8:1 rbps=2"],
    ),
    ({"unified": {"../memory.high": "5"}}, "unified.../memory.high", "unified.../memory.high"),
    ({"unified": {"memory": "5"}}, "unified.memory", "unified.memory"),
]


@pytest.mark.parametrize(("resources", "on_v1", "on_v2"), CASES, ids=[str(c[0]) for c in CASES])
def test_writes(resources: dict[str, Any], on_v1: list[str] | str, on_v2: list[str] | str) -> None:
    """A string stands for the field of a :class:`SpecError`."""
    for version, expected in ((v1, on_v1), (v2, on_v2)):
        if isinstance(expected, list):
            assert lines(resources, version) == expected
            continue
        with pytest.raises(SpecError) as caught:
            lines(resources, version)
        assert caught.value.field == f"linux.resources.{expected}"


@pytest.mark.parametrize(
    ("shares", "weight"),
    [
        (1, 1),
        (2, 1),
        (3, 2),
        (102, 17),
        (256, 35),
        (512, 59),
        (1024, 100),
        (2048, 174),
        (262144, 10000),
        (1 << 40, 10000),
    ],
)
def test_cpu_weight(shares: int, weight: int) -> None:
    assert cpu_weight(shares) == weight


def by_file(found: list[Write], file: str) -> Write:
    return next(write for write in found if write.file == file)


def test_fallbacks_for_kernels_without_bfq_or_cfq() -> None:
    resources: Any = {"blockIO": {"weight": 1000}}
    fallback = by_file(writes(resources, v2), "io.bfq.weight").fallback
    assert fallback is not None
    assert (fallback.file, fallback.value) == ("io.weight", "10000")
    fallback = by_file(writes(resources, v1), "blkio.weight").fallback
    assert fallback is not None
    assert (fallback.file, fallback.value) == ("blkio.bfq.weight", "1000")


def test_check_before_update_names_what_is_in_use() -> None:
    found = writes({"memory": {"limit": 5, "swap": 9, "checkBeforeUpdate": True}}, v2)
    assert by_file(found, "memory.max").usage_file == "memory.current"
    assert by_file(found, "memory.swap.max").usage_file == "memory.swap.current"


def test_each_controller_has_its_own_version_on_hybrid() -> None:
    def hybrid(controller: str) -> int:
        return 2 if controller == "hugetlb" else 1

    resources = {
        "memory": {"limit": 5},
        "hugepageLimits": [{"pageSize": "1GB", "limit": 0}],
        "unified": {"hugetlb.2MB.max": "0"},
    }
    assert lines(resources, hybrid) == [
        "memory.limit_in_bytes=5",
        "hugetlb.1GB.max=0",
        "hugetlb.1GB.rsvd.max=0",
        "hugetlb.2MB.max=0",
    ]


def test_devices_are_written_on_v1_only() -> None:
    found = writes({}, v1)
    assert [found[0].file, found[0].value] == ["devices.deny", "a"]
    assert {write.file for write in found[1:]} == {"devices.allow"}
    assert writes({}, v2) == []


@pytest.mark.parametrize("config", CONFIGS, ids=lambda path: path.stem)
@pytest.mark.parametrize("version", [v1, v2])
def test_what_the_engines_write_is_accepted(config: Path, version: Callable[[str], int]) -> None:
    spec = json.loads(config.read_text())
    writes(spec.get("linux", {}).get("resources", {}), version)
