"""events: statistics as the kernel counts them, and notices of lack of memory."""

from __future__ import annotations

import json
import os
import subprocess
from typing import Any

import pytest
from support.commands import wait_for
from support.containers import Bundle, Runtime, require, skip_without_root

MIB = 1 << 20


def stats(crunw: Runtime, container: Bundle) -> dict[str, Any]:
    """The data of the one event that is printed."""
    (line,) = crunw("events", "--stats", container.id).ok().splitlines()
    event = json.loads(line)
    assert (event["type"], event["id"]) == ("stats", container.id)
    return event["data"]


def test_document_has_runcs_members(crunw, bundle):
    data = stats(crunw, crunw.start(bundle("sleep", "1000")))
    assert list(data) == [
        "cpu", "cpuset", "memory", "pids", "blkio", "hugetlb", "intel_rdt", "network_interfaces",
    ]  # fmt: skip
    assert set(data["cpu"]) - {"psi"} == {"usage", "throttling"}
    assert set(data["cpu"]["throttling"]) == {"periods", "throttledPeriods", "throttledTime"}
    assert {"total", "kernel", "user"} <= set(data["cpu"]["usage"])
    assert {"cpus", "mems", "sched_load_balance"} <= set(data["cpuset"])
    members = {"cache", "usage", "swap", "kernel", "kernelTCP", "raw", "event_count"}
    assert set(data["memory"]) - {"psi"} == members
    assert set(data["memory"]["usage"]) == {"limit", "usage", "max", "failcnt"}
    assert set(data["pids"]) == {"current", "limit"}


def test_processor_time(crunw, bundle):
    """On cgroup v2 it is counted without a controller."""
    container = crunw.start(bundle("sh", "-c", "while :; do :; done"))
    usage = wait_for(lambda: (u := stats(crunw, container)["cpu"]["usage"])["total"] > 10**8 and u)
    assert usage["user"] > 0
    assert abs(usage["user"] + usage["kernel"] - usage["total"]) < 10**8
    if "percpu" in usage:
        assert sum(usage["percpu"]) >= usage["total"]


def test_throttling(crunw, bundle):
    require("cpuacct")
    container = bundle("sh", "-c", "while :; do :; done")
    container.change(linux__resources__cpu={"quota": 10000, "period": 100000})
    crunw.start(container)
    throttling = wait_for(
        lambda: (t := stats(crunw, container)["cpu"]["throttling"])["throttledTime"] and t
    )
    assert 0 < throttling["throttledPeriods"] <= throttling["periods"]


def test_memory_and_pids(crunw, bundle):
    require("memory")
    require("pids")
    container = bundle(
        "sh", "-c", "dd if=/dev/zero of=/file bs=1M count=8 2>/dev/null; sleep 1000 & wait"
    )
    container.change(
        linux__resources__memory={"limit": 64 * MIB}, linux__resources__pids={"limit": 7}
    )
    crunw.start(container)
    wait_for(lambda: stats(crunw, container)["memory"]["cache"] >= 8 * MIB)
    data = stats(crunw, container)
    usage = data["memory"]["usage"]
    assert usage["limit"] == 64 * MIB
    assert 8 * MIB < usage["usage"] <= usage["max"] <= 64 * MIB
    assert data["memory"]["swap"]["usage"] >= usage["usage"]
    assert data["memory"]["raw"]["pgfault"] > 0
    assert data["pids"] == {"current": 2, "limit": 7}
    crunw("update", "--pids-limit", "-1", container.id).ok()
    assert stats(crunw, container)["pids"]["limit"] == 0


def test_cpuset(crunw, bundle):
    require("cpuset")
    container = bundle("sleep", "1000")
    container.change(linux__resources__cpu={"cpus": "0", "mems": "0"})
    cpuset = stats(crunw, crunw.start(container))["cpuset"]
    assert (cpuset["cpus"], cpuset["mems"]) == ([0], [0])


def test_hugetlb(crunw, bundle):
    require("hugetlb")
    container = bundle("sleep", "1000")
    limits = [{"pageSize": "2MB", "limit": 4 * MIB}]
    container.change(linux__resources__hugepageLimits=limits)
    hugetlb = stats(crunw, crunw.start(container))["hugetlb"]
    assert hugetlb["2MB"] == {"usage": 0, "max": 0, "failcnt": 0}


def test_network(crunw, bundle):
    """Of a network namespace of its own; not the host's."""
    container = bundle("sh", "-c", "ping -c 1 127.0.0.1; sleep 1000")
    (container.rootfs / "bin" / "ping").symlink_to("busybox")
    raw = {name: ["CAP_NET_RAW"] for name in ("bounding", "effective", "permitted")}
    container.change(process__capabilities=raw)
    crunw.start(container)

    def loopback() -> dict[str, Any]:
        return {item["Name"]: item for item in stats(crunw, container)["network_interfaces"]}["lo"]

    wait_for(lambda: loopback()["RxPackets"] == 2)
    assert loopback()["RxBytes"] == loopback()["TxBytes"] == 2 * 84
    host = bundle("sleep", "1000")
    kinds = [n for n in host.config["linux"]["namespaces"] if n["type"] != "network"]
    host.change(linux__namespaces=kinds)
    assert stats(crunw, crunw.start(host))["network_interfaces"] == []


def test_an_interface_of_any_name(crunw, bundle):
    """Root of the network namespace gives the names: a line ends with a newline, nothing else."""
    skip_without_root("to enter the namespace")
    container = crunw.start(bundle("sleep", "1000"))
    enter = ["nsenter", f"--net=/proc/{crunw.state(container)['pid']}/ns/net", "ip", "link", "set"]
    for change in (["down"], ["name", "a\x1cb"]):
        subprocess.run([*enter, "lo", *change], check=True)
    (found,) = stats(crunw, container)["network_interfaces"]
    assert found["Name"] == "a\x1cb"


def test_statistics_until_the_end(crunw, bundle):
    container = crunw.start(bundle("sleep", "1000"))
    process = crunw.spawn("events", "--interval", "50ms", container.id)
    assert process.stdout
    lines = [json.loads(process.stdout.readline()) for _ in range(3)]
    assert [line["type"] for line in lines] == ["stats"] * 3
    crunw("pause", container.id).ok()
    assert json.loads(process.stdout.readline())["type"] == "stats"
    crunw("kill", container.id, "KILL").ok()
    rest, errors = process.rest()
    assert (process.returncode, errors) == (0, "")
    assert all(json.loads(line)["type"] == "stats" for line in rest.splitlines())


def test_lack_of_memory_is_told(crunw, bundle):
    require("memory")
    fill = "dd if=/dev/zero of=/dev/null bs=64M count=1 2>/dev/null"
    container = bundle("sh", "-c", f"mkfifo /go; while :; do read go </go && {fill}; done")
    (container.rootfs / "bin" / "mkfifo").symlink_to("busybox")
    container.change(linux__resources__memory={"limit": 16 * MIB, "swap": 16 * MIB})
    crunw.start(container)
    wait_for((container.rootfs / "go").exists)
    process = crunw.spawn("events", "--interval", "1h", container.id)
    watching = f"/proc/{process.pid}/fd"
    wait_for(lambda: has_watch(watching))
    assert process.stdout
    for count in (1, 2):
        (container.rootfs / "go").write_text("go\n")
        assert json.loads(process.stdout.readline()) == {"type": "oom", "id": container.id}
        kills = stats(crunw, container)["memory"]["event_count"]["oom_kill"]
        assert kills == count
    crunw("delete", "--force", container.id).ok()
    rest, errors = process.rest()
    assert (process.returncode, rest, errors) == (0, "", "")


@pytest.mark.parametrize("rest", ["", "; exit 1"], ids=["program", "child"])
def test_run_tells_that_memory_was_lacking(crunw, bundle, rest):
    """Whether the program was killed, or has failed because a process of it was."""
    require("memory")
    fill = "dd if=/dev/zero of=/dev/null bs=64M count=1 2>/dev/null"
    container = bundle("sh", "-c", f"{fill}{rest}" if rest else f"exec {fill}")
    container.change(linux__resources__memory={"limit": 16 * MIB, "swap": 16 * MIB})
    done = crunw.run(container)
    assert done.status == (1 if rest else 137)
    why = "the kernel has killed a process of the container for lack of it"
    assert done.err == f"crunw: warning: memory: {why} (raise linux.resources.memory.limit)\n"


def test_a_module_that_only_the_cgroup_limits(crunw, wasm_bundle):
    """It grows after an update, and where it can't any more the kernel ends it."""
    require("memory")
    container = wasm_bundle("eater", annotations={"run.oci.wasm.statistics": "true"})
    container.change(linux__resources__memory={"limit": 16 * MIB, "swap": 16 * MIB})
    crunw.create(container).ok()
    process = crunw.spawn("events", "--interval", "1h", container.id)
    wait_for(lambda: has_watch(f"/proc/{process.pid}/fd"))
    limit = str(64 * MIB)
    crunw("update", "--memory", limit, "--memory-swap", limit, container.id).ok()
    crunw("start", container.id).ok()
    assert process.stdout
    assert json.loads(process.stdout.readline()) == {"type": "oom", "id": container.id}
    wait_for(lambda: crunw.status(container) == "stopped")
    memory = stats(crunw, container)["memory"]
    assert memory["event_count"]["oom_kill"] == 1
    assert memory["usage"]["max"] > 48 * MIB
    crunw("delete", container.id).ok()
    process.rest()


def has_watch(directory: str) -> bool:
    """Whether the process has opened what it waits on (the last of them is the eventfd on v1)."""
    try:
        links = [os.readlink(f"{directory}/{name}") for name in os.listdir(directory)]
    except FileNotFoundError:  # closed meanwhile
        return False
    return any("eventfd" in link or "memory.events" in link for link in links)


def test_refused(crunw, bundle):
    assert crunw("events", "missing").error() == "container missing does not exist"
    container = bundle("true")
    crunw.create(container).ok()
    for text in ("5", "1x", "s", "1.2.3s"):
        error = f"--interval: {text!r} is not a duration such as 500ms or 1m30s"
        assert crunw("events", "--interval", text, container.id).error() == error
    error = "--interval: '0s' must be greater than zero"
    assert crunw("events", "--interval", "0s", container.id).error() == error
    stats(crunw, container)
    crunw("start", container.id).ok()
    crunw.wait_status(container, "stopped")
    error = "the container is stopped, must be created or running or paused"
    assert crunw("events", "--stats", container.id).error() == f"events {container.id}: {error}"
