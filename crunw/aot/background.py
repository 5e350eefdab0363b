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

    For a process that ends now: it does not reap what it has started.

    An engine waits for the end of file of the pipes it has given to the runtime, so whatever
    outlives the runtime must not hold them.
    """
    waiting = f"{places.cache()}/queue/{key}"
    if exists(places.note("failed", key)) or exists(waiting):
        return
    if posix.fork() == 0:
        try:
            _execute(module, name, key, options)
        finally:
            posix._exit(0)  # noqa: SLF001 -- public as os._exit


def _execute(module: int, name: str, key: str, options: Options) -> None:
    posix.setsid()
    posix.sched_setscheduler(0, posix.SCHED_IDLE, posix.sched_param(0))
    posix.dup2(module, 0)
    null = posix.open("/dev/null", posix.O_RDWR)
    posix.dup2(null, 1)
    posix.dup2(null, 2)
    for number in map(int, posix.listdir("/proc/self/fd")):
        if number > 2 and _is_inherited(number):
            posix.close(number)
    from _signal import SIG_SETMASK, pthread_sigmask

    pthread_sigmask(SIG_SETMASK, ())
    program = f"{bin_dir()}/crunw"
    environ = {name: environment(name) for name in _ENVIRONMENT if environment(name)}
    words = ["enqueue", "--", key, name, *(["statistics"] if options.statistics else [])]
    posix.execve(program, [program, "cache", *words], environ)


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
