"""Root directories in a cache that trees share: one that is in use is locked, and not removed."""

from __future__ import annotations

import contextlib
import fcntl
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def used(root: Path) -> Iterator[bool]:
    """Keep ``root`` from being removed; false: it has been."""
    with contextlib.ExitStack() as stack:
        try:
            directory = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except FileNotFoundError:
            yield False
            return
        stack.callback(os.close, directory)
        fcntl.flock(directory, fcntl.LOCK_SH)
        yield root.exists() and os.path.samestat(root.stat(), os.fstat(directory))


def remove_unused(cache: Path, but: Path) -> None:
    """Remove the roots that nobody uses, and those that were not finished."""
    with (cache / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # nobody is making one
        for root in cache.glob("[0-9a-f]*"):  # beside them is what ci/enter keeps
            if root != but and root.is_dir():
                _remove(root)


def _remove(root: Path) -> None:
    directory = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(directory, fcntl.LOCK_EX | fcntl.LOCK_NB)
        subprocess.run(["rm", "-rf", "--one-file-system", root], check=True)
    except BlockingIOError:
        pass  # somebody uses it
    finally:
        os.close(directory)
