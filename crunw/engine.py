"""The engines from Python: check, inspect and run WebAssembly modules on this host.

The only module that imports ``crunw._engine``, the C layer of ``csrc/engine``; ``crunw-init`` runs
containers and ``crunw-compiler`` compiles modules with the same layer. Not on the lifecycle path.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from crunw import paths
from crunw.errors import CrunwError, KernelError
from crunw.workload import WASMEDGE

if TYPE_CHECKING:
    from collections.abc import Sequence

paths.enable_site_packages()

from crunw._engine import ffi, lib  # noqa: E402 -- cffi's run-time part is a site package

KINDS = {
    lib.ENGINE_COMMAND: "command",
    lib.ENGINE_REACTOR: "reactor",
    lib.ENGINE_LIBRARY: "library",
}
TRAP_STATUS: int = lib.ENGINE_TRAP_STATUS
_ALL = 0xFFFFFFFF


def _proposals() -> tuple[str, ...]:
    names: list[str] = []
    while (name := lib.engine_proposal(len(names))) != ffi.NULL:
        names.append(ffi.string(name).decode())
    return tuple(names)


PROPOSALS = _proposals()


class External(NamedTuple):
    """An import or an export. ``module`` is ``""`` for an export; ``type`` as ``function``."""

    module: str
    name: str
    type: str


class Inspection(NamedTuple):
    """What a valid module is. ``kind``: ``command``, ``reactor`` or ``library``.

    ``native_code``: it carries code compiled ahead of time, which crunw does not trust.
    """

    kind: str
    native_code: bool
    imports: list[External]
    exports: list[External]


class Limits(NamedTuple):
    """Bounds of a run: pages of 64 KiB for each memory, instructions; 0 means no bound."""

    memory_pages: int = 0
    cost: int = 0


class Result(NamedTuple):
    """How a run ended: the exit status, and why it trapped (``""``: it did not)."""

    status: int
    trap: str


class Engine:
    """An open engine, WasmEdge unless ``name`` is ``wasmtime``.

    ``library`` is a path or a soname, ``stub`` the path of the LLVM stub; without one LLVM itself
    is loaded. Raises :class:`CrunwError` where there is no usable library.
    """

    def __init__(
        self, library: str | None = None, stub: str | None = None, *, name: str = WASMEDGE
    ) -> None:
        error = ffi.new("struct engine_error *")
        self._engine = lib.engine_open(
            name.encode(),
            os.fsencode(library or paths.engine_library()),
            os.fsencode(stub) if stub else ffi.NULL,
            error,
        )
        if self._engine == ffi.NULL:
            raise _failure("", error)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the library."""
        lib.engine_close(self._engine)
        self._engine = ffi.NULL

    @property
    def version(self) -> str:
        """The library's version, as ``0.14.1``."""
        return _text(lib.engine_version(self._engine))

    @property
    def wrong_exceptions(self) -> str:
        """What the interpreter executes wrongly of exception handling: ``catch_all, …``; ``""``."""
        return self._wrong_exceptions(_ALL)

    def wrong_exceptions_of(self, module: int) -> str:
        """:attr:`wrong_exceptions`, of those that an open module uses."""
        return self._wrong_exceptions(lib.engine_used_exceptions(module))

    def _wrong_exceptions(self, used: int) -> str:
        text = ffi.new("char[]", 160)
        lib.engine_wrong_exceptions(self._engine, used, text, 160)
        return _text(text)

    @property
    def uses_stub(self) -> bool:
        """Whether the library runs without LLVM."""
        return bool(lib.engine_uses_stub(self._engine))

    def validate(self, path: str, without: Sequence[str] = ()) -> None:
        """Parse and validate a module; raises :class:`CrunwError` with what is wrong and where.

        ``without``: names of :data:`PROPOSALS` that the module may not use.
        """
        _Module(self, path, Limits(), without).close()

    def inspect(self, path: str) -> Inspection:
        """Say what a module is, imports and exports; raises as :meth:`validate`."""
        with _Module(self, path, Limits()) as module:
            return Inspection(
                KINDS[lib.engine_module_kind(module.pointer)],
                bool(lib.engine_module_has_native_code(module.pointer)),
                _externals(lib.engine_module_imports, module.pointer),
                _externals(lib.engine_module_exports, module.pointer),
            )

    def obstacle(self, path: str) -> str:
        """Say why a valid module would not run as a WASI program; "" where it would.

        Nothing of it is executed. Raises as :meth:`validate`.
        """
        keep = [_strings(list_) for list_ in ((path,), (), ())]
        program = ffi.new("struct engine_program *", [*(strings for strings, _ in keep), ffi.NULL])
        error = ffi.new("struct engine_error *")
        with _Module(self, path, Limits()) as module:
            failed = lib.engine_check(module.pointer, program, error) != 0
            return _text(error.message) if failed else ""

    def run(
        self,
        path: str,
        args: Sequence[str],
        *,
        env: Sequence[str] = (),
        preopens: Sequence[str] = (),
        function: str | None = None,
        limits: Limits = Limits(),  # noqa: B008 -- immutable
        compiled: bool = False,
    ) -> Result:
        """Run a module as a WASI program, on this process's standard streams.

        ``args`` includes ``args[0]``, ``env`` has ``NAME=value``, ``preopens`` has
        ``guest:host[:readonly]``. ``function`` names what to call in a reactor or library.
        ``compiled``: the file is a shared object that ``crunw-compiler`` made of the module; its
        code is trusted. Raises as :meth:`validate`, and where the module lacks what it imports.
        """
        keep = [_strings(list_) for list_ in (args, env, preopens)]
        name = ffi.new("char[]", function.encode()) if function else ffi.NULL
        program = ffi.new("struct engine_program *", [*(strings for strings, _ in keep), name])
        error = ffi.new("struct engine_error *")
        status = ffi.new("uint32_t *")
        with _Module(self, path, limits, compiled=compiled) as module:
            if lib.engine_prepare(module.pointer, program, error) != 0:
                raise _failure(path, error)
            if lib.engine_run(module.pointer, status, error) != 0:
                return Result(TRAP_STATUS, _text(error.message))
            return Result(status[0] & 0xFF, "")


class _Module:
    """A loaded module."""

    def __init__(
        self,
        engine: Engine,
        path: str,
        limits: Limits,
        without: Sequence[str] = (),
        *,
        compiled: bool = False,
    ) -> None:
        options = ffi.new(
            "struct engine_options *",
            [limits.memory_pages, limits.memory_pages, limits.cost, False, _set(without), False],
        )
        error = ffi.new("struct engine_error *")
        opened = engine._engine  # noqa: SLF001 -- the classes of this module are one
        if compiled:
            name = os.fsencode(path)
            self.pointer = lib.engine_load_compiled(opened, name, options, error)
        else:
            fd = _open(path)
            try:
                self.pointer = lib.engine_load(opened, fd, options, error)
            finally:
                os.close(fd)
        if self.pointer == ffi.NULL:
            raise _failure(path, error)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        lib.engine_module_close(self.pointer)


def _set(proposals: Sequence[str]) -> int:
    return sum(1 << PROPOSALS.index(name) for name in set(proposals))


def _open(path: str) -> int:
    try:
        # A FIFO without a writer must not hang the caller.
        return os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    except OSError as error:
        raise KernelError("open", path, error) from None


def _failure(path: str, error: Any) -> CrunwError:
    """Return the exception for an error of the C layer."""
    message = _text(error.message)
    return CrunwError(f"{path}: {message}" if path else message)


def _text(pointer: Any) -> str:
    raw: bytes = ffi.string(pointer)
    return raw.decode(errors="replace")


def _strings(values: Sequence[str]) -> tuple[Any, list[Any]]:
    """Return a NULL-terminated ``char *[]`` and what must live as long as it."""
    keep = [ffi.new("char[]", os.fsencode(value)) for value in values]
    return ffi.new("const char *[]", [*keep, ffi.NULL]), keep


def _externals(function: Any, module: Any) -> list[External]:
    count = function(module, ffi.NULL, 0)
    found = ffi.new("struct engine_external[]", count)
    function(module, found, count)
    return [
        External(
            ffi.string(item.module, item.module_length).decode() if item.module_length else "",
            ffi.string(item.name, item.name_length).decode() if item.name_length else "",
            _text(item.type),
        )
        for item in found
    ]
