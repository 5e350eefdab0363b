"""``linux.seccomp`` as a filter program, from a cache or compiled by libseccomp.

Compiling a usual profile takes tens of milliseconds and needs libseccomp and cffi; a start that
finds its program in the cache loads neither.
"""

from __future__ import annotations

import posix

from crunw import __version__, directories, notices
from crunw.files import parent

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from crunw.oci.model import Seccomp

_MAX_ENTRY = 4096 * 8 + 8192  # BPF_MAXINSNS instructions, and a header
_MAX_ENTRIES = 128
_DIGEST = 32


def program(section: Seccomp, cache_dir: str) -> tuple[bytes, int]:
    """The BPF program (``struct sock_filter`` array) and the SECCOMP_FILTER_FLAG_* to load it with.

    ``cache_dir`` is created if it is missing; it and its entries are only trusted when they belong
    to the caller alone, and an entry only when it is whole and was made with the installed
    libseccomp. A cache that can't be used is passed over (``crunw doctor`` names the reason).
    Raises :class:`crunw.errors.SpecError` for a section that can't be compiled.
    """
    entry = f"{cache_dir}/{_key(section)}"
    problem = directories.private(cache_dir)
    usable = not problem
    if problem:
        notices.detail(f"linux.seccomp: the cache of filters is not used: {problem}")
    if usable and (found := _load(entry)):
        return found
    from crunw.effects.seccomp.compile import compile_filter, library_path

    code, flags = compile_filter(section)
    if usable and (library := library_path()):
        _store(entry, code, flags, library)
    return code, flags


def features() -> dict[str, Any]:
    """What is supported, as ``linux.seccomp`` of features.md; in the order of their names."""
    from crunw.effects.seccomp.compile import ACTIONS, ARCHITECTURES, FLAGS, OPERATORS

    return {
        "enabled": True,
        "actions": sorted(ACTIONS),
        "operators": sorted(OPERATORS),
        "archs": sorted(ARCHITECTURES),
        "knownFlags": sorted(FLAGS),
    }


def _sha256(data: bytes) -> bytes:
    # hashlib takes 2.7 ms to import; the module below it is part of the interpreter.
    try:
        from _sha2 import sha256  # type: ignore[import-not-found,unused-ignore]
    except ImportError:  # Python 3.11
        from _sha256 import sha256  # type: ignore[import-not-found,unused-ignore]
    digest: bytes = sha256(data).digest()
    return digest


def _key(section: Seccomp) -> str:
    return _sha256(repr((__version__, posix.uname().machine, section)).encode()).hex()


def _load(entry: str) -> tuple[bytes, int] | None:
    """Read and check an entry; ``None`` for one that is not as :func:`_store` leaves it."""
    try:
        fd = posix.open(
            entry, posix.O_RDONLY | posix.O_CLOEXEC | posix.O_NOFOLLOW | posix.O_NONBLOCK
        )
    except OSError:
        return None
    try:
        found = posix.fstat(fd)
        if found.st_mode & 0o170077 != 0o100000 or found.st_uid != posix.geteuid():
            return None
        data = posix.read(fd, _MAX_ENTRY + 1)
    finally:
        posix.close(fd)
    content = data[_DIGEST:]
    if len(data) > _MAX_ENTRY or _sha256(content) != data[:_DIGEST]:
        return None
    header, _, code = content.partition(b"\0")
    library, identity, flags = header.decode("utf-8", "surrogateescape").split("\n")
    if identity != _identity(library):
        return None
    return code, int(flags)


def _identity(library: str) -> str:
    """What changes when the file of libseccomp is replaced; "" when it is gone."""
    try:
        found = posix.stat(library)
    except OSError:
        return ""
    return f"{found.st_dev} {found.st_ino} {found.st_size} {found.st_mtime_ns}"


def _store(entry: str, code: bytes, flags: int, library: str) -> None:
    """Write a temporary file and rename it. A failure is not an error: the program is at hand."""
    header = f"{library}\n{_identity(library)}\n{flags}".encode("utf-8", "surrogateescape")
    content = header + b"\0" + code
    temporary = f"{entry}.{posix.getpid()}"
    try:
        _make_room(parent(entry))
        fd = posix.open(
            temporary, posix.O_WRONLY | posix.O_CREAT | posix.O_EXCL | posix.O_CLOEXEC, 0o600
        )
        try:
            posix.write(fd, _sha256(content) + content)
        finally:
            posix.close(fd)
        posix.rename(temporary, entry)
    except OSError as error:  # the program is at hand; the next start compiles again
        notices.detail(f"linux.seccomp: the filter is not kept in {entry}: {error.strerror}")
        _unlink(temporary)


def _make_room(directory: str) -> None:
    """Remove the older half of a full cache."""
    names = posix.listdir(directory)
    if len(names) < _MAX_ENTRIES:
        return
    paths = sorted((f"{directory}/{name}" for name in names), key=lambda p: posix.lstat(p).st_mtime)
    for path in paths[: len(paths) // 2]:
        _unlink(path)


def _unlink(path: str) -> None:
    try:
        posix.unlink(path)
    except OSError:  # gone already, or a directory, which is never an entry
        pass
