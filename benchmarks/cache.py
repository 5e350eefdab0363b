"""What the cache of compiled modules costs and spares at a start."""

from __future__ import annotations

import itertools
import subprocess
import sys
from typing import TYPE_CHECKING

from benchmarks.big_module import with_custom_section
from benchmarks.measure import Result, in_turn, reap_adopted, timed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.context import Context
    from benchmarks.measure import Task, Timing

# What a start does to find a module's compiled code, in a process that has done nothing else yet.
_LOOKUP = """\
import sys, time
from crunw.lifecycle.create import Request, find_compiled, gather_host
from crunw.oci.load import load
bundle = sys.argv[1]
spec = load(bundle)
host = gather_host(spec, Request("/run/crunw", "lookup", bundle))
start = time.perf_counter()
find_compiled(host, spec, bundle)
print(time.perf_counter() - start)
assert host.artefact
"""
_MILLISECOND = "a millisecond"


def measure(context: Context) -> Iterator[Result]:
    """Yield the results."""
    for name in ("hello", "wasi_example_main"):
        yield _first(context, name, "run")
        yield _first(context, name, "lifecycle")
        yield _warm(context, name)
        yield _lookup(context, name)


def _first(context: Context, name: str, call: str) -> Result:
    """The first start of a new image under `auto` and under `off`."""
    start = getattr(context.crunw, call)
    serial = itertools.count()
    original = (context.examples / f"{name}.wasm").read_bytes()

    def task(policy: str) -> Task:
        def first_start() -> Timing:
            number = next(serial)
            module = context.directory / f"{name}-{call}-{number}.wasm"
            module.write_bytes(with_custom_section(original, f"{call}-{number}".encode()))
            bundle = context.bundles.wasm(f"{name}-{call}-{policy}-{number}", module, [], policy)
            taken = timed(lambda: start(bundle))
            reap_adopted()  # the compiler in the background must not slow down the next sample
            return taken

        return first_start

    samples = in_turn({"crunw": task("auto"), "off": task("off")}, context.rounds)
    return Result.of_times(
        f"cache/first-{call}-{name}", f"`{call}`, {name}, first start, auto / off", samples
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


def _lookup(context: Context, name: str) -> Result:
    """What looking in the cache adds to a start that finds its module there."""
    bundle = context.bundles.wasm(f"{name}-lookup", context.examples / f"{name}.wasm")
    context.warm(bundle)
    command = [sys.executable, "-S", "-P", "-c", _LOOKUP, str(bundle)]
    samples = [
        float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        for _ in range(1 + context.rounds)  # after a boot all of an entry is read first
    ][1:]
    return Result(
        f"cache/lookup-{name}",
        f"looking up {name} in the cache",
        "s",
        {"crunw": samples, _MILLISECOND: [0.001] * len(samples)},
    )
