"""What a container has used, read from its cgroup: cgroup v1, hybrid and v2.

The members and their names are those of runc's ``events``: a program that reads one reads both.
Times are in ns, sizes in bytes. What a kernel does not count is left out or 0.
"""

from __future__ import annotations

import posix

from crunw.effects.cgroups.brief import content

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from crunw.effects.cgroups.group import Cgroup

    Section = dict[str, Any]

_NO_LIMIT = 2**64 - 1  # how runc puts "max" of memory; "max" of pids is 0

_CPUSET_FLAGS = (
    "cpu_exclusive",
    "mem_hardwall",
    "mem_exclusive",
    "memory_migrate",
    "memory_spread_page",
    "memory_spread_slab",
    "memory_pressure",
    "sched_load_balance",
    "sched_relax_domain_level",
)
# Member, file of the BFQ scheduler after "blkio.bfq.", file that is there with any or "".
_BLKIO = (
    (
        "ioServiceBytesRecursive",
        "io_service_bytes_recursive",
        "throttle.io_service_bytes_recursive",
    ),
    ("ioServicedRecursive", "io_serviced_recursive", "throttle.io_serviced_recursive"),
    ("ioQueueRecursive", "io_queued_recursive", ""),
    ("ioServiceTimeRecursive", "io_service_time_recursive", ""),
    ("ioWaitTimeRecursive", "io_wait_time_recursive", ""),
    ("ioMergedRecursive", "io_merged_recursive", ""),
    ("ioTimeRecursive", "time_recursive", ""),
    ("sectorsRecursive", "sectors_recursive", ""),
)
_IO_STAT = {
    "rbytes": ("ioServiceBytesRecursive", "Read"),
    "wbytes": ("ioServiceBytesRecursive", "Write"),
    "rios": ("ioServicedRecursive", "Read"),
    "wios": ("ioServicedRecursive", "Write"),
}


def stats(group: Cgroup) -> dict[str, Section]:
    """Return the sections ``cpu``, ``cpuset``, ``memory``, ``pids``, ``blkio`` and ``hugetlb``."""
    sections = {}
    for name, controller, v1, v2 in (
        ("cpu", "cpuacct", _cpu_v1, _cpu_v2),
        ("cpuset", "cpuset", _cpuset_v1, _cpuset_v2),
        ("memory", "memory", _memory_v1, _memory_v2),
        ("pids", "pids", _pids, _pids),
        ("blkio", "blkio", _blkio_v1, _blkio_v2),
        ("hugetlb", "hugetlb", _hugetlb_v1, _hugetlb_v2),
    ):
        directory = group.directory(controller)
        sections[name] = (v2 if directory == group.unified else v1)(directory)
    if group.directory("cpu") != group.unified:
        sections["cpu"]["throttling"] = _throttling(group.directory("cpu"), "throttled_time", 1)
    return sections


def _number(directory: str, file: str, maximum: int = _NO_LIMIT) -> int:
    """The number in a file, ``maximum`` for "max"."""
    text = content(directory, file).strip()
    return maximum if text == "max" else int(text or 0)


def _numbers(directory: str, file: str) -> dict[str, int]:
    """The lines ``name number`` of a file."""
    pairs = (line.split() for line in content(directory, file).splitlines())
    return {pair[0]: int(pair[1]) for pair in pairs if len(pair) == 2}


def _throttling(directory: str, time: str, unit: int) -> Section:
    found = _numbers(directory, "cpu.stat")
    return {
        "periods": found.get("nr_periods", 0),
        "throttledPeriods": found.get("nr_throttled", 0),
        "throttledTime": found.get(time, 0) * unit,
    }


def _cpu_v1(directory: str) -> Section:
    rows = [line.split() for line in content(directory, "cpuacct.usage_all").splitlines()[1:]]
    usage = {
        "total": _number(directory, "cpuacct.usage"),
        "percpu": [int(word) for word in content(directory, "cpuacct.usage_percpu").split()],
        "percpu_kernel": [int(system) for _, _, system in rows],
        "percpu_user": [int(user) for _, user, _ in rows],
        "kernel": _number(directory, "cpuacct.usage_sys"),
        "user": _number(directory, "cpuacct.usage_user"),
    }
    return {"usage": usage}


def _cpu_v2(directory: str) -> Section:
    found = _numbers(directory, "cpu.stat")
    times = (("total", "usage_usec"), ("kernel", "system_usec"), ("user", "user_usec"))
    return {
        "usage": {name: found.get(key, 0) * 1000 for name, key in times},
        "throttling": _throttling(directory, "throttled_usec", 1000),
        **_pressure(directory, "cpu"),
    }


def _pressure(directory: str, resource: str) -> Section:
    """Pressure stall information (psi.rst); nothing where the kernel keeps none."""
    found: Section = {}
    for line in content(directory, f"{resource}.pressure").splitlines():
        kind, *fields = line.split()
        pairs = dict(field.split("=") for field in fields)
        averages = {name: float(pairs[name]) for name in ("avg10", "avg60", "avg300")}
        found[kind] = {**averages, "total": int(pairs["total"])}
    return {"psi": found} if found else {}


def _list(text: str) -> list[int]:
    """``0-2,7`` as a list of numbers."""
    found: list[int] = []
    for part in text.strip().split(",") if text.strip() else ():
        first, _, last = part.partition("-")
        found += range(int(first), int(last or first) + 1)
    return found


def _cpuset_v1(directory: str) -> Section:
    lists = {name: _list(content(directory, f"cpuset.{name}")) for name in ("cpus", "mems")}
    return {**lists, **{name: _number(directory, f"cpuset.{name}") for name in _CPUSET_FLAGS}}


def _cpuset_v2(directory: str) -> Section:
    """The flags of v1 have no counterpart: 0."""
    files = {name: f"cpuset.{name}.effective" for name in ("cpus", "mems")}
    lists = {name: _list(content(directory, file)) for name, file in files.items()}
    return {**lists, **dict.fromkeys(_CPUSET_FLAGS, 0)}


def _memory_v1(directory: str) -> Section:
    raw = _numbers(directory, "memory.stat")
    control = _numbers(directory, "memory.oom_control")
    return {
        "cache": raw.get("cache", 0),
        "usage": _usage_v1(directory, "memory."),
        "swap": _usage_v1(directory, "memory.memsw."),
        "kernel": _usage_v1(directory, "memory.kmem."),
        "kernelTCP": _usage_v1(directory, "memory.kmem.tcp."),
        "raw": raw,
        "event_count": {"oom_kill": control.get("oom_kill", 0)},
    }


def _usage_v1(directory: str, prefix: str) -> Section:
    return {
        "limit": _number(directory, f"{prefix}limit_in_bytes"),
        "usage": _number(directory, f"{prefix}usage_in_bytes"),
        "max": _number(directory, f"{prefix}max_usage_in_bytes"),
        "failcnt": _number(directory, f"{prefix}failcnt"),
    }


def _memory_v2(directory: str) -> Section:
    """``swap`` counts the memory too, as on v1."""
    raw = _numbers(directory, "memory.stat")
    events = _numbers(directory, "memory.events")
    memory = _usage_v2(directory, "memory.")
    memory["failcnt"] = events.get("max", 0)
    swap = _usage_v2(directory, "memory.swap.")
    swap["usage"] += memory["usage"]
    swap["limit"] = min(swap["limit"] + memory["limit"], _NO_LIMIT)
    unknown = {"limit": 0, "failcnt": 0}
    return {
        "cache": raw.get("file", 0),
        "usage": memory,
        "swap": swap,
        "kernel": {**unknown, "usage": raw.get("kernel", 0)},
        "kernelTCP": {**unknown, "usage": raw.get("sock", 0)},
        "raw": raw,
        "event_count": events,
        **_pressure(directory, "memory"),
    }


def _usage_v2(directory: str, prefix: str) -> Section:
    return {
        "limit": _number(directory, f"{prefix}max"),
        "usage": _number(directory, f"{prefix}current"),
        "max": _number(directory, f"{prefix}peak"),
        "failcnt": 0,
    }


def _pids(directory: str) -> Section:
    current = _number(directory, "pids.current")
    return {"current": current, "limit": _number(directory, "pids.max", maximum=0)}


def _blkio_v1(directory: str) -> Section:
    """With the BFQ scheduler the files are its own, else those of throttling are counted."""
    section = {}
    for member, bfq, other in _BLKIO:
        entries = _device_lines(content(directory, f"blkio.bfq.{bfq}"))
        if not entries and other:
            entries = _device_lines(content(directory, f"blkio.{other}"))
        if entries:
            section[member] = entries
    return section


def _device_lines(text: str) -> list[Section]:
    """Lines ``8:0 Read 4096`` and ``8:0 4096``; the sum over all devices has no number."""
    entries = []
    for line in text.splitlines():
        device, *words = line.split()
        major, colon, minor = device.partition(":")
        if colon:
            entry = _entry(major, minor, words[0] if len(words) == 2 else "", words[-1])
            entries.append(entry)
    return entries


def _entry(major: str, minor: str, operation: str, value: str) -> Section:
    return {"major": int(major), "minor": int(minor), "op": operation, "value": int(value)}


def _blkio_v2(directory: str) -> Section:
    section: dict[str, Any] = {}
    for line in content(directory, "io.stat").splitlines():
        device, *fields = line.split()
        major, _, minor = device.partition(":")
        for key, _, value in (field.partition("=") for field in fields):
            if key in _IO_STAT:
                member, operation = _IO_STAT[key]
                section.setdefault(member, []).append(_entry(major, minor, operation, value))
    return {**section, **_pressure(directory, "io")}


def _page_sizes(directory: str) -> set[str]:
    try:
        names = posix.listdir(directory) if directory else []
    except FileNotFoundError:  # systemd has removed it with the last process
        names = []
    return {name.split(".")[1] for name in names if name.startswith("hugetlb.")}


def _hugetlb_v1(directory: str) -> Section:
    section = {}
    for size in sorted(_page_sizes(directory)):
        found = _usage_v1(directory, f"hugetlb.{size}.")
        del found["limit"]
        section[size] = found
    return section


def _hugetlb_v2(directory: str) -> Section:
    section = {}
    for size in sorted(_page_sizes(directory)):
        events = _numbers(directory, f"hugetlb.{size}.events")
        usage = _number(directory, f"hugetlb.{size}.current")
        section[size] = {"usage": usage, "max": 0, "failcnt": events.get("max", 0)}
    return section
