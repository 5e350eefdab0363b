"""A component by the Python package wasmtime: `compile COMPONENT CODE`, `run CODE ARGUMENT…`."""

from __future__ import annotations

import sys
from pathlib import Path

from wasmtime import Engine, Store, WasiConfig, component

_RUN = "wasi:cli/run@0.2."


def compile_component(source: str, code: str) -> None:
    """Write what the package makes of a component."""
    made = component.Component.from_file(Engine(), source)
    Path(code).write_bytes(made.serialize())


def run_component(code: str, *arguments: str) -> None:
    """Run it as a command, with standard output."""
    engine = Engine()
    program = component.Component.deserialize_file(engine, code)
    linker = component.Linker(engine)
    linker.add_wasip2()
    store = Store(engine)
    wasi = WasiConfig()
    wasi.argv = [code, *arguments]
    wasi.inherit_stdout()
    wasi.inherit_stderr()
    store.set_wasi(wasi)
    instance = linker.instantiate(store, program)
    (name,) = [name for name in program.type.exports(engine) if name.startswith(_RUN)]
    interface = instance.get_export_index(store, name)
    function = instance.get_func(store, instance.get_export_index(store, "run", interface))
    function(store)


if __name__ == "__main__":
    {"compile": compile_component, "run": run_component}[sys.argv[1]](*sys.argv[2:])
