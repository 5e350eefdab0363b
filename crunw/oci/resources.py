"""Rules across the fields of ``linux.resources`` (also the document of ``update --resources``)."""

from __future__ import annotations

from crunw.errors import SpecError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crunw.oci.model import BlockIo, Cpu, Memory, Resources


def check_resources(resources: Resources, field: str = "linux.resources") -> None:
    """Check ``resources``, whose types the schema has checked. ``field`` is its path.

    The limits are the kernel's: sched-bwc.rst, cgroup-v1/memory.rst, cgroup-v2.rst.
    Raises SpecError.
    """
    if "memory" in resources:
        _memory(resources["memory"], f"{field}.memory")
    if "cpu" in resources:
        _cpu(resources["cpu"], f"{field}.cpu")
    if "blockIO" in resources:
        _block_io(resources["blockIO"], f"{field}.blockIO")
    for name, limits in resources.get("rdma", {}).items():
        if not limits:
            raise SpecError(f"{field}.rdma[{name!r}]", "needs hcaHandles or hcaObjects")
    for key in resources.get("unified", {}):
        if "/" in key or "." not in key.strip("."):
            # It becomes a file name: it must be one of a cgroup's files.
            raise SpecError(f"{field}.unified[{key!r}]", "is not the name of a cgroup file")
    sizes: set[str] = set()
    for index, limit in enumerate(resources.get("hugepageLimits", ())):
        if limit["pageSize"] in sizes:
            raise SpecError(
                f"{field}.hugepageLimits[{index}].pageSize", f"{limit['pageSize']} is given twice"
            )
        sizes.add(limit["pageSize"])


def _memory(memory: Memory, field: str) -> None:
    limit, swap = memory.get("limit", 0), memory.get("swap", 0)
    # swap counts memory and swap together; -1 and 0 are "no limit" and "not given".
    if 0 < swap < limit:
        raise SpecError(f"{field}.swap", f"{swap} is below the memory limit {limit}")
    if swap > 0 and limit < 0:
        raise SpecError(f"{field}.swap", "needs a memory limit")


def _cpu(cpu: Cpu, field: str) -> None:
    shares = cpu.get("shares", 0)
    if shares and not 2 <= shares <= 262144:
        raise SpecError(f"{field}.shares", f"must be 0 or from 2 to 262144, is {shares}")
    period = cpu.get("period", 0)
    if period and not 1000 <= period <= 1000000:
        raise SpecError(f"{field}.period", f"must be 0 or from 1000 to 1000000 µs, is {period}")
    quota = cpu.get("quota", 0)
    if 0 < quota < 1000:
        raise SpecError(f"{field}.quota", f"must be at least 1000 µs, is {quota}")
    if 0 < quota < cpu.get("burst", 0):
        raise SpecError(f"{field}.burst", f"{cpu['burst']} is above the quota {quota}")
    runtime, realtime_period = cpu.get("realtimeRuntime", 0), cpu.get("realtimePeriod", 0)
    if 0 < realtime_period < runtime:
        raise SpecError(
            f"{field}.realtimeRuntime", f"{runtime} is above the period {realtime_period}"
        )


def _block_io(block_io: BlockIo, field: str) -> None:
    _weight(block_io.get("weight", 0), f"{field}.weight")
    _weight(block_io.get("leafWeight", 0), f"{field}.leafWeight")
    for index, device in enumerate(block_io.get("weightDevice", ())):
        _weight(device.get("weight", 0), f"{field}.weightDevice[{index}].weight")
        _weight(device.get("leafWeight", 0), f"{field}.weightDevice[{index}].leafWeight")


def _weight(weight: int, field: str) -> None:
    if 0 < weight < 10:
        raise SpecError(field, f"must be 0 or from 10 to 1000, is {weight}")
