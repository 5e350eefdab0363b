"""The few questions about paths that a lifecycle call asks, without ``os``.

Importing ``os`` costs more than a millisecond (it brings ``posixpath`` and the abstract base
classes of ``collections``), a tenth of a whole call; its system calls are the builtin ``posix``.
"""

from __future__ import annotations

import errno
import posix

_TYPE = 0o170000
_DIRECTORY = 0o040000
_REGULAR = 0o100000
_LINK = 0o120000
_ABSENT = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG)


def exists(path: str, *, follow: bool = True) -> bool:
    """Whether ``path``, links followed unless not asked for, is there.

    Raises OSError where that can't be known.
    """
    return _mode(path, follow=follow) != 0


def is_directory(path: str) -> bool:
    """Whether ``path``, links followed, is a directory. Raises OSError as :func:`exists` does."""
    return _mode(path) & _TYPE == _DIRECTORY


def is_file(status: posix.stat_result) -> bool:
    """Whether this is the status of a regular file."""
    return status.st_mode & _TYPE == _REGULAR


def is_special(path: str) -> bool:
    """Whether ``path``, links not followed, is a device, a FIFO or a socket. Raises OSError."""
    return _mode(path, follow=False) & _TYPE not in (0, _DIRECTORY, _REGULAR, _LINK)


def _mode(path: str, *, follow: bool = True) -> int:
    """The type and permissions of a file (stat(2)), 0 of none."""
    try:
        return posix.stat(path, follow_symlinks=follow).st_mode
    except OSError as error:
        if error.errno not in _ABSENT:
            raise
        return 0


def parent(path: str) -> str:
    """``path`` without its last component."""
    return path.rpartition("/")[0] or "/"


def absolute(path: str) -> str:
    """``path`` from the working directory, without ``.``, ``..`` and doubled slashes."""
    parts: list[str] = []
    for part in f"{'' if path.startswith('/') else posix.getcwd()}/{path}".split("/"):
        if part == "..":
            del parts[-1:]
        elif part not in ("", "."):
            parts.append(part)
    return "/" + "/".join(parts)


def lines(text: str) -> list[str]:
    """The lines of what the kernel or a program writes: a newline ends one, nothing else.

    For ``str.splitlines`` ten other characters do, too, which names may hold.
    """
    return text.removesuffix("\n").split("\n") if text else []


def environment(name: str) -> str:
    """The environment variable, ``""`` when it is not set."""
    return posix.environ.get(name.encode(), b"").decode("utf-8", "surrogateescape")


def create_file(path: str, mode: int) -> int:
    """Open a new file for writing in the place of what a process of this pid may have left there.

    No link is followed: others may write to the directory. Raises OSError.
    """
    flags = posix.O_WRONLY | posix.O_CREAT | posix.O_EXCL | posix.O_NOFOLLOW | posix.O_CLOEXEC
    try:
        return posix.open(path, flags, mode)
    except FileExistsError:
        posix.unlink(path)
        return posix.open(path, flags, mode)


def inherited() -> list[int]:
    """The descriptors above 2 that a program executed by this one would get."""
    return [number for number in map(int, posix.listdir("/proc/self/fd")) if _is_inherited(number)]


def _is_inherited(number: int) -> bool:
    try:
        return number > 2 and posix.get_inheritable(number)
    except OSError:
        return False  # the directory's own descriptor
