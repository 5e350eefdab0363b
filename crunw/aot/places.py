"""Where the cache is, and how its small files are read and written.

``<cache>/entries/<key>/`` holds ``module.so`` and ``meta.json``, ``<cache>/new`` what is being
made, ``<cache>/queue`` modules that wait for the compiler. ``<run>`` holds what is true until the
next boot: which files have been hashed, and what could not be compiled.
"""

from __future__ import annotations

import posix

from crunw import directories, notices
from crunw.errors import CrunwError
from crunw.files import create_file, environment, exists, is_directory, parent
from crunw.paths import cache_dir, is_rootless

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

ARTEFACT: Final = "module.so"  # as csrc/init/wasm.c names it
META: Final = "meta.json"
DIRECTORIES: Final = ("entries", "new", "queue")


def cache() -> str:
    """The directory of the cache."""
    return cache_dir("aot")


def entry(key: str) -> str:
    """The directory of an entry."""
    return f"{cache()}/entries/{key}"


def has(path: str) -> bool:
    """Whether a file of the cache is there, for those whom its being there only helps.

    What can't be looked at is not there; ``create`` and ``doctor`` say why.
    """
    try:
        return exists(path)
    except OSError:
        return False


def prepare() -> None:
    """Create the cache's directories, or set their modes right.

    Raises :class:`CrunwError` where they can't be this user's alone.
    """
    if not is_rootless():
        directories.shared(parent(cache()))
    for path in (cache(), *(f"{cache()}/{name}" for name in DIRECTORIES)):
        if wrong := directories.private(path):
            raise CrunwError(f"the cache can't be used: {wrong}")


def check() -> None:
    """Raise :class:`CrunwError` where there is a cache that no start would use.

    Without one nothing has been compiled yet.
    """
    above = parent(cache())
    wrong = ""
    if exists(cache(), follow=False):
        wrong = directories.private(cache())
    elif exists(above, follow=False) and not is_directory(above):
        wrong = f"{above}: not a directory (remove it)"
    if wrong:
        raise CrunwError(f"the cache can't be used: {wrong}")


def run_dir() -> str:
    """The directory of what does not outlive a boot."""
    if not is_rootless():
        return "/run/crunw-aot"
    base = environment("XDG_RUNTIME_DIR")
    return f"{base}/crunw-aot" if base else f"{cache()}/run"


def note(kind: str, name: str) -> str:
    """The file of a note, below :func:`run_dir`."""
    return f"{run_dir()}/{kind}/{name}"


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


def prepare_notes(kind: str) -> str:
    """Create the directory of the notes of a kind; return what is wrong with it, ``""``."""
    return directories.private(run_dir()) or directories.private(f"{run_dir()}/{kind}")


def write_note(kind: str, name: str, text: str) -> str:
    """Write a note at once. One that can't be written is done without: what it would have spared is
    done each time. Returns why; ``""``: it is written.
    """
    directory = f"{run_dir()}/{kind}"
    if wrong := prepare_notes(kind):
        return _without(wrong)
    temporary = f"{directory}/.{name}.{posix.getpid()}"
    try:
        descriptor = create_file(temporary, 0o600)
        try:
            posix.write(descriptor, text.encode("utf-8", "surrogateescape"))
        finally:
            posix.close(descriptor)
        posix.replace(temporary, f"{directory}/{name}")
    except OSError as error:
        remove(temporary)
        return _without(f"write {directory}/{name}: {error.strerror}")
    return ""


def _without(wrong: str) -> str:
    notices.detail(f"a note about modules is not kept: {wrong}")
    return wrong


def count(kind: str, name: str) -> None:
    """Note that something has happened once more: a byte for each time."""
    flags = posix.O_WRONLY | posix.O_APPEND | posix.O_CREAT | posix.O_CLOEXEC | posix.O_NOFOLLOW
    try:
        descriptor = posix.open(note(kind, name), flags, 0o600)
    except OSError:
        write_note(kind, name, "+")
        return
    try:
        posix.write(descriptor, b"+")
    except OSError as error:
        _without(f"write {note(kind, name)}: {error.strerror}")
    finally:
        posix.close(descriptor)


def counted(kind: str, name: str) -> int:
    """How often :func:`count` has been called since the node was started."""
    try:
        return posix.stat(note(kind, name)).st_size
    except OSError:
        return 0


def remove(path: str) -> None:
    """Remove a file if it is there."""
    try:
        posix.unlink(path)
    except OSError:
        pass


def identity(status: posix.stat_result) -> str:
    """What distinguishes a file's content from any other that it has had.

    The change time is the kernel's: whoever writes to the file, owner, mode or name moves it.
    """
    return (
        f"{status.st_dev}-{status.st_ino}-{status.st_size}"
        f"-{status.st_mtime_ns}-{status.st_ctime_ns}"
    )
