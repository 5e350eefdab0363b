"""What the walls around a module cost that can be taken down: its list of system calls, and procfs
read only. The others (capabilities, the sealed process) stand in both.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from benchmarks.measure import Result, in_turn, timed
from benchmarks.memory import one_idle

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from benchmarks.context import Context
    from benchmarks.measure import Task

_GROUP = "walls"


def measure(context: Context) -> Iterator[Result]:
    """Yield the results."""
    without = dataclasses.replace(context.crunw, name="without")
    for verb in ("run", "lifecycle"):
        bundle = context.bundles.wasm(f"{_GROUP}-{verb}", context.examples / "hello.wasm")
        context.warm(bundle)
        tasks = {
            "crunw": _task(getattr(context.crunw, verb), bundle),
            "without": _task(getattr(without, verb), context.bundles.without_walls(bundle)),
        }
        samples = in_turn(tasks, 4 * context.rounds)
        yield Result.of_times(f"{_GROUP}/{verb}", f"`{verb}`, hello module", samples)
    idle = context.bundles.wasm(f"{_GROUP}-idle", context.examples / "pause.wasm")
    subjects = {context.crunw: idle, without: context.bundles.without_walls(idle)}
    yield from one_idle(context, subjects, _GROUP)


def _task(call: Callable[[Path], None], bundle: Path) -> Task:
    return lambda: timed(lambda: call(bundle))
