"""What a module is: its outer structure, and what the engine says of it."""

from __future__ import annotations

import json
import os
from resource import RLIMIT_AS, RLIMIT_CORE, RLIMIT_CPU, setrlimit
from typing import TYPE_CHECKING

from crunw import paths
from crunw.aot.engines import ADVICE, wasmtime_library
from crunw.aot.exceptions import better_by_wasmtime
from crunw.engine import PROPOSALS, Engine
from crunw.errors import CrunwError, KernelError
from crunw.files import is_special
from crunw.workload import WASM_MAGIC, WASMEDGE, WASMTIME, is_component

if TYPE_CHECKING:
    from typing import Any, NoReturn

_HEADER = len(WASM_MAGIC) + 4  # and version
_NAMES = (
    "custom", "type", "import", "function", "table", "memory", "global", "export", "start",
    "element", "code", "data", "data count", "tag",
)  # fmt: skip
# The proposals that include another: a module may use this one's instructions by any of them.
_INCLUDED_IN = {
    "bulk-memory": ("reference-types", "function-references", "gc"),
    "reference-types": ("function-references", "gc"),
    "function-references": ("gc",),
    "simd": ("relaxed-simd",),
}


_SECONDS = 60  # of processor time, for a module of whatever size
_MEMORY = (
    4 << 30
)  # bytes of the address space, which has the library too, and for each of the module's:
_GROWTH = 64

_NO_WASMTIME = f"wasmtime runs components, and is not on this node ({ADVICE})"


def examine(path: str) -> dict[str, Any]:
    """Return what ``crunw inspect --json`` prints. Raises :class:`CrunwError`.

    Of a component only size and kind are known where there is no wasmtime. The engine
    works in a process of its own, with limits: a module may be made to exhaust it.
    """
    if is_special(path):
        raise CrunwError(f"{path}: not a regular file")
    output, pipe = os.pipe()
    child = os.fork()
    if child == 0:
        _examine_apart(path, pipe)
    os.close(pipe)
    with open(output, "rb") as file:
        text = file.read()
    _, status = os.waitpid(child, 0)
    if status or not text:
        code = os.waitstatus_to_exitcode(status)
        how = f"killed by signal {-code}" if code < 0 else f"exit status {code}"
        raise CrunwError(
            f"{path}: the engine has not come to an end with this module: {how}"
            f" (it may use {_SECONDS} s, and {_MEMORY >> 30} GiB of memory)"
        )
    found: dict[str, Any] = json.loads(text)
    if "error" in found:
        raise CrunwError(found["error"])
    return found


def _examine_apart(path: str, pipe: int) -> NoReturn:
    """In the child: write what is found, or the error, to the pipe."""
    try:
        size = os.path.getsize(path) if os.path.isfile(path) else 0
        memory = _MEMORY + _GROWTH * size
        for limit, value in ((RLIMIT_CPU, _SECONDS), (RLIMIT_AS, memory), (RLIMIT_CORE, 0)):
            setrlimit(limit, (value, value))
        # The C++ library's last words are not for people.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
        try:
            found = _examine(path)
        except CrunwError as error:
            found = {"error": str(error)}
        with open(pipe, "w", encoding="utf-8", errors="surrogateescape") as file:
            json.dump(found, file)
    finally:
        os._exit(0)


def _examine(path: str) -> dict[str, Any]:
    try:
        with open(path, "rb") as file:
            data = file.read()
    except OSError as error:
        raise KernelError("open", path, error) from None
    if is_component(data):
        return _examine_component(path, data)
    with Engine(stub=paths.engine_stub() or None) as engine:
        found = engine.inspect(path)
        document = _document(path, data, found.kind)
        document["aot"] = found.native_code
        document["imports"] = [item._asdict() for item in found.imports]
        document["exports"] = [{"name": item.name, "type": item.type} for item in found.exports]
        document["proposals"] = proposals(engine, path)
        document["sections"] = sections(data)
        document["obstacle"] = engine.obstacle(path)
    if document["obstacle"]:
        _try_wasmtime(path, document)
    return document


def _try_wasmtime(path: str, document: dict[str, Any]) -> None:
    """Whether a core module is one that the other engine executes, and WasmEdge wrongly."""
    try:
        with open(path, "rb") as file:
            if not better_by_wasmtime(file.fileno()):
                return
    except CrunwError as error:
        document["obstacle"] = str(error)
        return
    document["engine"] = WASMTIME
    with Engine(wasmtime_library(), name=WASMTIME) as engine:
        document["obstacle"] = engine.obstacle(path)


def _examine_component(path: str, data: bytes) -> dict[str, Any]:
    document = _document(path, data, "component")
    document["engine"] = WASMTIME
    library = wasmtime_library()
    if not library:
        document["obstacle"] = _NO_WASMTIME
        return document
    with Engine(library, name=WASMTIME) as engine:
        found = engine.inspect(path)
        document["imports"] = [{"name": item.name, "type": item.type} for item in found.imports]
        document["exports"] = [{"name": item.name, "type": item.type} for item in found.exports]
        document["obstacle"] = engine.obstacle(path)
    return document


def _document(path: str, data: bytes, kind: str) -> dict[str, Any]:
    return {
        "path": os.fspath(path),
        "size": len(data),
        "kind": kind,
        "engine": WASMEDGE,
        "aot": False,
        "proposals": [],
        "imports": [],
        "exports": [],
        "sections": [],
        "obstacle": "",
    }


def proposals(engine: Engine, path: str) -> list[str]:
    """The proposals without which a valid module is not valid.

    Asked of the engine itself, which knows every instruction: a proposal is used when the module
    is refused without it and those that include it. Half of them are tried at a time.
    """
    return [name for name in PROPOSALS if name in set(_used(engine, path, PROPOSALS))]


def _used(engine: Engine, path: str, candidates: tuple[str, ...]) -> list[str]:
    without = set(candidates) | {
        other for name in candidates for other in _INCLUDED_IN.get(name, ())
    }
    try:
        engine.validate(path, tuple(without))
    except CrunwError:
        if len(candidates) == 1:
            return list(candidates)
        half = len(candidates) // 2
        return [
            *_used(engine, path, candidates[:half]),
            *_used(engine, path, candidates[half:]),
        ]
    return []


def sections(data: bytes) -> list[dict[str, Any]]:
    """Name, offset of the content and size, in bytes, of each section of a valid module."""
    found = []
    at = _HEADER
    while at < len(data):
        number = data[at]
        size, start = _leb128(data, at + 1)
        name = _NAMES[number] if number < len(_NAMES) else str(number)
        if number == 0:
            length, begin = _leb128(data, start)
            title = data[begin : begin + length].decode(errors="replace")
            name = f"custom {title!r}"
        found.append({"name": name, "offset": start, "size": size})
        at = start + size
    return found


def _leb128(data: bytes, at: int) -> tuple[int, int]:
    """An unsigned number and where it ends (WebAssembly core specification, 5.2.2)."""
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
