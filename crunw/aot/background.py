"""Start the background compiler: out of the way of the container, its cgroup and its engine."""

from __future__ import annotations

import posix

from crunw.aot import places
from crunw.files import environment, exists
from crunw.paths import later_path, program_path

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
    program = later_path()
    words = ["statistics"] if options.statistics else []
    posix.posix_spawn(
        program,
        [program, program_path(), "cache", "enqueue", "--", key, name, *words],
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


_ENVIRONMENT = ("HOME", "XDG_CACHE_HOME", "XDG_RUNTIME_DIR")


def _inherited() -> list[int]:
    """The descriptors above 2 that a program executed by this one would get."""
    return [number for number in map(int, posix.listdir("/proc/self/fd")) if _is_inherited(number)]


def _is_inherited(number: int) -> bool:
    try:
        return number > 2 and posix.get_inheritable(number)
    except OSError:
        return False  # the directory's own descriptor
