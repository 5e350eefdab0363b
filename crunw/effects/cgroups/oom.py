"""Notification when processes of a cgroup run out of memory."""

from __future__ import annotations

import posix

from crunw.effects.cgroups.files import put, read
from crunw.errors import KernelError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crunw.effects.cgroups.group import Cgroup

_POLLIN = 1
_POLLPRI = 2


class WatchV1:
    """An eventfd registered for ``memory.oom_control`` (cgroup-v1/memory.rst, "OOM Control").

    It is to be waited on: poll(2) for ``mask`` on ``descriptor``.
    """

    __slots__ = ("_control", "descriptor")

    mask = _POLLIN

    def __init__(self, directory: str) -> None:
        path = f"{directory}/memory.oom_control"
        self._control = posix.open(path, posix.O_RDONLY | posix.O_CLOEXEC)
        self.descriptor = posix.eventfd(0, posix.EFD_CLOEXEC | posix.EFD_NONBLOCK)
        put(f"{directory}/cgroup.event_control", f"{self.descriptor} {self._control}")

    def happened(self) -> bool:
        """Whether memory ran out since this was last asked."""
        try:
            posix.eventfd_read(self.descriptor)
            posix.pread(self._control, 1, 0)
        except OSError:  # nothing to read; ENODEV: the event is that the cgroup is gone
            return False
        return True


class WatchV2:
    """The counter ``oom_kill`` of ``memory.events`` (cgroup-v2.rst); otherwise as the other."""

    __slots__ = ("_kills", "descriptor")

    mask = _POLLPRI

    def __init__(self, directory: str) -> None:
        path = f"{directory}/memory.events"
        self.descriptor = posix.open(path, posix.O_RDONLY | posix.O_CLOEXEC)
        self._kills = self._count()

    def _count(self) -> int:
        lines = posix.pread(self.descriptor, 4096, 0).decode().splitlines()
        return int(dict(line.split() for line in lines)["oom_kill"])

    def happened(self) -> bool:
        """Whether a process was killed since this was last asked."""
        before = self._kills
        try:
            self._kills = self._count()
        except OSError:  # ENODEV: the cgroup is gone
            return False
        return self._kills > before


def killed(group: Cgroup) -> int:
    """How many of its processes the kernel has killed for lack of memory; 0: not known."""
    directory = group.directory("memory")
    name = "memory.events" if directory == group.unified else "memory.oom_control"
    try:
        lines = read(f"{directory}/{name}").splitlines()
    except OSError:  # memory is not controlled, or the cgroup is gone
        return 0
    return int(dict(line.split() for line in lines).get("oom_kill", 0))


def watch(group: Cgroup) -> WatchV1 | WatchV2 | None:
    """Begin to watch; None where memory is not controlled. Raises :class:`KernelError`."""
    directory = group.directory("memory")
    try:
        return (WatchV2 if directory == group.unified else WatchV1)(directory)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise KernelError("watch for lack of memory in", directory, error) from error
