"""The entries of the cache: added whole, checked, listed, dropped.

An entry is a directory. It is made in ``<cache>/new`` and renamed when all of it is on the disk: a
name in ``<cache>/entries`` is that of a complete entry, whoever is killed and whenever.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import stat
import tempfile
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

from crunw.aot import digest, places
from crunw.errors import KernelError

if TYPE_CHECKING:
    from collections.abc import Iterator


class Meta(NamedTuple):
    """What is known of an entry: ``meta.json``. Sizes in bytes."""

    module: str  # SHA-256
    module_size: int
    artefact: str  # SHA-256
    size: int
    platform: str
    options: str
    name: str  # the module's file name when it was compiled
    created: float  # seconds since 1970
    seconds: float  # of processor time that compiling took
    code: int  # size of the module's code section


class Entry(NamedTuple):
    """An entry as ``crunw cache ls`` shows it; ``used``: seconds since 1970."""

    key: str
    meta: Meta
    used: float


@contextmanager
def scratch(parent: str) -> Iterator[str]:
    """A new directory in ``parent``, removed in the end. What crashes leave is removed later.

    It is locked as long as it is used.
    """
    _sweep(parent)
    path, descriptor = _locked_directory(parent)
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)
        os.close(descriptor)


def _locked_directory(parent: str) -> tuple[str, int]:
    while True:
        path = tempfile.mkdtemp(dir=parent)
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
        except FileNotFoundError:
            continue  # swept before it was locked
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        if os.path.isdir(path):
            return path, descriptor
        os.close(descriptor)


def _sweep(parent: str) -> None:
    for name in os.listdir(parent):
        path = f"{parent}/{name}"
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        except OSError:
            continue
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(path, ignore_errors=True)
        except BlockingIOError:
            pass  # in use
        finally:
            os.close(descriptor)


def add(key: str, artefact: str, meta: Meta) -> None:
    """Copy the file ``artefact`` into the cache. ``meta.artefact`` and ``size`` are filled in.

    If somebody else was faster, theirs stays. Raises :class:`KernelError`: disk full, most likely.
    """
    try:
        with scratch(f"{places.cache()}/new") as directory:
            new = f"{directory}/entry"
            os.mkdir(new, 0o755)
            size, sha256 = _copy(artefact, f"{new}/{places.ARTEFACT}")
            text = json.dumps(meta._replace(artefact=sha256, size=size)._asdict())
            _write(f"{new}/{places.META}", text.encode())
            _sync(new)
            try:
                os.rename(new, places.entry(key))
            except OSError:
                if not os.path.isdir(places.entry(key)):
                    raise
            _sync(f"{places.cache()}/entries")
            # Hashed as it was written: the next start need not read it again.
            status = os.lstat(f"{places.entry(key)}/{places.ARTEFACT}")
            places.write_note("verified", key, places.identity(status))
    except OSError as error:
        raise KernelError("write to the cache", places.cache(), error) from None


def _copy(source: str, target: str) -> tuple[int, str]:
    """Size and SHA-256 of what was copied."""
    with open(source, "rb", opener=_no_follow) as file:
        state = digest.sha256(os.fstat(file.fileno()).st_size)
        with open(target, "xb") as copy:
            while data := file.read(1 << 20):
                state.update(data)
                copy.write(data)
            copy.flush()
            os.fchmod(copy.fileno(), 0o444)
            os.fsync(copy.fileno())
            return copy.tell(), state.hexdigest()


def _no_follow(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK)


def _write(path: str, data: bytes) -> None:
    with open(path, "xb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _sync(directory: str) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def meta(key: str) -> Meta:
    """The description of an entry. Raises ValueError where it is damaged, OSError."""
    with open(f"{places.entry(key)}/{places.META}", opener=_no_follow, encoding="utf-8") as file:
        fields = json.load(file)
    if not isinstance(fields, dict) or set(fields) != set(Meta._fields):
        raise ValueError("not the description of an entry")
    return Meta(**fields)


def damage(key: str) -> str:
    """What is wrong with an entry; ``""``: nothing. Reads all of it."""
    path = f"{places.entry(key)}/{places.ARTEFACT}"
    try:
        expected = meta(key)
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except (OSError, ValueError) as error:
        return str(error)
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode) or status.st_uid != os.geteuid():
            return "not a file of this user's"
        if status.st_mode & 0o222:
            return "somebody may write to it"
        if digest.of_file(descriptor) != expected.artefact:
            return "the content is not what was written"
    except OSError as error:
        return str(error)
    finally:
        os.close(descriptor)
    return ""


def drop(key: str) -> None:
    """Remove an entry. Containers that run from it go on."""
    places.remove(places.note("verified", key))
    try:
        with scratch(f"{places.cache()}/new") as directory:
            os.rename(places.entry(key), f"{directory}/dropped")
    except OSError:
        pass  # gone already


def queued() -> list[str]:
    """The directories of the modules that wait to be compiled (:mod:`crunw.aot.queue`)."""
    directory = f"{places.cache()}/queue"
    try:
        return [f"{directory}/{name}" for name in sorted(os.listdir(directory))]
    except OSError:
        return []


def queue_size() -> int:
    """Bytes that they take."""
    total = 0
    for path in queued():
        try:
            total += os.stat(f"{path}/module").st_blocks * 512
        except OSError:
            continue
    return total


def keys() -> list[str]:
    """The keys of all entries."""
    try:
        return sorted(os.listdir(f"{places.cache()}/entries"))
    except OSError:
        return []


def entries() -> list[Entry]:
    """All entries whose description can be read, the one used last first."""
    found = []
    for key in keys():
        try:
            found.append(Entry(key, meta(key), os.stat(places.entry(key)).st_mtime))
        except (OSError, ValueError):
            continue
    return sorted(found, key=lambda entry: entry.used, reverse=True)


def prune(max_size: int) -> list[Entry]:
    """Drop what was used longest ago until all fits into ``max_size`` bytes; return that."""
    found = entries()
    for key in set(keys()).difference(entry.key for entry in found):
        drop(key)  # damaged
    dropped = []
    left = max_size
    for entry in found:
        left -= entry.meta.size
        if left < 0:
            drop(entry.key)
            dropped.append(entry)
    return dropped
