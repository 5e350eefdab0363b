"""The directories that crunw keeps for itself: created, checked and set right in one place.

Modes do not depend on the caller's umask: 022, 027 or 077, depending on the engine.
"""

from __future__ import annotations

import posix
from errno import ENOENT

from crunw.files import is_directory, parent
from crunw.paths import is_rootless

PRIVATE = 0o700
SHARED = 0o755  # of directories above the private ones, in which only their owner writes
_TYPE, _DIRECTORY, _MODE, _OTHERS_WRITE = 0o170000, 0o040000, 0o7777, 0o022


def create(path: str, mode: int) -> None:
    """Create ``path`` and its missing parents with exactly this mode. Raises OSError."""
    mask = posix.umask(0)
    try:
        _create(path, mode)
    finally:
        posix.umask(mask)


def _create(path: str, mode: int) -> None:
    missing = []
    while not _is_made(path, mode):
        missing.append(path)
        path = parent(path)
    for path in reversed(missing):
        if not _is_made(path, mode):  # below a directory: of procfs, where nothing can be created
            raise FileNotFoundError(ENOENT, posix.strerror(ENOENT), path)


def _is_made(path: str, mode: int) -> bool:
    """Create one directory; False: that above it is missing."""
    try:
        posix.mkdir(path, mode)
    except FileNotFoundError:
        return False
    except FileExistsError:
        if not is_directory(path):
            raise
    return True


def problem(path: str) -> str:
    """Why ``path`` can't be trusted to be written by this user alone; ``""``: it can.

    It must be a directory, no link, that belongs to this user and has the mode 0700.
    """
    try:
        status = posix.lstat(path)
    except OSError as error:
        return f"{path}: {error.strerror}"
    return _problem(path, status)


def _problem(path: str, status: posix.stat_result) -> str:
    mode = status.st_mode & _MODE
    if status.st_mode & _TYPE != _DIRECTORY:
        return f"{path}: not a directory (remove it)"
    if status.st_uid != posix.geteuid():
        return f"{path}: belongs to user {status.st_uid} (remove it)"
    if mode & _OTHERS_WRITE:
        return f"{path}: others may write to it, mode {mode:04o} (remove it)"
    if mode != PRIVATE:
        return f"{path}: mode {mode:04o} instead of {PRIVATE:04o}"
    return ""


def private(path: str) -> str:
    """Have ``path`` as a directory of this user alone; return what is wrong with it, ``""``.

    Missing directories are created, those above it closed to others where an ordinary user calls. A
    mode by which others may read or enter, but never wrote, is set right: an older version left it
    so, or a hand.
    """
    try:
        status = posix.lstat(path)
    except FileNotFoundError:
        return _create_private(path)
    except OSError as error:
        return f"{path}: {error.strerror}"
    wrong = _problem(path, status)
    if wrong and _is_closable(status):
        _set_mode(path, PRIVATE)
        return problem(path)
    return wrong


def _create_private(path: str) -> str:
    try:
        create(parent(path), PRIVATE if is_rootless() else SHARED)
        create(path, PRIVATE)
    except OSError as error:
        return f"create {path}: {error.strerror}"
    return problem(path)


def _is_closable(status: posix.stat_result) -> bool:
    return (
        status.st_mode & _TYPE == _DIRECTORY
        and status.st_uid == posix.geteuid()
        and not status.st_mode & _OTHERS_WRITE
    )


def shared(path: str) -> None:
    """Set the mode of an existing directory of this user's right: 0755. What is not his stays."""
    try:
        status = posix.lstat(path)
    except OSError:
        return
    ours = status.st_mode & _TYPE == _DIRECTORY and status.st_uid == posix.geteuid()
    if ours and status.st_mode & _MODE != SHARED:
        _set_mode(path, SHARED)


def _set_mode(path: str, mode: int) -> None:
    """By a descriptor, so that no link is followed. Failing shows when it is checked."""
    flags = posix.O_RDONLY | posix.O_DIRECTORY | posix.O_NOFOLLOW | posix.O_CLOEXEC
    try:
        descriptor = posix.open(path, flags)
    except OSError:
        return
    try:
        posix.fchmod(descriptor, mode)
    except OSError:
        pass
    finally:
        posix.close(descriptor)
