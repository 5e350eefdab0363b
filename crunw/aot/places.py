"""Where the cache is, and how its small files are read and written.

``<cache>/entries/<key>/`` holds ``module.so`` and ``meta.json``, ``<cache>/new`` what is being
made, ``<cache>/queue`` modules that wait for the compiler. ``<run>`` holds what is true until the
next boot: which files have been hashed, and what could not be compiled.
"""

from __future__ import annotations

import posix

from crunw.files import environment, make_directories, parent
from crunw.paths import cache_dir, is_rootless

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

ARTEFACT: Final = "module.so"  # as csrc/init/wasm.c names it
META: Final = "meta.json"


def cache() -> str:
    """The directory of the cache."""
    return cache_dir("aot")


def entry(key: str) -> str:
    """The directory of an entry."""
    return f"{cache()}/entries/{key}"


def run_dir() -> str:
    """The directory of what does not outlive a boot."""
    if not is_rootless():
        return "/run/crunw-aot"
    base = environment("XDG_RUNTIME_DIR")
    return f"{base}/crunw-aot" if base else f"{cache()}/run"


def note(kind: str, name: str) -> str:
    """The file of a note, below :func:`run_dir`."""
    return f"{run_dir()}/{kind}/{name}"


def is_ours(directory: str) -> bool:
    """Whether only this user can have written to ``directory``: owner, mode, and no link."""
    try:
        status = posix.lstat(directory)
    except OSError:
        return False
    return status.st_uid == posix.geteuid() and status.st_mode & 0o170077 == 0o040000


def make(directory: str) -> bool:
    """Make a directory that is only ours, and those above; False where it can't be, or is not."""
    try:
        make_directories(parent(directory), 0o755)
        posix.mkdir(directory, 0o700)
    except FileExistsError:
        pass
    except OSError:
        return False
    return is_ours(directory)


def read(path: str) -> str:
    """A small file's text; ``""`` where there is none."""
    try:
        descriptor = posix.open(path, posix.O_RDONLY | posix.O_CLOEXEC | posix.O_NOFOLLOW)
    except OSError:
        return ""
    try:
        return posix.read(descriptor, 65536).decode("utf-8", "surrogateescape")
    finally:
        posix.close(descriptor)


def make_notes(kind: str) -> bool:
    """Make the directory of the notes of a kind; False where it can't be."""
    return make(run_dir()) and make(f"{run_dir()}/{kind}")


def write_note(kind: str, name: str, text: str) -> None:
    """Write a note at once. Without success no harm is done."""
    directory = f"{run_dir()}/{kind}"
    if not make_notes(kind):
        return
    temporary = f"{directory}/.{name}.{posix.getpid()}"
    try:
        descriptor = posix.open(
            temporary, posix.O_WRONLY | posix.O_CREAT | posix.O_TRUNC | posix.O_CLOEXEC, 0o600
        )
        try:
            posix.write(descriptor, text.encode("utf-8", "surrogateescape"))
        finally:
            posix.close(descriptor)
        posix.replace(temporary, f"{directory}/{name}")
    except OSError:
        remove(temporary)


def remove(path: str) -> None:
    """Remove a file if it is there."""
    try:
        posix.unlink(path)
    except OSError:
        pass


def identity(status: posix.stat_result) -> str:
    """What tells a file's content from any other that it has had.

    The change time is the kernel's: whoever writes to the file, owner, mode or name moves it.
    """
    return (
        f"{status.st_dev}-{status.st_ino}-{status.st_size}"
        f"-{status.st_mtime_ns}-{status.st_ctime_ns}"
    )
