"""The project's targets: what a ratio of one run should be."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from benchmarks.measure import Result


@dataclass(frozen=True)
class Target:
    """At most ``limit`` times what ``other`` needs.

    ``key`` is a result's, or ends in ``*``: the geometric mean of all that begin so.
    """

    title: str
    key: str
    other: str
    limit: float
    subject: str = "crunw"


TARGETS = (
    Target("`run`, hello module", "start/run-wasm", "crun", 0.4),
    Target("lifecycle, hello module", "start/lifecycle-wasm", "crun", 0.6),
    Target("`run`, native `true`", "start/run-native", "crun", 2.0),
    Target("lifecycle, native `true`", "start/lifecycle-native", "crun", 2.0),
    Target("idle Wasm container, private dirty", "memory/Private_Dirty", "crun", 0.18),
    Target("100 idle Wasm containers, PSS of each", "memory/Pss-100", "crun", 0.2),
)


@dataclass(frozen=True)
class Check:
    """What a target's ratio is in this run."""

    target: Target
    ratio: float

    @property
    def met(self) -> bool:
        """Whether the ratio is within the limit."""
        return self.ratio <= self.target.limit


def check(results: Sequence[Result]) -> list[Check]:
    """The targets that these results speak of."""
    return [Check(target, ratio) for target in TARGETS for ratio in _ratio(target, results)]


def _ratio(target: Target, results: Sequence[Result]) -> Iterator[float]:
    """The ratio, if it was measured."""
    ratios = [
        result.ratio(target.subject, target.other)[0]
        for result in results
        if _matches(target.key, result.key)
        and {target.subject, target.other} <= result.samples.keys()
    ]
    if ratios:
        yield statistics.geometric_mean(ratios)


def _matches(pattern: str, key: str) -> bool:
    return key.startswith(pattern[:-1]) if pattern.endswith("*") else key == pattern
