"""Core modules that libwasmedge executes wrongly, and wasmtime does not (``docs/engine.md``)."""

from __future__ import annotations

import posix

from crunw.aot import places, platform
from crunw.aot.engines import wasmtime_library
from crunw.aot.estimate import has_tags
from crunw.errors import CrunwError
from crunw.paths import engine_stub

_RIGHT = "right"  # in a note, where nothing is executed wrongly
_OLD = "the old "  # what wasmtime does not execute at all begins so


def better_by_wasmtime(module: int) -> str:
    """What WasmEdge executes wrongly of the exceptions of an open core module; ``""``: nothing, or
    wasmtime can't help. Finding it out takes some 20 ms, once for a file with a tag section.

    Raises :class:`CrunwError` where wasmtime could help, and is not where the configuration says.
    """
    try:
        if not has_tags(module):
            return ""
    except OSError:
        return ""  # whoever opens it next says why
    try:
        library = wasmtime_library()
    except CrunwError:
        if _wrong(module):
            raise
        return ""
    return _wrong(module) if library else ""


def _wrong(module: int) -> str:
    """What WasmEdge executes wrongly, and wasmtime does not."""
    try:
        name = f"{places.identity(posix.fstat(module))}-{platform.current()}"
        found = places.read(places.note("exceptions", name))
        if not found:
            found = _find_out(module) or _RIGHT
            places.write_note("exceptions", name, found)
    except (CrunwError, OSError):
        return ""  # whoever opens it next says why
    return "" if found == _RIGHT or _OLD in found else found


def _find_out(module: int) -> str:
    from crunw.engine import Engine

    with Engine(stub=engine_stub() or None) as engine:
        found: str = engine.wrong_exceptions_of(module)
        return found
