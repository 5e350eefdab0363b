"""Work of a processor: the start from compiled code beside crun on the same image, beside
`wasmedge` with a compiled module, and beside native code of the same source.
"""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from benchmarks.measure import Result, in_turn, run, timed

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from benchmarks.context import Context
    from benchmarks.measure import Task

# An argument that takes native code about a second, so that the start is a small part of it, and
# one that takes an interpreter 10 to 30 s.
_WORKLOADS = {
    "nbody": ("25000000", "4000000"),
    "fannkuch": ("11", "10"),
    "mandelbrot": ("5000", "2000"),
    "sha256": ("400", "40"),
    "json": ("40", "5"),
    "nbody_rust": ("25000000", "4000000"),
    "sha256_rust": ("400", "40"),
    "json_rust": ("30", "5"),
}


def measure(context: Context) -> Iterator[Result]:
    """Yield the results."""
    for name, (argument, _) in _WORKLOADS.items():
        yield _beside_compiled(context, name, argument)
    for name, (_, argument) in _WORKLOADS.items():
        yield _beside_crun(context, name, argument)


def _beside_compiled(context: Context, name: str, argument: str) -> Result:
    """`crunw run` of the unmodified module, `wasmedge` of a compiled one, the native program."""
    module, native = context.programs / f"{name}.wasm", context.programs / name
    wasmedge = str(shutil.which("wasmedge"))
    compiled = context.directory / f"{name}.aot.wasm"
    run([wasmedge, "compile", str(module), str(compiled)])
    tasks: dict[str, Task] = {
        "crunw": _in_container(context, name, module, argument),
        "wasmedge": lambda: timed(lambda: run([wasmedge, str(compiled), argument])),
        "native": lambda: timed(lambda: run([str(native), argument])),
    }
    title = f"{name} {argument}, compiled"
    samples = in_turn(tasks, context.few, warmup=1)
    return Result.of_times(f"cpu/compiled-{name}", title, samples)


def _beside_crun(context: Context, name: str, argument: str) -> Result:
    """The same image on its second start: crun interprets it."""
    module = context.programs / f"{name}.wasm"
    crun_bundle = context.bundles.wasm_for_crun(f"{name}-{argument}", module, [argument])
    tasks: dict[str, Task] = {
        "crunw": _in_container(context, f"{name}-image", module, argument),
        "crun": lambda: timed(lambda: context.crun.run(crun_bundle)),
    }
    samples = in_turn(tasks, context.fewest, warmup=0)
    title = f"{name} {argument}, second start of an image"
    return Result.of_times(f"cpu/image-{name}", title, samples)


def _in_container(context: Context, name: str, module: Path, argument: str) -> Task:
    """`crunw run` from the cache, by the default policy."""
    bundle = context.bundles.wasm(name, module, [argument])
    context.warm(bundle)
    return lambda: timed(lambda: context.crunw.run(bundle))
