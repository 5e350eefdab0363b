"""The project's targets: what a ratio of one run should be."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

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
    Target("`exec` of a native `true`", "exec/command", "crun", 1.0),
    Target("`exec --process` of a native `true`", "exec/process", "crun", 1.0),
    Target("`exec` of a module", "exec/module", "crun", 1.5),
    Target("idle Wasm container, private dirty", "memory/Private_Dirty", "crun", 0.18),
    Target("100 idle Wasm containers, PSS of each", "memory/Pss-100", "crun", 0.2),
    Target("1000 containers, the last starts", "memory/steady-1000", "first", 1.1),
    Target("1000 containers, start of each", "memory/start-1000", "crun", 1.0),
    Target("second start of an image, CPU work", "cpu/image-*", "crun", 1 / 50),
    Target("compiled code, CPU work", "cpu/compiled-*", "wasmedge", 1.05),
    Target("compiled code, CPU work", "cpu/compiled-*", "native", 1.2),
    Target("compiling", "compiler/*", "wasmedge", 1.05),
    Target("`run`, hello component from the cache", "components/run", "module", 1.3),
    Target("a component's work, CPU work", "components/cpu-*", "wasmtime", 1.02),
    Target("idle component, private dirty", "components/Private_Dirty", "3 MiB", 1.0),
    Target("100 idle components, PSS of each", "components/Pss-100", "1.5 MiB", 1.0),
    Target("`run` of a module, its walls", "walls/run", "without", 1.03),
    Target("lifecycle of a module, its walls", "walls/lifecycle", "without", 1.03),
    Target("idle module, private dirty, its walls", "walls/Private_Dirty", "without", 1.03),
    Target("100 pods on CRI-O until all run", "pods/running", "crun", 1.0),
    Target("100 pods on CRI-O, PSS of each", "pods/Pss", "crun", 1.0),
    # Less can't be told apart: a lookup is a hundredth of a start.
    Target("first start under `auto`", "cache/first-*", "off", 1.02),
    Target("`podman run`, first start", "first/podman", "off", 1.05),
    Target("start while another module is compiled", "first/beside-a-compiler", "alone", 1.1),
    # 0.9 and 0.25 of the requests in the same time.
    Target("first replica, 0.1 MB, time of a request", "first/reply-small", "second", 1 / 0.9),
    Target("first replica, 0.7 MB, time of a request", "first/reply-large", "second", 1 / 0.25),
    Target("real programs, second start", "real/compiled-*", "native", 1.3),
    Target("fast tier of a module of 1 MB", "real/fast-avr-ld", "6 s", 1.0),
    Target("fast tier of CPython", "real/fast-cpython", "45 s", 1.0),
    Target("CPython, resident", "real/resident-cpython", "its size twice", 1.0),
    Target("CPython, resident at most", "real/peak-cpython", "its size twice", 1.0),
    Target("warm lookup in the cache", "cache/lookup-*", "a millisecond", 1.0),
)


@dataclass(frozen=True)
class Check:
    """What a target's ratio is in this run."""

    target: Target
    ratio: float
    processor: float | None  # the same of processor times

    @property
    def met(self) -> bool:
        """Whether the ratio is within the limit."""
        return self.ratio <= self.target.limit


def check(results: Sequence[Result]) -> list[Check]:
    """The targets that these results speak of."""
    checks = []
    for target in TARGETS:
        measured = [each for each in results if _speaks_of(target, each)]
        if measured:
            ratios = [each.ratio(target.subject, target.other)[0] for each in measured]
            processor = [
                each.processor_ratio(target.subject, target.other)[0]
                for each in measured
                if each.processor
            ]
            checks.append(
                Check(
                    target,
                    statistics.geometric_mean(ratios),
                    statistics.geometric_mean(processor) if processor else None,
                )
            )
    return checks


def _speaks_of(target: Target, result: Result) -> bool:
    return _matches(target.key, result.key) and (
        {target.subject, target.other} <= result.samples.keys()
    )


def _matches(pattern: str, key: str) -> bool:
    return key.startswith(pattern[:-1]) if pattern.endswith("*") else key == pattern
