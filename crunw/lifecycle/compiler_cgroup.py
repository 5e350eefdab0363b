"""The cgroup of the compilers that starts of containers leave: what anybody puts into an
image is not compiled at the expense of the node's containers.

``/crunw-compiler`` has the limits, of all compilers together; each is in a cgroup of its own below,
by its pid. Whoever leaves removes what is empty, also what a killed one has left.
"""

from __future__ import annotations

import errno
import os
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from crunw.aot import events
from crunw.effects.cgroups.files import pauses, put, read
from crunw.effects.cgroups.group import Cgroup
from crunw.effects.cgroups.layout import detect
from crunw.errors import CrunwError
from crunw.paths import is_rootless
from crunw.plan.resources import writes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from crunw.effects.cgroups.layout import Layout
    from crunw.plan.resources import Write

PATH = "/crunw-compiler"
# With v1 not that of cpu: in a group SCHED_IDLE and nice count within the group alone. With v2,
# where there is one group for all, the group has about the weight of nice 10.
_CONTROLLERS = ("memory", "pids")
_TASKS = 1024
_SHARES = 256  # of the processor, where a container has 1024
_PATIENCE = 1.0  # s, for other processes that remove the cgroup before it is joined


@contextmanager
def entered() -> Iterator[None]:
    """Be in a cgroup of the compilers. What fails of that goes to the log, and is not an error.

    For a process with one thread that is in the top of each hierarchy, as ``crunw-later`` has moved
    it there: it goes back there.
    """
    missing: list[str] = []
    layout = detect()
    group = Cgroup.at(layout, PATH)
    directories = dict.fromkeys(filter(None, map(group.directory, _CONTROLLERS)))
    if not directories:
        missing.append("no cgroup hierarchy is mounted")
    joined = [directory for directory in directories if _join(directory, group, layout, missing)]
    if missing:
        level = "info" if is_rootless() else "warning"  # an ordinary user is given none
        events.report(level, f"modules are compiled without all limits: {'; '.join(missing)}")
    try:
        yield
    finally:
        for directory in joined:
            _leave(directory, group)


def _join(directory: str, group: Cgroup, layout: Layout, missing: list[str]) -> bool:
    """Join the compilers' cgroup in one hierarchy; what fails is added to ``missing``."""
    own = f"{directory}/{os.getpid()}"
    try:
        limits = [each for each in _limits(layout) if group.directory(each.controller) == directory]
        for _ in pauses(time.monotonic() + _PATIENCE):
            try:
                os.makedirs(own, exist_ok=True)
                problems = _apply(group, limits)
                put(f"{own}/{_members(directory, group)}", "0")
            except OSError as error:
                if error.errno not in (errno.ENOENT, errno.ENODEV):
                    raise
            else:
                missing += problems
                return True
    except (CrunwError, OSError) as error:
        problem = error.strerror if isinstance(error, OSError) else error
        missing.append(f"{own}: {problem}")
        _remove_empty(directory)
        return False
    missing.append(f"{own}: it is removed again and again")
    return False


def _limits(layout: Layout) -> list[Write]:
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2
    return writes(
        {
            "memory": {"limit": memory, "swap": memory},
            "pids": {"limit": _TASKS},
            "cpu": {"shares": _SHARES},
        },
        layout.version,
    )


def _apply(group: Cgroup, limits: list[Write]) -> list[str]:
    """What could not be limited, and why."""
    problems = []
    group.enable_controllers(limits)
    for controller in dict.fromkeys(limit.controller for limit in limits):
        try:
            group.apply([limit for limit in limits if limit.controller == controller])
        except CrunwError as error:
            problems.append(f"{PATH}: {str(error).removeprefix('linux.resources.')}")
    return problems


def _members(directory: str, group: Cgroup) -> str:
    """The file that takes "0" for the calling process (:meth:`Cgroup.join_files`)."""
    return "cgroup.procs" if directory == group.unified else "tasks"


def _leave(directory: str, group: Cgroup) -> None:
    try:
        put(f"{directory.removesuffix(PATH)}/{_members(directory, group)}", "0")
        for _ in pauses(time.monotonic() + _PATIENCE):  # a compiler that was killed just now
            if not read(f"{directory}/{os.getpid()}/cgroup.procs"):
                break
    except OSError as error:
        events.report("warning", f"the compilers' cgroup {directory}: {error.strerror}")
    _remove_empty(directory)


def _remove_empty(directory: str) -> None:
    """Remove the cgroups that nobody is in: the kernel refuses to remove the others."""
    with suppress(FileNotFoundError):  # another has removed it
        own = [entry.path for entry in os.scandir(directory) if entry.is_dir(follow_symlinks=False)]
        for path in (*own, directory):
            with suppress(OSError):
                os.rmdir(path)
