"""Freezing a cgroup: the ``freezer`` controller of v1, ``cgroup.freeze`` of v2."""

from __future__ import annotations

import errno
import posix
import select
import time

from crunw.effects.cgroups import files
from crunw.effects.cgroups.files import pauses, put, read


def freeze_v2(directory: str, frozen: bool) -> None:
    """``cgroup.freeze`` is a request; ``cgroup.events`` reports, with POLLPRI, when it is met."""
    events = posix.open(f"{directory}/cgroup.events", posix.O_RDONLY | posix.O_CLOEXEC)
    try:
        put(f"{directory}/cgroup.freeze", str(int(frozen)))
        poll = select.poll()
        poll.register(events, select.POLLPRI)
        deadline = time.monotonic() + files.PATIENCE
        while f"frozen {int(frozen)}" not in posix.pread(events, 4096, 0).decode():
            left = deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError(errno.ETIMEDOUT, posix.strerror(errno.ETIMEDOUT))
            poll.poll(left * 1000)
    finally:
        posix.close(events)


def freeze_v1(directory: str, frozen: bool) -> None:
    """``freezer.state``: FREEZING goes on until every process has stopped, and may need a push.

    A process that forks or is in a system call of another frozen one can keep it there; writing
    FROZEN again tries the rest again, and on failure the cgroup is thawed.
    """
    state = f"{directory}/freezer.state"
    if not frozen:
        put(state, "THAWED")
        return
    for _ in pauses(time.monotonic() + files.PATIENCE):
        put(state, "FROZEN")
        if read(state).strip() == "FROZEN":
            return
    put(state, "THAWED")
    raise TimeoutError(errno.ETIMEDOUT, posix.strerror(errno.ETIMEDOUT))
