"""Start the background compiler: out of the way of the container, its cgroup and its engine."""

from __future__ import annotations

import posix

from crunw.aot import places
from crunw.files import environment, exists
from crunw.paths import bin_dir


def start(module: int, name: str, key: str, *, stay: bool) -> None:
    """Have a module compiled. ``module``: an open descriptor; nothing of the rest is inherited.

    ``stay``: this process does not end soon, and will not reap what it has started.

    An engine waits for the end of file of the pipes it has given to the runtime, so whatever
    outlives the runtime must not hold them.
    """
    waiting = f"{places.cache()}/queue/{key}"
    if exists(places.note("failed", key)) or exists(waiting):
        return
    if not stay:
        _spawn(module, name, key)
        return
    pid = posix.fork()
    if pid == 0:
        # Whoever adopts the compiler will reap it.
        try:
            _spawn(module, name, key)
        finally:
            posix._exit(0)  # noqa: SLF001 -- public as os._exit
    posix.waitpid(pid, 0)


def _spawn(module: int, name: str, key: str) -> None:
    null = posix.open("/dev/null", posix.O_RDWR | posix.O_CLOEXEC)
    actions = [
        (posix.POSIX_SPAWN_DUP2, module, 0),
        (posix.POSIX_SPAWN_DUP2, null, 1),
        (posix.POSIX_SPAWN_DUP2, null, 2),
    ]
    numbers = map(int, posix.listdir("/proc/self/fd"))
    actions += [
        (posix.POSIX_SPAWN_CLOSE, number)  # type: ignore[misc]
        for number in numbers
        if number > 2 and _is_inherited(number)
    ]
    program = f"{bin_dir()}/crunw"
    pid = posix.posix_spawn(
        program,
        [program, "cache", "enqueue", "--", key, name],
        {name: environment(name) for name in _ENVIRONMENT if environment(name)},
        file_actions=actions,
        setsid=True,
        setsigmask=(),
    )
    # Not before it has been started: posix_spawn waits for that.
    posix.sched_setscheduler(pid, posix.SCHED_IDLE, posix.sched_param(0))


_ENVIRONMENT = ("HOME", "XDG_CACHE_HOME", "XDG_RUNTIME_DIR")


def _is_inherited(number: int) -> bool:
    try:
        return posix.get_inheritable(number)
    except OSError:
        return False  # the directory's own descriptor


def withdraw() -> None:
    """In the background process: out of the cgroup of the caller, last in every queue.

    Each of these is a courtesy: what the system refuses is left out.
    """
    posix.umask(0o077)
    posix.chdir("/")
    for path, text in (("/proc/self/oom_score_adj", "1000"), *_root_cgroups()):
        try:
            with open(path, "w", encoding="ascii") as file:
                file.write(text)
        except OSError:
            continue
    _lower_priority()


def _root_cgroups() -> list[tuple[str, str]]:
    """The file to write to for each mounted hierarchy: the caller's group is removed by it."""
    with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as file:
        lines = [line.partition(" - ") for line in file]
    return [
        (f"{left.split(' ')[4]}/cgroup.procs", "0")
        for left, _, right in lines
        if right.partition(" ")[0] in ("cgroup", "cgroup2")
    ]


def _lower_priority() -> None:
    import ctypes

    ioprio_set, process, idle = 251, 1, 3 << 13
    if posix.uname().machine != "x86_64":
        ioprio_set = 30  # the number of all architectures with the generic table
    posix.nice(19)
    ctypes.CDLL(None).syscall(ioprio_set, process, 0, idle)
