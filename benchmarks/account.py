"""Where the time of `run` of a native `true` goes: what takes a part of the same way, beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks import measure as measuring
from benchmarks.measure import Result, in_turn, timed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from benchmarks.context import Context
    from benchmarks.measure import Task

# As the launcher starts it (csrc/launcher).
_INTERPRETER = ("/usr/bin/python3", "-I", "-S", "-c", "pass")


def measure(context: Context) -> Iterator[Result]:
    """Yield the result. ``crun`` is its whole `run`; each of the others holds the one before."""
    bundle = context.bundles.native("account", context.programs / "exit0")
    plan = (context.crunw.program, "plan", "--bundle", str(bundle))
    tasks: dict[str, Task] = {
        "crun": _task(lambda: context.crun.run(bundle)),
        "program": _task(lambda: measuring.run((str(context.programs / "exit0"),))),
        "interpreter": _task(lambda: measuring.run(_INTERPRETER)),
        "plan": _task(lambda: measuring.run(plan)),
        "crunw": _task(lambda: context.crunw.run(bundle)),
    }
    samples = in_turn(tasks, 4 * context.rounds)
    yield Result.of_times("account/run-native", "`run`, static native `true`, by parts", samples)


def _task(work: Callable[[], None]) -> Task:
    return lambda: timed(work)
