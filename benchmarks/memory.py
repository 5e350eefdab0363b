"""Memory of idle Wasm containers: one, and many at once."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from benchmarks.measure import Result, say, timed

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from benchmarks.context import Context
    from benchmarks.runtimes import Container, Runtime

_FIELDS = {"Private_Dirty": "private dirty", "Pss": "proportional (PSS)", "Rss": "resident (RSS)"}
_INTERVAL = 0.1  # s: from one start to the next
_SETTLE = 0.3  # s: what a module allocates, it has allocated by then


def measure(context: Context) -> Iterator[Result]:
    """Yield the results: bytes per container."""
    pause = context.examples / "pause.wasm"
    subjects = {
        context.crunw: context.bundles.wasm("pause", pause),
        context.crun: context.bundles.wasm_for_crun("pause", pause),
    }
    yield from one_idle(context, subjects)
    for count in (10, 100, *((1000,) if context.full else ())):
        yield from many_idle(count, subjects)


def one_idle(
    context: Context, subjects: dict[Runtime, Path], group: str = "memory"
) -> Iterator[Result]:
    """What one container takes, of several measured one by one."""
    results = [
        Result(f"{group}/{field}", f"{title} of an idle container", "B")
        for field, title in _FIELDS.items()
    ]
    for _ in range(context.few):
        for runtime, bundle in subjects.items():
            (container,) = _start(runtime, bundle, 1)
            time.sleep(_SETTLE)
            rollup = _rollup(container.pid)
            container.remove()
            for field, result in zip(_FIELDS, results, strict=True):
                result.samples.setdefault(runtime.name, []).append(rollup[field])
    yield from results


def many_idle(count: int, subjects: dict[Runtime, Path], group: str = "memory") -> Iterator[Result]:
    """What each of many takes, and how long the last of them took to start."""
    title = f"PSS per container, {count} of them"
    memory = Result(f"{group}/Pss-{count}", title, "B", paired=False)
    starts = Result(
        f"{group}/start-{count}",
        f"`create` and `start` beside up to {count} containers",
        "s",
        paired=False,
    )
    steady = Result(
        f"{group}/steady-{count}",
        f"`create` and `start`: the last tenth of {count} beside the first",
        "s",
        paired=False,
    )
    tenth = max(10, count // 10)
    for runtime, bundle in subjects.items():
        say(f"  {count} containers of {runtime.name}")
        times: list[float] = []
        containers = _start(runtime, bundle, count, times)
        time.sleep(_SETTLE)
        memory.samples[runtime.name] = [_rollup(each.pid)["Pss"] for each in containers]
        starts.samples[runtime.name] = times[-tenth:]
        if runtime.name == "crunw":
            steady.samples = {"crunw": times[-tenth:], "first": times[:tenth]}
        for container in containers:
            container.remove()
    yield memory
    yield starts
    if count > tenth:
        yield steady


def _start(
    runtime: Runtime, bundle: Path, count: int, times: list[float] | None = None
) -> list[Container]:
    """Start containers, at most one per ``_INTERVAL``; ``times`` gets what each took, in s."""
    containers: list[Container] = []

    def start_one() -> None:
        container = runtime.create(bundle)
        containers.append(container)
        container.start()

    for _ in range(count):
        taken = timed(start_one)
        if times is not None:
            times.append(taken.wall)
        time.sleep(max(0.0, _INTERVAL - taken.wall))
    return containers


def _rollup(pid: int) -> dict[str, float]:
    """The sums over a process's mappings in bytes (proc_pid_smaps(5))."""
    with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:
        lines = [line.split() for line in file][1:]
    return {words[0].rstrip(":"): float(words[1]) * 1024 for words in lines}
