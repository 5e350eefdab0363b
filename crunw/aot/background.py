"""Have a module compiled by a process that outlives this one, and its container's cgroup."""

from __future__ import annotations

import posix

from crunw.aot import places
from crunw.files import create_file, environment, inherited
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


def leave(path: str, module: int, verb: Sequence[str]) -> None:
    """Leave in the new file ``path`` what :func:`take_up` starts.

    That is ``crunw cache VERB…``, last in every queue, with a copy of the open ``module`` if its
    file is the same and unchanged then. Raises OSError.
    """
    status = posix.fstat(module)
    changed = f"{status.st_ctime_ns // 10**9}.{status.st_ctime_ns % 10**9:09}"
    words = (
        f"{status.st_dev}:{status.st_ino}:{status.st_size}:{changed}",
        posix.readlink(f"/proc/self/fd/{module}"),
        *(f"{name}={environment(name)}" for name in _ENVIRONMENT if environment(name)),
        "",
        *(str(LAST), f"{places.cache()}/new", program_path(), "cache", *verb),
    )
    text = "".join(f"{word}\0" for word in words).encode("utf-8", "surrogateescape")
    file = create_file(path, 0o600)
    try:
        posix.write(file, text)
    finally:
        posix.close(file)


def take_up(path: str) -> str:
    """Start what :func:`leave` has left, as nobody's child; then its file goes.

    Returns why that can't be done; ``""``: it is done. The launcher does the same for its
    ``start`` (``compile_later`` in csrc/launcher/verbs.c).
    """
    program = later_path()
    said = posix.memfd_create("said", posix.MFD_CLOEXEC)
    try:
        pid = posix.posix_spawn(
            program,
            [program, "--from", path],
            posix.environ,
            file_actions=[(posix.POSIX_SPAWN_DUP2, said, 2)],
        )
        done = posix.waitpid(pid, 0)[1] == 0
        posix.unlink(path)
        text = posix.pread(said, 4096, 0).decode("utf-8", "replace").strip()
    except OSError as error:
        return f"the compiler can't be started: {error.strerror}"
    finally:
        posix.close(said)
    return "" if done else text or "the compiler can't be started"


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
