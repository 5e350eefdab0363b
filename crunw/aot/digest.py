"""SHA-256 of files, and the index that spares it."""

from __future__ import annotations

import posix
import time

from crunw.aot import places

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol

    class Hash(Protocol):
        """What is used of a hash object."""

        def update(self, data: bytes, /) -> None:
            """Hash more."""

        def hexdigest(self) -> str:
            """The result, in hexadecimal."""


_CHUNK = 1 << 20
_LARGE = 1 << 20  # from here on OpenSSL is faster, although loading it takes 3 ms
INDEXED = 128 << 10  # hashing less takes no longer than looking it up
_SETTLED = 2_000_000_000  # ns: a file that has just changed can change again in the same tick
_PLAIN_INODE = 1 << 48  # overlayfs (xino) marks inodes of foreign layers in the bits above


def sha256(size: int) -> Hash:
    """A new hash object, the fastest for ``size`` bytes, loading included."""
    try:
        if size >= _LARGE:
            from _hashlib import openssl_sha256

            return openssl_sha256()
        from _sha2 import sha256 as small  # type: ignore[import-not-found]
    except ImportError:
        from hashlib import sha256 as small
    new: Hash = small()
    return new


def of_file(descriptor: int) -> str:
    """The SHA-256 of an open file, in hexadecimal. Raises OSError."""
    size = posix.fstat(descriptor).st_size
    state = sha256(size)
    chunk = min(_CHUNK, size + 1)  # room for a megabyte takes longer than hashing a small file
    at = 0
    while data := posix.pread(descriptor, chunk, at):
        state.update(data)
        at += len(data)
    return state.hexdigest()


def of_module(descriptor: int, root: str) -> str:
    """The SHA-256 of a module in the root file system ``root`` (``""``: never by the index).

    Raises OSError.
    """
    status = posix.fstat(descriptor)
    if status.st_size < INDEXED or not root or not _is_indexable(descriptor, status, root):
        return of_file(descriptor)
    name = _index_name(status)
    known = places.read(places.note("index", name))
    if known:
        return known
    found = of_file(descriptor)
    settled = time.time_ns() - max(status.st_ctime_ns, status.st_mtime_ns) > _SETTLED
    if settled and _index_name(posix.fstat(descriptor)) == name:
        places.write_note("index", name, found)
    return found


def _is_indexable(descriptor: int, status: posix.stat_result, root: str) -> bool:
    """Whether inode number and change time are the node's own file system's (docs/aot.md).

    Not those that an image, a volume or whoever mounted something could have chosen.
    """
    return (
        status.st_dev == posix.stat(root).st_dev
        and status.st_ino < _PLAIN_INODE
        and not posix.fstatvfs(descriptor).f_flag & posix.ST_RDONLY
    )


def _index_name(status: posix.stat_result) -> str:
    """The device is left out where it is the mount's and not the disk's (overlayfs, btrfs)."""
    device = status.st_dev if posix.major(status.st_dev) else 0
    return f"{device}-{places.identity(status).partition('-')[2]}"
