"""Statistics of cgroup v2 out of its files, which not every machine has."""

from __future__ import annotations

from pathlib import Path

from crunw.effects.cgroups.brief import brief
from crunw.effects.cgroups.group import Cgroup
from crunw.effects.cgroups.stats import stats

FILES = {
    "cpu.stat": "usage_usec 30\nuser_usec 20\nsystem_usec 10\nnr_periods 9\nnr_throttled 4\n"
    "throttled_usec 7\n",
    "cpu.pressure": "some avg10=1.50 avg60=0.20 avg300=0.00 total=77\n"
    "full avg10=0.00 avg60=0.00 avg300=0.00 total=3\n",
    "cpuset.cpus.effective": "0-2,7\n",
    "cpuset.mems.effective": "0\n",
    "memory.current": "4096\n",
    "memory.max": "max\n",
    "memory.peak": "8192\n",
    "memory.swap.current": "100\n",
    "memory.swap.max": "1000\n",
    "memory.stat": "anon 1\nfile 2048\nkernel 512\nsock 5\n",
    "memory.events": "low 0\nhigh 0\nmax 6\noom 2\noom_kill 1\n",
    "pids.current": "3\n",
    "pids.max": "max\n",
    "io.stat": "8:0 rbytes=10 wbytes=20 rios=1 wios=2 dbytes=0 dios=0\n252:3\n",
    "hugetlb.2MB.current": "2097152\n",
    "hugetlb.2MB.events": "max 5\n",
    "hugetlb.1GB.current": "0\n",
}


def test_cgroup_v2(tmp_path: Path) -> None:
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    found = stats(Cgroup("v2", "/group", {"": str(tmp_path)}))
    assert found["cpu"]["usage"] == {"total": 30000, "user": 20000, "kernel": 10000}
    throttling = {"periods": 9, "throttledPeriods": 4, "throttledTime": 7000}
    assert found["cpu"]["throttling"] == throttling
    some = {"avg10": 1.5, "avg60": 0.2, "avg300": 0.0, "total": 77}
    assert found["cpu"]["psi"]["some"] == some
    assert (found["cpuset"]["cpus"], found["cpuset"]["mems"]) == ([0, 1, 2, 7], [0])
    memory = found["memory"]
    no_limit = 2**64 - 1
    assert memory["usage"] == {"limit": no_limit, "usage": 4096, "max": 8192, "failcnt": 6}
    assert (memory["swap"]["usage"], memory["swap"]["limit"]) == (4196, no_limit)
    assert (memory["cache"], memory["kernel"]["usage"]) == (2048, 512)
    assert memory["event_count"]["oom_kill"] == 1
    assert found["pids"] == {"current": 3, "limit": 0}
    assert found["blkio"]["ioServicedRecursive"] == [
        {"major": 8, "minor": 0, "op": "Read", "value": 1},
        {"major": 8, "minor": 0, "op": "Write", "value": 2},
    ]
    assert found["hugetlb"] == {
        "1GB": {"usage": 0, "max": 0, "failcnt": 0},
        "2MB": {"usage": 2097152, "max": 0, "failcnt": 5},
    }


def test_nothing_is_counted(tmp_path: Path) -> None:
    found = stats(Cgroup("v2", "/group", {"": str(tmp_path)}))
    assert found["memory"]["usage"] == {"limit": 0, "usage": 0, "max": 0, "failcnt": 0}
    assert found["hugetlb"] == {}


def test_in_brief(tmp_path: Path) -> None:
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    unlimited = {"cpu": 30000, "memory": 4096, "memoryLimit": None, "pids": 3}
    group = Cgroup("v2", "/group", {"": str(tmp_path)})
    assert brief(group) == unlimited
    (tmp_path / "memory.max").write_text("8192\n")
    assert brief(group) == {**unlimited, "memoryLimit": 8192}


def test_in_brief_on_v1(tmp_path: Path) -> None:
    files = {
        "cpuacct.usage": "30000\n",
        "memory.usage_in_bytes": "4096\n",
        "memory.limit_in_bytes": "9223372036854771712\n",
        "pids.current": "3\n",
    }
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    keys = ("cpuacct", "memory", "pids")
    group = Cgroup("v1", "/group", dict.fromkeys(keys, str(tmp_path)))
    assert brief(group) == {"cpu": 30000, "memory": 4096, "memoryLimit": None, "pids": 3}


def test_in_brief_where_nothing_is_counted(tmp_path: Path) -> None:
    found = brief(Cgroup("v2", "/group", {"": str(tmp_path)}))
    assert found == dict.fromkeys(("cpu", "memory", "memoryLimit", "pids"))
