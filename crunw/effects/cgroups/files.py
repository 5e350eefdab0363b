"""Reading and writing cgroup files, and waiting for what the kernel does in its own time."""

from __future__ import annotations

import os
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

PATIENCE = 10.0  # s, for ending and for freezing processes


def read(path: str) -> str:
    """The whole of a file."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        text = b""
        while chunk := os.read(fd, 65536):
            text += chunk
        return text.decode()
    finally:
        os.close(fd)


def put(path: str, value: str) -> None:
    """Write to a file that exists, in one system call."""
    fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(fd, value.encode())
    finally:
        os.close(fd)


def pauses(deadline: float) -> Iterator[None]:
    """Come back after ever longer pauses, from 0.1 to 10 ms, until ``deadline``."""
    pause = 0.0001
    while time.monotonic() < deadline:
        yield
        time.sleep(pause)
        pause = min(pause * 2, 0.01)
