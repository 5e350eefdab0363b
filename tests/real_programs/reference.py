"""Run a WASI module by wasmtime, in the current directory: ``reference.py MODULE ARGUMENT…``."""

from __future__ import annotations

import os
import sys

import wasmtime  # a package of its own environment, see sources.py


def main() -> int:
    config = wasmtime.Config()
    config.wasm_exceptions = True
    config.cache = True
    engine = wasmtime.Engine(config)
    linker = wasmtime.Linker(engine)
    linker.define_wasi()
    store = wasmtime.Store(engine)
    wasi = wasmtime.WasiConfig()
    wasi.argv = ["/program.wasm", *sys.argv[2:]]
    wasi.env = list(os.environ.items())
    wasi.inherit_stdin()
    wasi.inherit_stdout()
    wasi.inherit_stderr()
    wasi.preopen_dir(".", "/")
    store.set_wasi(wasi)
    module = wasmtime.Module.from_file(engine, sys.argv[1])
    start = linker.instantiate(store, module).exports(store)["_start"]
    try:
        start(store)
    except wasmtime.ExitTrap as end:
        return int(end.code)
    return 0


sys.exit(main())
