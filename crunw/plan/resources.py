"""``linux.resources`` as writes to cgroup files (config-linux.md "Control groups").

Pure: decides what is written, in which order; :mod:`crunw.effects.cgroups` writes it. As in runc,
a number 0 for a limit means "not asked for", and -1 means "no limit".
"""

from __future__ import annotations

from crunw.errors import SpecError
from crunw.plan import device_rules

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from crunw.oci.model import DeviceRule, Resources

    Section = dict[str, Any]  # a part of Resources, its types checked by crunw.oci

_FIELD = "linux.resources"


class Write:
    """One write to a file of the container's cgroup.

    ``field``       the JSON path that asked for it, for the error
    ``fallback``    what is written instead where the file does not exist
    ``optional``    a file that does not exist is passed over
    ``resets``      it makes the file what it is in a new cgroup, or without the controller
    ``usage_file``  a file of the same cgroup: an error if it holds more than ``value`` (bytes)
    """

    __slots__ = (
        "controller",
        "fallback",
        "field",
        "file",
        "optional",
        "resets",
        "usage_file",
        "value",
    )

    def __init__(
        self,
        controller: str,
        file: str,
        value: int | str,
        field: str,
        *,
        fallback: Write | None = None,
        optional: bool = False,
        resets: bool = False,
        usage_file: str = "",
    ) -> None:
        self.controller = controller
        self.file = file
        self.value = str(value)
        self.field = f"{_FIELD}.{field}"
        self.fallback = fallback
        self.optional = optional
        self.resets = resets
        self.usage_file = usage_file


def writes(resources: Resources, version: Callable[[str], int]) -> list[Write]:
    """All writes for ``resources``, in an order in which the kernel accepts them.

    ``version`` says for a controller by its v1 name (for the v2 one where it has none) whether it
    is found on cgroup 1 or 2; a hybrid layout answers differently for each. Devices on cgroup v2
    are not among the writes: see :mod:`crunw.plan.devices_bpf`.
    Raises :class:`SpecError` for values out of range and for what that version does not have.
    """
    sections: Any = resources
    memory, cpu = sections.get("memory", {}), sections.get("cpu", {})
    block_io = sections.get("blockIO", {})
    return [
        *(_devices_v1(sections.get("devices", ())) if version("devices") == 1 else ()),
        *(_memory_v1(memory) if version("memory") == 1 else _memory_v2(memory)),
        *(_cpu_v1(cpu) if version("cpu") == 1 else _cpu_v2(cpu)),
        *_cpuset(cpu),
        *_pids(sections.get("pids", {})),
        *(_block_io_v1(block_io) if version("blkio") == 1 else _block_io_v2(block_io)),
        *_hugetlb(sections.get("hugepageLimits", ()), version("hugetlb")),
        *_network(sections.get("network", {})),
        *_rdma(sections.get("rdma", {})),
        *_unified(sections.get("unified", {}), version),
    ]


def _devices_v1(devices: list[DeviceRule]) -> Iterator[Write]:
    for file, line in device_rules.v1_writes(device_rules.rules(devices)):
        yield Write("devices", file, line, "devices")


def _pids(pids: Section) -> Iterator[Write]:
    if limit := pids.get("limit", 0):
        yield Write("pids", "pids.max", _limit(limit), "pids.limit")


def _limit(value: int) -> str:
    return "max" if value < 0 else str(value)


def _check_memory(memory: Section) -> None:
    for key in ("limit", "reservation", "swap", "kernel", "kernelTCP"):
        value = memory.get(key, 0)
        if value < -1:
            raise SpecError(f"{_FIELD}.memory.{key}", f"{value} is neither a limit nor -1")
    limit, swap = memory.get("limit", 0), memory.get("swap", 0)
    if swap > 0 and limit <= 0:
        raise SpecError(f"{_FIELD}.memory.swap", "needs memory.limit, which it includes")
    if 0 < swap < limit:
        raise SpecError(f"{_FIELD}.memory.swap", f"{swap} is less than memory.limit, {limit}")
    if memory.get("swappiness", 0) > 100:
        raise SpecError(f"{_FIELD}.memory.swappiness", "must be from 0 to 100")


def _memory_v1(memory: Section) -> Iterator[Write]:
    """Memory on cgroup v1; ``swap`` is memory and swap together, in the file as in the field.

    The kernel wants limit ≤ memsw at every moment; which of them goes first depends on the values
    before. Whoever writes them tries a refused one again after the other.
    """
    _check_memory(memory)
    limit, swap = memory.get("limit", 0), memory.get("swap", 0)
    if limit:
        yield Write("memory", "memory.limit_in_bytes", limit, "memory.limit")
    if limit == -1 and not swap:
        swap = -1
    if swap:  # the file is missing where the kernel does not account swap
        file = "memory.memsw.limit_in_bytes"
        yield Write("memory", file, swap, "memory.swap", optional=True)
    for key, file in (
        ("kernel", "memory.kmem.limit_in_bytes"),
        ("kernelTCP", "memory.kmem.tcp.limit_in_bytes"),
        ("reservation", "memory.soft_limit_in_bytes"),
    ):
        if value := memory.get(key, 0):
            yield Write("memory", file, value, f"memory.{key}")
    if "useHierarchy" in memory:
        value = int(memory["useHierarchy"])
        yield Write("memory", "memory.use_hierarchy", value, "memory.useHierarchy")
    if "disableOOMKiller" in memory:
        value = int(memory["disableOOMKiller"])
        field = "memory.disableOOMKiller"
        yield Write("memory", "memory.oom_control", value, field, resets=not value)
    if "swappiness" in memory:
        yield Write("memory", "memory.swappiness", memory["swappiness"], "memory.swappiness")


def _memory_v2(memory: Section) -> Iterator[Write]:
    """Memory on cgroup v2, where ``memory.swap.max`` is swap alone: swap - limit."""
    _check_memory(memory)
    for key in ("kernel", "kernelTCP", "disableOOMKiller", "swappiness"):
        if memory.get(key, 0) > 0:
            raise SpecError(f"{_FIELD}.memory.{key}", "does not exist on cgroup v2")
    if memory.get("useHierarchy") is False:
        raise SpecError(f"{_FIELD}.memory.useHierarchy", "is always true on cgroup v2")
    limit, swap = memory.get("limit", 0), memory.get("swap", 0)
    check = memory.get("checkBeforeUpdate", False)
    if limit == -1 and not swap:
        swap = -1
    if swap:
        yield Write(
            "memory",
            "memory.swap.max",
            _limit(swap if swap < 0 else swap - limit),
            "memory.swap",
            optional=True,
            usage_file="memory.swap.current" if check and swap > 0 else "",
        )
    if limit:
        usage_file = "memory.current" if check and limit > 0 else ""
        yield Write("memory", "memory.max", _limit(limit), "memory.limit", usage_file=usage_file)
    if reservation := memory.get("reservation", 0):
        yield Write("memory", "memory.low", _limit(reservation), "memory.reservation")


def cpu_weight(shares: int) -> int:
    """``cpu.weight`` (1 to 10000) for ``cpu.shares`` (2 to 262144).

    The formula that runc (1.3.2) and crun (1.23) share: it maps the least, the default and the
    greatest value of one to those of the other (2 → 1, 1024 → 100, 262144 → 10000).
    """
    import math  # the only user on this path

    if shares <= 2:
        return 1
    if shares >= 262144:
        return 10000
    bits = math.log2(shares)
    return math.ceil(10 ** ((bits * bits + 125 * bits) / 612 - 7 / 34))


def _check_cpu(cpu: Section) -> None:
    for key in ("quota", "realtimeRuntime"):
        value = cpu.get(key, 0)
        if value < -1:
            raise SpecError(f"{_FIELD}.cpu.{key}", f"{value} is neither a time in µs nor -1")
    if cpu.get("idle", 0) not in (0, 1):
        raise SpecError(f"{_FIELD}.cpu.idle", "must be 0 or 1")


def _cpu_v1(cpu: Section) -> Iterator[Write]:
    _check_cpu(cpu)
    for key, file in (
        ("shares", "cpu.shares"),
        ("period", "cpu.cfs_period_us"),
        ("quota", "cpu.cfs_quota_us"),
        ("realtimePeriod", "cpu.rt_period_us"),
    ):
        if value := cpu.get(key, 0):
            yield Write("cpu", file, value, f"cpu.{key}")
    for key, file in (
        ("burst", "cpu.cfs_burst_us"),
        ("realtimeRuntime", "cpu.rt_runtime_us"),
    ):
        if key in cpu:
            yield Write("cpu", file, cpu[key], f"cpu.{key}", resets=not cpu[key])
    if "idle" in cpu:
        yield Write("cpu", "cpu.idle", cpu["idle"], "cpu.idle")


def _cpu_v2(cpu: Section) -> Iterator[Write]:
    _check_cpu(cpu)
    for key in ("realtimePeriod", "realtimeRuntime"):
        if cpu.get(key):
            raise SpecError(f"{_FIELD}.cpu.{key}", "does not exist on cgroup v2")
    if shares := cpu.get("shares", 0):
        yield Write("cpu", "cpu.weight", cpu_weight(shares), "cpu.shares")
    quota, period = cpu.get("quota", 0), cpu.get("period", 0)
    if quota or period:
        # The kernel keeps a period that is left out, but not a quota.
        value = "max" if quota <= 0 else str(quota)
        yield Write(
            "cpu",
            "cpu.max",
            f"{value} {period}" if period else value,
            "cpu.quota" if quota else "cpu.period",
        )
    if "burst" in cpu:
        burst = cpu["burst"]
        yield Write("cpu", "cpu.max.burst", burst, "cpu.burst", resets=not burst)
    if "idle" in cpu:
        yield Write("cpu", "cpu.idle", cpu["idle"], "cpu.idle")


def _cpuset(cpu: Section) -> Iterator[Write]:
    for key in ("cpus", "mems"):
        value = "".join(cpu.get(key, "").split())  # as read from such a file, with its newline
        if not value:
            continue
        if not set(value) <= set("0123456789,-"):
            raise SpecError(f"{_FIELD}.cpu.{key}", f"{value!r} is not a list such as 0-3,7")
        yield Write("cpuset", f"cpuset.{key}", value, f"cpu.{key}")


_THROTTLES = (
    ("throttleReadBpsDevice", "blkio.throttle.read_bps_device", "rbps"),
    ("throttleWriteBpsDevice", "blkio.throttle.write_bps_device", "wbps"),
    ("throttleReadIOPSDevice", "blkio.throttle.read_iops_device", "riops"),
    ("throttleWriteIOPSDevice", "blkio.throttle.write_iops_device", "wiops"),
)


def _weights(block_io: Section) -> Iterator[tuple[str, str, str, int]]:
    """``(field, kind of weight, device or "", weight)`` for all weights that are asked for."""
    places = [("", "", block_io)]
    for index, device in enumerate(block_io.get("weightDevice", ())):
        places.append((f"weightDevice[{index}].", f"{device['major']}:{device['minor']}", device))
    for prefix, number, section in places:
        for key in ("weight", "leafWeight"):
            weight = section.get(key, 0)
            if not weight:
                continue
            field = f"blockIO.{prefix}{key}"
            if not 10 <= weight <= 1000:
                raise SpecError(f"{_FIELD}.{field}", f"{weight} is not from 10 to 1000")
            yield field, key, number, weight


def _block_io_v1(block_io: Section) -> Iterator[Write]:
    """Weights belong to the I/O scheduler: CFQ's files on old kernels, BFQ's on newer ones."""
    for field, key, number, weight in _weights(block_io):
        name = "weight" if key == "weight" else "leaf_weight"
        value = str(weight)
        if number:
            name, value = f"{name}_device", f"{number} {weight}"
        bfq = Write("blkio", f"blkio.bfq.{name}", value, field)
        yield Write("blkio", f"blkio.{name}", value, field, fallback=bfq)
    for key, file, _ in _THROTTLES:
        for index, device in enumerate(block_io.get(key, ())):
            value = f"{device['major']}:{device['minor']} {device['rate']}"
            yield Write("blkio", file, value, f"blockIO.{key}[{index}]")


def _block_io_v2(block_io: Section) -> Iterator[Write]:
    """``io.bfq.weight`` where BFQ is there; else ``io.weight``, 10…1000 mapped onto 1…10000."""
    for field, key, number, weight in _weights(block_io):
        if key == "leafWeight":
            raise SpecError(f"{_FIELD}.{field}", "does not exist on cgroup v2")
        prefix = f"{number} " if number else ""
        linear = 1 + (weight - 10) * 9999 // 990
        other = Write("io", "io.weight", f"{prefix}{linear}", field)
        yield Write("io", "io.bfq.weight", f"{prefix}{weight}", field, fallback=other)
    for key, _, name in _THROTTLES:
        for index, device in enumerate(block_io.get(key, ())):
            value = f"{device['major']}:{device['minor']} {name}={device['rate'] or 'max'}"
            yield Write("io", "io.max", value, f"blockIO.{key}[{index}]")


def _hugetlb(limits: list[Section], version: int) -> Iterator[Write]:
    """The limit on use and, where the kernel has it, the same limit on reservation, as in runc."""
    suffix = "limit_in_bytes" if version == 1 else "max"
    for index, limit in enumerate(limits):
        size, field = limit["pageSize"], f"hugepageLimits[{index}]"
        if not size[:-2].isdecimal() or size[-2:] not in ("KB", "MB", "GB"):
            raise SpecError(f"{_FIELD}.{field}.pageSize", f"{size!r} is not a size such as 2MB")
        value = limit["limit"]
        yield Write("hugetlb", f"hugetlb.{size}.{suffix}", value, field)
        yield Write("hugetlb", f"hugetlb.{size}.rsvd.{suffix}", value, field, optional=True)


def _network(network: Section) -> Iterator[Write]:
    """Only on cgroup v1; where there is no such hierarchy, whoever writes says so."""
    if "classID" in network:
        number = network["classID"]
        yield Write("net_cls", "net_cls.classid", number, "network.classID", resets=not number)
    for index, interface in enumerate(network.get("priorities", ())):
        value = f"{interface['name']} {interface['priority']}"
        yield Write("net_prio", "net_prio.ifpriomap", value, f"network.priorities[{index}]")


def _rdma(devices: dict[str, Section]) -> Iterator[Write]:
    for name, limits in devices.items():
        if not name or set(name) & set("/ \n"):
            raise SpecError(f"{_FIELD}.rdma", f"{name!r} is not a device name")
        values = [
            f"{file_key}={limits[key]}"
            for key, file_key in (("hcaHandles", "hca_handle"), ("hcaObjects", "hca_object"))
            if key in limits
        ]
        if values:
            yield Write("rdma", "rdma.max", " ".join((name, *values)), f"rdma.{name}")


def _unified(unified: dict[str, str], version: Callable[[str], int]) -> Iterator[Write]:
    """Files of cgroup v2 named by the specification; a value of several lines is several writes."""
    for file, value in unified.items():
        field = f"{_FIELD}.unified.{file}"
        controller, dot, _ = file.partition(".")
        if not dot or "/" in file or not controller:
            raise SpecError(field, "is not a name of a cgroup file such as memory.high")
        if version({"io": "blkio"}.get(controller, controller)) == 1:
            raise SpecError(field, "is on cgroup v1 here; unified is for cgroup v2 only")
        for line in value.splitlines():
            yield Write(controller, file, line, f"unified.{file}")
