"""Run a WASI module by wasmtime, in the current directory: ``reference.py MODULE NAME ARGUMENT…``.

Its code is kept beside the module. ``reference.py MODULE`` makes it and runs nothing.
"""

from __future__ import annotations

import os
import sys
from importlib.metadata import version
from pathlib import Path

import wasmtime  # a package of its own environment, see sources.py


def main() -> int:
    config = wasmtime.Config()
    config.wasm_exceptions = True
    engine = wasmtime.Engine(config)
    module = load(engine, Path(sys.argv[1]))
    if not sys.argv[2:]:
        return 0
    linker = wasmtime.Linker(engine)
    linker.define_wasi()
    store = wasmtime.Store(engine)
    wasi = wasmtime.WasiConfig()
    wasi.argv = sys.argv[2:]
    wasi.env = list(os.environ.items())
    wasi.inherit_stdin()
    wasi.inherit_stdout()
    wasi.inherit_stderr()
    wasi.preopen_dir(".", "/")
    store.set_wasi(wasi)
    start = linker.instantiate(store, module).exports(store)["_start"]
    try:
        start(store)
    except wasmtime.ExitTrap as end:
        return int(end.code)
    return 0


def load(engine: wasmtime.Engine, path: Path) -> wasmtime.Module:
    code = path.with_suffix(f".wasmtime-{version('wasmtime')}")
    try:
        return wasmtime.Module.deserialize_file(engine, str(code))
    except wasmtime.WasmtimeError:  # it is not there, or for another processor
        module = wasmtime.Module.from_file(engine, str(path))
        new = code.with_suffix(".new")
        new.write_bytes(module.serialize())
        new.rename(code)
        return module


sys.exit(main())
