"""``linux.intelRdt``: a class of service in the resctrl file system.

Follows config-linux.md "IntelRdt" and Documentation/filesystems/resctrl.rst of the kernel.
"""

from __future__ import annotations

import posix

from crunw.errors import SpecError
from crunw.files import is_directory

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crunw.oci.model import IntelRdt

_FIELD = "linux.intelRdt"


def mount_point() -> str:
    """Where resctrl is mounted; "" where it is not, or the kernel has none."""
    with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as file:
        for line in file:
            mount, found, _ = line.partition(" - resctrl ")
            if found:
                return mount.split(" ")[4]
    return ""


class Group:
    """A container's class of service and, if asked for, its monitoring group."""

    __slots__ = ("_made", "_monitor", "_path", "_schemata")

    def __init__(self, wanted: IntelRdt, container_id: str, top: str) -> None:
        """Decide; make nothing. ``top``: :func:`mount_point`. Raises :class:`SpecError`."""
        if not top:
            raise SpecError(_FIELD, "no resctrl file system is mounted on this host")
        class_id = wanted.get("closID", "")
        if class_id in (".", "..") or "/" in class_id:
            raise SpecError(f"{_FIELD}.closID", f"{class_id!r} is not a file name")
        lines = [wanted.get("l3CacheSchema", ""), wanted.get("memBwSchema", "")]
        lines = [line for line in [*lines, *wanted.get("schemata", ())] if line]
        self._schemata = "".join(f"{line}\n" for line in lines)
        name = class_id or (container_id if lines else "")
        self._path = f"{top}/{name}" if name else top
        if class_id and not lines and not is_directory(self._path):
            raise SpecError(f"{_FIELD}.closID", f"there is no class {class_id!r}, and no schema")
        monitors = ("enableMonitoring", "enableCMT", "enableMBM")
        watch = any(wanted.get(key) for key in monitors)
        self._monitor = f"{self._path}/mon_groups/{container_id}" if watch else ""
        self._made: list[str] = []

    def make(self) -> list[str]:
        """Make what is missing, write the schemata. Return the directories to remove in the end."""
        try:
            for directory in (self._path, self._monitor):
                if directory and not is_directory(directory):
                    posix.mkdir(directory, 0o755)
                    self._made.insert(0, directory)
            if self._schemata:
                _put(f"{self._path}/schemata", self._schemata)
        except OSError as error:
            remove(self._made)
            raise SpecError(_FIELD, f"{self._path}: {error.strerror}") from error
        return self._made

    def remove(self) -> None:
        """Undo :meth:`make`."""
        remove(self._made)

    def join(self, pid: int) -> None:
        """Move the process in. Raises :class:`SpecError`."""
        for directory in (self._path, self._monitor):
            try:
                if directory:
                    _put(f"{directory}/tasks", str(pid))
            except OSError as error:
                raise SpecError(_FIELD, f"{directory}/tasks: {error.strerror}") from error


def remove(directories: list[str]) -> None:
    """Remove what :meth:`Group.make` made; the processes that are left go to the default class."""
    for directory in directories:
        try:
            posix.rmdir(directory)
        except FileNotFoundError:
            pass


def _put(path: str, text: str) -> None:
    fd = posix.open(path, posix.O_WRONLY | posix.O_TRUNC | posix.O_CLOEXEC)
    try:
        posix.write(fd, text.encode())
    finally:
        posix.close(fd)
