"""What the cache of compiled modules costs and spares at a start."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from benchmarks.big_module import with_custom_section
from benchmarks.measure import Result, in_turn, reap_adopted, timed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.context import Context
    from benchmarks.measure import Task, Timing


def measure(context: Context) -> Iterator[Result]:
    """Yield the results."""
    for name in ("hello", "wasi_example_main"):
        yield _first(context, name)
        yield _warm(context, name)


def _first(context: Context, name: str) -> Result:
    """The first start of a new image under `auto` and under `off`."""
    serial = itertools.count()
    original = (context.examples / f"{name}.wasm").read_bytes()

    def task(policy: str) -> Task:
        def first_start() -> Timing:
            number = next(serial)
            module = context.directory / f"{name}-{number}.wasm"
            module.write_bytes(with_custom_section(original, b"%d" % number))
            bundle = context.bundles.wasm(f"{name}-{policy}-{number}", module, ["50000000"], policy)
            taken = timed(lambda: context.crunw.run(bundle))
            reap_adopted()  # the compiler in the background must not slow down the next sample
            return taken

        return first_start

    samples = in_turn({"crunw": task("auto"), "off": task("off")}, context.rounds)
    return Result.of_times(
        f"cache/first-{name}", f"`run`, {name}, first start, auto / off", samples
    )


def _warm(context: Context, name: str) -> Result:
    """A start from the cache beside one that does not look there."""
    module = context.examples / f"{name}.wasm"
    auto = context.bundles.wasm(f"{name}-warm-auto", module, ["50000000"], "auto")
    off = context.bundles.wasm(f"{name}-warm-off", module, ["50000000"], "off")
    context.warm(auto)
    tasks: dict[str, Task] = {
        "crunw": lambda: timed(lambda: context.crunw.run(auto)),
        "off": lambda: timed(lambda: context.crunw.run(off)),
    }
    samples = in_turn(tasks, context.rounds)
    return Result.of_times(f"cache/warm-{name}", f"`run`, {name}, from the cache / off", samples)
