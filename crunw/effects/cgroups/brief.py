"""The little of a cgroup's statistics that is looked at often: four files a container."""

from __future__ import annotations

from errno import ENODEV, ENOENT, EOPNOTSUPP

from crunw import notices
from crunw.effects.cgroups.files import read

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crunw.effects.cgroups.group import Cgroup

_NOT_THERE = (ENOENT, ENODEV, EOPNOTSUPP)  # the last where what a file counts is switched off
_UNLIMITED_V1 = 1 << 62  # of memory.limit_in_bytes: the last page below 2^63, or more


def brief(group: Cgroup) -> dict[str, int | None]:
    """Processor time, memory, its limit, and tasks; None: it is not counted, there is no limit."""
    found: dict[str, int | None] = {}
    for name, controller, v1, v2 in (
        ("cpu", "cpuacct", "cpuacct.usage", "cpu.stat"),
        ("memory", "memory", "memory.usage_in_bytes", "memory.current"),
        ("memoryLimit", "memory", "memory.limit_in_bytes", "memory.max"),
        ("pids", "pids", "pids.current", "pids.current"),
    ):
        directory = group.directory(controller)
        words = content(directory, v2 if directory == group.unified else v1).split()
        if words[:1] == ["usage_usec"]:
            found[name] = int(words[1]) * 1000
        else:
            found[name] = int(words[0]) if words and words[0] != "max" else None
    if (found["memoryLimit"] or 0) >= _UNLIMITED_V1:
        found["memoryLimit"] = None
    return found


def content(directory: str, file: str) -> str:
    """The content of a file that this kernel, or this cgroup, may not have."""
    try:
        return read(f"{directory}/{file}")
    except OSError as error:
        if error.errno not in _NOT_THERE:
            notices.degraded(f"{directory}/{file}", f"not counted: {error.strerror}")
        return ""
