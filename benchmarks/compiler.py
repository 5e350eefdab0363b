"""`crunw compile` beside `wasmedge compile`: the same output, as each does it by default."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from benchmarks import big_module
from benchmarks.measure import Result, in_turn, run, timed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.context import Context
    from benchmarks.measure import Task


def measure(context: Context) -> Iterator[Result]:
    """Yield the results."""
    generated = context.directory / "generated.wasm"
    big_module.write(generated, 1_000_000)
    modules = (
        (context.examples / "hello.wasm", context.rounds),
        (context.examples / "wasi_example_main.wasm", context.few),
        (context.programs / "json_rust.wasm", context.few),
        (generated, context.fewest),
    )
    wasmedge = str(shutil.which("wasmedge"))
    output = str(context.directory / "output.wasm")
    for module, rounds in modules:
        ours = [context.crunw.program, "compile", "-o", output, str(module)]
        theirs = [wasmedge, "compile", str(module), output]
        tasks: dict[str, Task] = {"crunw": _task(ours), "wasmedge": _task(theirs)}
        size = module.stat().st_size / 1000
        yield Result.of_times(
            f"compiler/{module.stem}",
            f"compile {module.name} ({size:.3g} kB)",
            in_turn(tasks, rounds, warmup=1),
        )


def _task(command: list[str]) -> Task:
    return lambda: timed(lambda: run(command))
