"""Time programs beside each other, and say what the figures are worth.

A shared machine drifts: what is compared is run in turn (A B, B A, A B, …), so that a slow second
hits all of it, and the ratio is taken pair by pair.
"""

from __future__ import annotations

import gc
import os
import statistics
import sys
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    Task = Callable[[], float]  # does its work once, returns what it measured


@dataclass
class Result:
    """One workload: what each subject measured, sample by sample.

    ``paired``: the samples of the same index were taken together.
    """

    key: str
    title: str
    unit: str
    samples: dict[str, list[float]] = field(default_factory=dict)
    paired: bool = True

    def median(self, subject: str) -> float:
        """The median of a subject's samples."""
        return statistics.median(self.samples[subject])

    def ratio(self, subject: str, other: str) -> tuple[float, float, float]:
        """``subject`` in terms of ``other``: median, lower and upper quartile of the ratios.

        Of pairs where there are some; else the ratio of the medians alone.
        """
        if self.paired:
            ratios = [
                mine / theirs
                for mine, theirs in zip(self.samples[subject], self.samples[other], strict=True)
            ]
        else:
            ratios = [self.median(subject) / self.median(other)]
        return statistics.median(ratios), *quartiles(ratios)


def quartiles(values: Sequence[float]) -> tuple[float, float]:
    """Lower and upper quartile; of a single value, itself."""
    if len(values) < 2:
        return values[0], values[0]
    lower, _, upper = statistics.quantiles(values, n=4, method="inclusive")
    return lower, upper


def spawn(argv: Sequence[str], errors: str = "/dev/null") -> int:
    """Start a program without a shell or a fork of this process; returns its pid.

    Standard input and output are /dev/null, standard error is appended to the file ``errors``.
    """
    actions = [
        (os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDONLY, 0),
        (os.POSIX_SPAWN_OPEN, 1, "/dev/null", os.O_WRONLY, 0),
        (os.POSIX_SPAWN_OPEN, 2, errors, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600),
    ]
    return os.posix_spawn(argv[0], argv, os.environ, file_actions=actions)


def wait(pid: int, argv: Sequence[str], errors: str = "/dev/null") -> None:
    """Wait for a child. Raises RuntimeError with what it wrote when it did not end with 0."""
    _, status = os.waitpid(pid, 0)
    if status != 0:
        code = os.waitstatus_to_exitcode(status)
        with open(errors, encoding="utf-8", errors="replace") as file:
            last = file.read()[-2000:]
        raise RuntimeError(f"{' '.join(argv)}: exit status {code}\n{last}")


def run(argv: Sequence[str], errors: str = "/dev/null") -> None:
    """Run a program to its end. Raises RuntimeError when it fails."""
    wait(spawn(argv, errors), argv, errors)


def timed(work: Callable[[], object]) -> float:
    """Wall time of a call, in s."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def in_turn(
    tasks: Mapping[str, Task], rounds: int, *, warmup: int = 2, pause: float = 0.0
) -> dict[str, list[float]]:
    """Run the tasks in turn; returns each one's samples.

    Every other round goes backwards, so that none always follows the same one. ``pause`` is slept
    before every sample, in s. The first ``warmup`` rounds are not counted.
    """
    samples: dict[str, list[float]] = {name: [] for name in tasks}
    order = list(tasks)
    gc.collect()
    gc.disable()
    for number in range(-warmup, rounds):
        for name in order:
            time.sleep(pause)
            value = tasks[name]()
            if number >= 0:
                samples[name].append(value)
        order.reverse()
    gc.enable()
    return samples


def say(text: str) -> None:
    """Tell on standard error what is being done."""
    print(text, file=sys.stderr, flush=True)
