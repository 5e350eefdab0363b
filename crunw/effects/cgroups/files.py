"""Reading and writing cgroup files, and waiting for what the kernel does in its own time."""

from __future__ import annotations

import errno
import posix
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

PATIENCE = 10.0  # s, for ending and for freezing processes


def read(path: str) -> str:
    """The whole of a file. Raises FileNotFoundError also if its cgroup is removed meanwhile."""
    fd = -1
    try:
        fd = posix.open(path, posix.O_RDONLY | posix.O_CLOEXEC)
        text = b""
        while chunk := posix.read(fd, 65536):
            text += chunk
        return text.decode("utf-8", "surrogateescape")
    except OSError as error:
        if error.errno != errno.ENODEV:
            raise
        raise FileNotFoundError(errno.ENOENT, posix.strerror(errno.ENOENT), path) from error
    finally:
        if fd >= 0:
            posix.close(fd)


def put(path: str, value: str) -> None:
    """Write to a file that exists, in one system call."""
    fd = posix.open(path, posix.O_WRONLY | posix.O_CLOEXEC)
    try:
        posix.write(fd, value.encode())
    finally:
        posix.close(fd)


def pauses(deadline: float) -> Iterator[None]:
    """Come back after ever longer pauses, from 0.1 to 10 ms, until ``deadline``."""
    pause = 0.0001
    while time.monotonic() < deadline:
        yield
        time.sleep(pause)
        pause = min(pause * 2, 0.01)
