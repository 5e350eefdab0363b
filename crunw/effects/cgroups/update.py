"""Change the limits of a cgroup that is in use."""

from __future__ import annotations

from crunw import notices
from crunw.effects.cgroups.files import read
from crunw.errors import CrunwError, SpecError
from crunw.plan.resources import Write

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crunw.effects.cgroups.group import Cgroup

# Files with a line for each device, and the value that takes a device's line away.
_NO_LIMIT = {
    "io.max": "rbps=max wbps=max riops=max wiops=max",
    "blkio.throttle.read_bps_device": "0",
    "blkio.throttle.write_bps_device": "0",
    "blkio.throttle.read_iops_device": "0",
    "blkio.throttle.write_iops_device": "0",
}


def update(group: Cgroup, writes: list[Write]) -> list[Write]:
    """Write the limits; return what :func:`put_back` needs to undo that.

    It is undone here if one is refused.

    That holds for what can be read: not for the device rules of cgroup v1, which therefore go
    last, nor for weights of single devices. Raises as :meth:`Cgroup.apply`.
    """
    ordered = sorted(writes, key=lambda write: write.controller == "devices")
    group.enable_controllers(ordered)
    before = [earlier for write in ordered if (earlier := _earlier(group, write))]
    try:
        group.apply(ordered)
    except SpecError:
        put_back(group, before)
        raise
    return before


def put_back(group: Cgroup, before: list[Write]) -> None:
    """Undo an update. What can't be undone is a notice: the error to raise is the first one.

    A value may fit only after that of a related file (memory.limit_in_bytes and memsw).
    """
    first = _refused(group, before)
    for write, error in _refused(group, [write for write, _ in first]):
        notices.degraded(write.file, f"keeps the new value, the old one is refused: {error}")


def _refused(group: Cgroup, writes: list[Write]) -> list[tuple[Write, Exception]]:
    """Write each limit, whatever becomes of the others; return those that were refused."""
    refused: list[tuple[Write, Exception]] = []
    for write in writes:
        try:
            group.apply([write])
        except (CrunwError, OSError) as error:
            refused.append((write, error))
    return refused


def _earlier(group: Cgroup, write: Write) -> Write | None:
    """The write that restores what the file holds now; None where that isn't known."""
    try:
        value = read(f"{group.directory(write.controller)}/{write.file}")
    except OSError:  # missing, or only for writing
        return _earlier(group, write.fallback) if write.fallback else None
    if write.file in _NO_LIMIT:
        device = write.value.partition(" ")[0]
        lines = [line for line in value.splitlines() if line.startswith(f"{device} ")]
        value = lines[0] if lines else f"{device} {_NO_LIMIT[write.file]}"
    elif value.count("\n") > 1:
        return None
    return Write(write.controller, write.file, value, "")
