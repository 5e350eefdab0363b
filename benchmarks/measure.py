"""Time programs beside each other, and say what the figures are worth.

A shared machine drifts: what is compared is run in turn (A B, B A, A B, …), so that a slow second
hits all of it, and the ratio is taken pair by pair.
"""

from __future__ import annotations

import gc
import os
import resource
import signal
import statistics
import sys
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    Task = Callable[[], "Timing"]  # does its work once


class Timing(NamedTuple):
    """What a piece of work took, in s."""

    wall: float
    processor: float  # of all processes that were waited for: what a busy machine changes least


@dataclass
class Result:
    """One workload: what each subject measured, sample by sample.

    ``paired``: the samples of the same index were taken together. ``processor``: processor time
    beside wall time.
    """

    key: str
    title: str
    unit: str
    samples: dict[str, list[float]] = field(default_factory=dict)
    paired: bool = True
    processor: dict[str, list[float]] = field(default_factory=dict)

    @classmethod
    def of_times(cls, key: str, title: str, timings: Mapping[str, Sequence[Timing]]) -> Result:
        """The result of :func:`in_turn`."""
        return cls(
            key,
            title,
            "s",
            {subject: [each.wall for each in all_] for subject, all_ in timings.items()},
            processor={
                subject: [each.processor for each in all_] for subject, all_ in timings.items()
            },
        )

    def median(self, subject: str) -> float:
        """The median of a subject's samples."""
        return statistics.median(self.samples[subject])

    def ratio(self, subject: str, other: str) -> tuple[float, float, float]:
        """``subject`` in terms of ``other``: median, lower and upper quartile of the ratios.

        Of pairs where there are some; else the ratio of the medians alone.
        """
        if self.paired:
            return _ratio_of_pairs(self.samples[subject], self.samples[other])
        ratio = self.median(subject) / self.median(other)
        return ratio, ratio, ratio

    def processor_ratio(self, subject: str, other: str) -> tuple[float, float, float]:
        """The same of the processor times. Raises KeyError where none were taken."""
        return _ratio_of_pairs(self.processor[subject], self.processor[other])


def _ratio_of_pairs(mine: Sequence[float], theirs: Sequence[float]) -> tuple[float, float, float]:
    ratios = [one / other for one, other in zip(mine, theirs, strict=True)]
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
    return os.posix_spawn(argv[0], list(argv), os.environ, file_actions=actions)


def wait(pid: int, argv: Sequence[str], errors: str = "/dev/null") -> None:
    """Wait for a child. Raises RuntimeError with what it wrote when it did not end with 0."""
    _, status = os.waitpid(pid, 0)
    if status != 0:
        code = os.waitstatus_to_exitcode(status)
        with open(errors, encoding="utf-8", errors="replace") as file:
            last = file.read()[-2000:]
        raise RuntimeError(f"{' '.join(argv)}: exit status {code}\n{last}")


def run(argv: Sequence[str], errors: str = "/dev/null") -> None:
    """Run a program to its end, which is asked for when this is interrupted.

    Raises RuntimeError when it fails.
    """
    pid = spawn(argv, errors)
    try:
        wait(pid, argv, errors)
    except KeyboardInterrupt:
        os.kill(pid, signal.SIGTERM)
        os.waitpid(pid, 0)
        raise


def reap_adopted() -> None:
    """Wait for all children, those included that others have left to this subreaper."""
    try:
        while True:
            os.wait()
    except ChildProcessError:
        pass


def timed(work: Callable[[], object]) -> Timing:
    """What a call takes, with the children that it waits for and their children."""
    processor = _children()
    start = time.perf_counter()
    work()
    return Timing(time.perf_counter() - start, _children() - processor)


def _children() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def in_turn(
    tasks: Mapping[str, Task], rounds: int, *, warmup: int = 2, pause: float = 0.0
) -> dict[str, list[Timing]]:
    """Run the tasks in turn; returns each one's timings.

    Every other round goes backwards, so that none always follows the same one. ``pause`` is slept
    before every sample, in s. The first ``warmup`` rounds are not counted.
    """
    samples: dict[str, list[Timing]] = {name: [] for name in tasks}
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
