"""Components: their start beside a core module's, their work beside the Python package wasmtime,
and what idle ones take.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.measure import Result, in_turn, run, timed
from benchmarks.memory import many_idle, one_idle

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.context import Context
    from benchmarks.measure import Task

_GROUP = "components"
_MIB = 1 << 20
_LIMITS = {"Private_Dirty": 3.0, "Pss-100": 1.5}  # MiB, as benchmarks/targets.py has them
_WORKLOADS = {"nbody_rust": "25000000", "sha256_rust": "400", "json_rust": "30"}  # as in cpu.py
_PEER = str(Path(__file__).with_name("wasmtime_package.py"))


def measure(context: Context) -> Iterator[Result]:
    """Yield the results."""
    yield _start(context)
    for name, argument in _WORKLOADS.items():
        yield _work(context, name, argument)
    yield from _memory(context)


def _start(context: Context) -> Result:
    """`run` from the cache of a component, of a core module of the same kind; the package's."""
    hello = context.examples / "component_hello.wasm"
    tasks = {
        "crunw": _in_container(context, "component-hello", hello),
        "module": _in_container(context, "module-hello", context.examples / "hello.wasm"),
        "wasmtime": _in_package(context, "hello", hello),
    }
    return Result.of_times(
        f"{_GROUP}/run", "`run`, hello component", in_turn(tasks, context.rounds)
    )


def _work(context: Context, name: str, argument: str) -> Result:
    component = context.programs / f"{name}.component.wasm"
    tasks = {
        "crunw": _in_container(context, f"component-{name}", component, argument),
        "wasmtime": _in_package(context, name, component, argument),
    }
    samples = in_turn(tasks, context.few, warmup=1)
    return Result.of_times(f"{_GROUP}/cpu-{name}", f"{name} {argument}, component", samples)


def _memory(context: Context) -> Iterator[Result]:
    component = context.programs / "idle_rust.component.wasm"
    bundle = context.bundles.wasm("component-idle", component)
    context.warm(bundle)
    subjects = {context.crunw: bundle}
    for results in (one_idle(context, subjects, _GROUP), many_idle(100, subjects, _GROUP)):
        for result in results:
            if limit := _LIMITS.get(result.key.removeprefix(f"{_GROUP}/")):
                count = len(result.samples["crunw"])
                result.samples[f"{limit:g} MiB"] = [limit * _MIB] * count
            yield result


def _in_container(context: Context, name: str, program: Path, *arguments: str) -> Task:
    """`crunw run` from the cache."""
    bundle = context.bundles.wasm(name, program, arguments)
    context.warm(bundle)
    return lambda: timed(lambda: context.crunw.run(bundle))


def _in_package(context: Context, name: str, component: Path, *arguments: str) -> Task:
    """The Python package with code that it has compiled before."""
    code = str(context.directory / f"{name}.cwasm")
    run([sys.executable, _PEER, "compile", str(component), code])
    return lambda: timed(lambda: run([sys.executable, _PEER, "run", code, *arguments]))
