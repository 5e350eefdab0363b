"""Start the background compiler: out of the way of the container, its cgroup and its engine."""

from __future__ import annotations

import posix

from crunw.aot import places
from crunw.files import environment, exists
from crunw.paths import bin_dir

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crunw.aot.options import Options


def start(module: int, name: str, key: str, options: Options) -> None:
    """Have a module compiled. ``module``: an open descriptor; nothing of the rest is inherited.

    It is not reaped: that is for whoever inherits it when this process has ended.

    An engine waits for the end of file of the pipes it has given to the runtime, so whatever
    outlives the runtime must not hold them.
    """
    waiting = f"{places.cache()}/queue/{key}"
    if exists(places.note("failed", key)) or exists(waiting):
        return
    program = f"{bin_dir()}/crunw"
    words = ["statistics"] if options.statistics else []
    pid = posix.posix_spawn(
        program,
        [program, "cache", "enqueue", "--", key, name, *words],
        {name: environment(name) for name in _ENVIRONMENT if environment(name)},
        file_actions=[
            (posix.POSIX_SPAWN_DUP2, module, 0),
            (posix.POSIX_SPAWN_OPEN, 1, "/dev/null", posix.O_WRONLY, 0),
            (posix.POSIX_SPAWN_DUP2, 1, 2),
            *((posix.POSIX_SPAWN_CLOSE, number) for number in _inherited()),
        ],
        setsid=True,
        setsigmask=(),
    )
    # Not the child itself: this process waits until it has executed the program.
    posix.sched_setscheduler(pid, posix.SCHED_IDLE, posix.sched_param(0))


_ENVIRONMENT = ("HOME", "XDG_CACHE_HOME", "XDG_RUNTIME_DIR")


def _inherited() -> list[int]:
    """The descriptors above 2 that a program executed by this one would get."""
    return [number for number in map(int, posix.listdir("/proc/self/fd")) if _is_inherited(number)]


def _is_inherited(number: int) -> bool:
    try:
        return number > 2 and posix.get_inheritable(number)
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
