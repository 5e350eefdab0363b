"""Find a module's compiled code: what each start of a Wasm container does."""

from __future__ import annotations

import posix
import time

from crunw import directories
from crunw.aot import digest, failures, places, platform
from crunw.aot.options import BEST, FAST, Options
from crunw.workload import WASMEDGE

_STAMP = 3600.0  # s: how exact the time of the last use is


def key_of(module: str, options: Options) -> str:
    """The key of an entry for a module's SHA-256. Raises :class:`crunw.errors.CrunwError`."""
    return _key(module, platform.current(), options)


def _key(module: str, platform_name: str, options: Options) -> str:
    text = f"{module} {platform_name} {options.text()}"
    state = digest.sha256(len(text))
    state.update(text.encode())
    return state.hexdigest()


class Tiers:
    """The entries that a module can have, by level."""

    __slots__ = ("_keys", "level")

    def __init__(self, module: str, *, statistics: bool, engine: str = WASMEDGE) -> None:
        """``module``: its SHA-256; ``statistics``: with counters; ``engine``: that executes it.

        ``level`` is that of the best entry that can be used, ``""``: there is none.
        """
        name = platform.current(engine)
        self._keys = {
            level: _key(module, name, Options(level=level, statistics=statistics))
            for level in (*BEST, FAST)
        }
        self.level = ""

    @property
    def name(self) -> str:
        """What names the module as a whole, in the queue."""
        return self._keys[BEST[0]]

    def key(self, level: str) -> str:
        """The key of the entry of a level."""
        return self._keys[level]

    def keys(self) -> list[str]:
        """The keys of all levels."""
        return [*self._keys.values()]

    def find(self) -> bool:
        """Look for the best entry; False: there is none."""
        self.level = next((level for level, key in self._keys.items() if usable(key)), "")
        return bool(self.level)

    def directory(self) -> str:
        """The directory of the entry found, as a plan's ``engine_artefact`` names it."""
        return places.entry(self._keys[self.level])

    def failure(self) -> str:
        """Why there will be no entry, until something changes; ``""``: nobody has tried yet."""
        found = [failures.read(key) for key in self._keys.values()]
        settled = [failure for failure in found if failure and failure.is_settled()]
        return settled[0].reason if len(settled) == len(self._keys) else ""

    def is_final(self) -> bool:
        """Whether nothing better is to be had than the entry found, or than none."""
        if self.level:
            return self.level in BEST or all(self._is_settled(level) for level in BEST)
        return all(map(self._is_settled, self._keys))

    def _is_settled(self, level: str) -> bool:
        failure = failures.read(self._keys[level])
        return failure is not None and failure.is_settled()


def is_there(key: str) -> bool:
    """Whether there is an entry, without a look at what is in it."""
    return places.has(f"{places.entry(key)}/{places.ARTEFACT}")


def usable(key: str) -> bool:
    """Whether there is an entry, complete and as it was written; a damaged one is dropped.

    All of it is read once a boot, and when the kernel says that it has changed since.
    """
    if directories.problem(places.cache()) or not is_sound(key):
        return False
    _stamp(places.entry(key))
    return True


def is_sound(key: str) -> bool:
    """:func:`usable` of a cache that is ours, without noting that the entry is used."""
    identity = ""
    try:
        identity = places.identity(posix.lstat(f"{places.entry(key)}/{places.ARTEFACT}"))
    except OSError:
        if not places.has(places.entry(key)):
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
