"""Find a module's compiled code: what each start of a Wasm container does."""

from __future__ import annotations

import posix
import time

from crunw.aot import digest, places, platform
from crunw.files import exists

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crunw.aot.options import Options

_STAMP = 3600.0  # s: how exact the time of the last use is


def key_of(module: str, options: Options) -> str:
    """The key of an entry for a module's SHA-256. Raises :class:`crunw.errors.CrunwError`."""
    text = f"{module} {platform.current()} {options.text()}"
    state = digest.sha256(len(text))
    state.update(text.encode())
    return state.hexdigest()


def directory(key: str) -> str:
    """The directory of an entry, as a plan's ``engine_artefact`` names it."""
    return places.entry(key)


def usable(key: str) -> bool:
    """Whether there is an entry, complete and as it was written; a damaged one is dropped.

    All of it is read once a boot, and when the kernel says that it has changed since.
    """
    if not (places.is_ours(places.cache()) and is_sound(key)):
        return False
    _stamp(places.entry(key))
    return True


def is_sound(key: str) -> bool:
    """:func:`usable` of a cache that is ours, without noting that the entry is used."""
    identity = ""
    try:
        identity = places.identity(posix.lstat(f"{places.entry(key)}/{places.ARTEFACT}"))
    except OSError:
        if not exists(places.entry(key)):
            return False
    if identity and places.read(places.note("verified", key)) == identity:
        return True
    from crunw.aot import store

    if store.damage(key):
        store.drop(key)
        return False
    places.write_note("verified", key, identity)
    return True


def doubt(key: str) -> None:
    """Have the entry read again as a whole when it is next looked up: it could not be loaded."""
    places.remove(places.note("verified", key))


def _stamp(directory: str) -> None:
    try:
        if time.time() - posix.stat(directory).st_mtime > _STAMP:
            posix.utime(directory)
    except OSError:
        pass  # gone meanwhile, or a read-only cache
