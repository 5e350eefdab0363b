"""How starts grow with the module's size and with the number of starts at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks import big_module
from benchmarks.measure import Result, in_turn, spawn, timed, wait
from benchmarks.runtimes import new_id

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from benchmarks.context import Context
    from benchmarks.measure import Task
    from benchmarks.runtimes import Runtime

_MEGABYTES = (1, 4, 16, 64)
_AT_A_TIME = (1, 2, 4, 8)


def measure(context: Context) -> Iterator[Result]:
    """Yield the results."""
    for size in _MEGABYTES:
        yield _module_size(context, size)
    if context.full:
        yield _compiled_module(context, 64)
    hello = context.examples / "hello.wasm"
    subjects = {
        context.crunw: context.bundles.wasm("parallel", hello),
        context.crun: context.bundles.wasm_for_crun("parallel", hello),
    }
    context.warm(subjects[context.crunw])
    for count in _AT_A_TIME:
        tasks = {
            runtime.name: _together(runtime, each, count) for runtime, each in subjects.items()
        }
        yield Result.of_times(
            f"growth/parallel-{count}",
            f"`run`, hello module, {count} at a time",
            in_turn(tasks, context.rounds),
        )


def _module_size(context: Context, megabytes: int) -> Result:
    """The start of a module that nobody has compiled."""
    module = _module(context, megabytes)
    tasks = _tasks(context, context.bundles.wasm(f"{module.stem}-off", module, aot="off"), module)
    title = f"`run`, module of {megabytes} MB, interpreted"
    return Result.of_times(
        f"growth/module-{megabytes}", title, in_turn(tasks, context.few, warmup=1)
    )


def _compiled_module(context: Context, megabytes: int) -> Result:
    """The start from the cache. Compiling takes minutes."""
    module = _module(context, megabytes)
    bundle = context.bundles.wasm(f"{module.stem}-auto", module)
    context.warm(bundle)
    tasks = _tasks(context, bundle, module)
    title = f"`run`, module of {megabytes} MB, from the cache"
    return Result.of_times(
        f"growth/compiled-{megabytes}", title, in_turn(tasks, context.few, warmup=1)
    )


def _module(context: Context, megabytes: int) -> Path:
    module = context.directory / f"module-{megabytes}.wasm"
    if not module.exists():
        big_module.write(module, megabytes * 1_000_000)
    return module


def _tasks(context: Context, bundle: Path, module: Path) -> dict[str, Task]:
    crun_bundle = context.bundles.wasm_for_crun(bundle.name, module)
    return {
        "crunw": lambda: timed(lambda: context.crunw.run(bundle)),
        "crun": lambda: timed(lambda: context.crun.run(crun_bundle)),
    }


def _together(runtime: Runtime, bundle: Path, count: int) -> Task:
    """Start ``count`` at once, wait for all."""

    def start_all() -> None:
        commands = [runtime.command("run", "--bundle", str(bundle), new_id()) for _ in range(count)]
        pids = [spawn(command, runtime.errors) for command in commands]
        for pid, command in zip(pids, commands, strict=True):
            wait(pid, command, runtime.errors)

    return lambda: timed(start_all)
