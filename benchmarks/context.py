"""What every group of benchmarks gets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmarks.measure import run

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.bundles import Bundles
    from benchmarks.runtimes import Runtime


@dataclass(frozen=True)
class Context:
    """The runtimes, the compiled programs, a place to write to, and how long it may take."""

    crunw: Runtime
    crun: Runtime
    runc: Runtime
    bundles: Bundles
    examples: Path  # modules of examples/
    programs: Path  # modules and native programs of benchmarks/src
    directory: Path  # for whatever a group writes
    rounds: int
    full: bool

    @property
    def few(self) -> int:
        """Rounds of what takes seconds and is not compared closely."""
        return max(3, self.rounds // 5)

    @property
    def fewest(self) -> int:
        """Rounds of what takes many seconds, and where a factor is of interest."""
        return max(1, self.rounds // 8)

    def warm(self, bundle: Path) -> None:
        """Have the module of a bundle compiled into the cache: what an earlier start would do."""
        run([self.crunw.program, "cache", "warm", str(bundle)], self.crunw.errors)
