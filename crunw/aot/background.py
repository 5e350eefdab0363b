"""Have a module compiled by a process that outlives this one, and its container's cgroup."""

from __future__ import annotations

import posix

from crunw.aot import places
from crunw.files import environment, inherited
from crunw.paths import later_path, program_path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

LAST = 19  # the nice value of what nobody waits for: it is last in every queue


def is_waiting(name: str) -> bool:
    """Whether a module (``Tiers.name``) waits in the queue, and a process works on that.

    A node that was switched off has left its queue, but no process.
    """
    if not places.has(f"{places.cache()}/queue/{name}"):
        return False
    import fcntl

    try:
        descriptor = posix.open(f"{places.cache()}/lock", posix.O_RDWR | posix.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        posix.close(descriptor)
    return False


def start(module: int, nice: int, verb: Sequence[str], said: int = -1) -> int:
    """Start ``crunw cache VERB…``, with a copy of the open ``module`` as its standard input.

    ``said`` is an open file for its standard error; -1: that goes nowhere.

    Nothing of the rest is inherited: an engine waits for the end of file of the pipes it has given
    to the runtime, so whatever outlives the runtime must not hold them. Returns the pid, which
    whoever inherits the process has to reap. Raises OSError.
    """
    program = later_path()
    return posix.posix_spawn(
        program,
        [program, str(nice), f"{places.cache()}/new", program_path(), "cache", *verb],
        {name: environment(name) for name in _ENVIRONMENT if environment(name)},
        file_actions=[
            (posix.POSIX_SPAWN_DUP2, module, 0),
            (posix.POSIX_SPAWN_OPEN, 1, "/dev/null", posix.O_WRONLY, 0),
            (posix.POSIX_SPAWN_DUP2, said if said >= 0 else 1, 2),
            *((posix.POSIX_SPAWN_CLOSE, number) for number in inherited()),
        ],
        setsid=True,
        setsigmask=(),
    )


def wait(pid: int, seconds: float) -> int | None:
    """Wait for the end of what :func:`start` has started; return its wait status, as waitpid(2) has
    it. None: it goes on, but comes last.
    """
    import select

    process = posix.pidfd_open(pid)
    try:
        if select.select([process], [], [], seconds)[0]:
            return posix.waitpid(pid, 0)[1]
    finally:
        posix.close(process)
    _put_last(pid)
    return None


def _put_last(leader: int) -> None:
    """Have a session come last: among others (``csrc/compiler/later.c``) and its processes.

    It may have just ended, or the kernel not group by session.
    """
    try:
        posix.setpriority(posix.PRIO_PGRP, leader, LAST)
        group = posix.open(f"/proc/{leader}/autogroup", posix.O_WRONLY | posix.O_CLOEXEC)
        try:
            posix.write(group, f"{LAST}".encode())
        finally:
            posix.close(group)
    except OSError:
        pass


_ENVIRONMENT = ("HOME", "XDG_CACHE_HOME", "XDG_RUNTIME_DIR", "DBUS_SESSION_BUS_ADDRESS")
