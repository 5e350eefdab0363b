"""Run a WASI module or component by wasmtime, in the current directory.

``reference.py MODULE NAME ARGUMENT…``. Its code is kept beside the module.
``reference.py MODULE`` makes it and runs nothing.
"""

from __future__ import annotations

import os
import sys
from importlib.metadata import version
from pathlib import Path

import wasmtime.component  # a package of its own environment, see sources.py

RUN = "wasi:cli/run@0.2."
Program = wasmtime.Module | wasmtime.component.Component


def main() -> int:
    config = wasmtime.Config()
    config.wasm_exceptions = True
    engine = wasmtime.Engine(config)
    module = load(engine, Path(sys.argv[1]))
    if not sys.argv[2:]:
        return 0
    store = wasmtime.Store(engine)
    wasi = wasmtime.WasiConfig()
    wasi.argv = sys.argv[2:]
    wasi.env = list(os.environ.items())
    wasi.inherit_stdin()
    wasi.inherit_stdout()
    wasi.inherit_stderr()
    wasi.preopen_dir(".", "/")
    store.set_wasi(wasi)
    try:
        if isinstance(module, wasmtime.component.Component):
            return run_component(store, module)
        linker = wasmtime.Linker(engine)
        linker.define_wasi()
        linker.instantiate(store, module).exports(store)["_start"](store)
    except wasmtime.ExitTrap as end:
        return int(end.code)
    return 0


def run_component(store: wasmtime.Store, component: wasmtime.component.Component) -> int:
    linker = wasmtime.component.Linker(store.engine)
    linker.add_wasip2()
    instance = linker.instantiate(store, component)
    [name] = (name for name in component.type.exports(store.engine) if name.startswith(RUN))
    interface = instance.get_export_index(store, name)
    run = instance.get_func(store, instance.get_export_index(store, "run", interface))
    return 0 if run(store).tag == "ok" else 1


def load(engine: wasmtime.Engine, path: Path) -> Program:
    code = path.with_suffix(f".wasmtime-{version('wasmtime')}")
    is_component = path.read_bytes()[4:8] == b"\x0d\0\x01\0"
    kind = wasmtime.component.Component if is_component else wasmtime.Module
    try:
        return kind.deserialize_file(engine, str(code))
    except wasmtime.WasmtimeError:  # it is not there, or for another processor
        program = kind.from_file(engine, str(path))
        new = code.with_suffix(".new")
        new.write_bytes(program.serialize())
        new.rename(code)
        return program


sys.exit(main())
