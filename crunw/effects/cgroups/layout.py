"""Which cgroup hierarchies are mounted, and where (cgroups(7))."""

from __future__ import annotations

from crunw.errors import SpecError
from crunw.files import lines

UNIFIED = ""  # key of the cgroup v2 hierarchy

# Controllers as the options of a mounted v1 hierarchy name them.
_V1_CONTROLLERS = frozenset(
    (
        "blkio",
        "cpu",
        "cpuacct",
        "cpuset",
        "devices",
        "freezer",
        "hugetlb",
        "memory",
        "misc",
        "net_cls",
        "net_prio",
        "perf_event",
        "pids",
        "rdma",
    )
)


class Layout:
    """The mounted hierarchies.

    ``mode``  "v1", "hybrid" (v1 beside a cgroup2 mount), "v2" or "none"
    ``tops``  mount point of each hierarchy; the key is the comma-separated list of its v1
              controllers ("cpu,cpuacct", "name=systemd"), or :data:`UNIFIED`
    """

    __slots__ = ("_v1", "mode", "tops")

    def __init__(self, tops: dict[str, str]) -> None:
        self.tops = tops
        self._v1 = {name for key in tops if key for name in key.split(",")}
        if UNIFIED not in tops:
            self.mode = "v1" if tops else "none"
        else:
            self.mode = "hybrid" if self._v1 else "v2"

    def version(self, controller: str) -> int:
        """1 or 2: the cgroup version on which ``controller`` (its v1 name) is to be used.

        A controller that is nowhere counts as v1 wherever there is a v1 hierarchy. Device filters
        of cgroup v2 need no controller, so there they always exist.
        """
        if self.mode == "v2":
            return 2
        if self.mode != "hybrid" or controller in self._v1:
            return 1
        if controller == "devices":
            return 2
        with open(f"{self.tops[UNIFIED]}/cgroup.controllers", encoding="ascii") as file:
            v2 = file.read().split()
        return 2 if {"blkio": "io"}.get(controller, controller) in v2 else 1


def detect() -> Layout:
    """Read ``/proc/self/mountinfo`` (proc(5)). The first mount of a hierarchy counts."""
    with open("/proc/self/mountinfo", "rb", buffering=0) as file:
        return Layout(_tops(file.readall().decode("utf-8", "surrogateescape")))


def _tops(mountinfo: str) -> dict[str, str]:
    tops: dict[str, str] = {}
    for line in lines(mountinfo):
        mount, found, filesystem = line.partition(" - cgroup")
        if not found:
            continue
        kind, _, options = filesystem.split(" ", 2)
        if kind == "2":
            key = UNIFIED
        else:
            names = options.split(",")
            key = ",".join(n for n in names if n in _V1_CONTROLLERS or n.startswith("name="))
            if not key:
                continue
        tops.setdefault(key, _unescape(mount.split(" ")[4]))
    return tops


def _unescape(path: str) -> str:
    """Undo the octal escapes of space, tab, newline and backslash."""
    for escape, character in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        path = path.replace(escape, character)
    return path


def group_path(cgroups_path: str, container_id: str) -> str:
    """``linux.cgroupsPath`` as a path below each hierarchy's mount point, starting with "/".

    As in crun, a relative path is relative to the mount point too (the specification leaves it to
    the runtime), and without one the container's id is taken. ``slice:prefix:name``, meant for
    the systemd manager, is an ordinary name here, as in runc and crun.
    Raises :class:`SpecError` for a path with "..", and for the hierarchy's root.
    """
    parts = [part for part in (cgroups_path or container_id).split("/") if part not in ("", ".")]
    if not parts:
        raise SpecError("linux.cgroupsPath", "names the root of the hierarchy, not a cgroup in it")
    if ".." in parts or any("\n" in part for part in parts):
        raise SpecError("linux.cgroupsPath", f"{cgroups_path!r} has a part that is not allowed")
    return "/" + "/".join(parts)
