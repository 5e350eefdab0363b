"""The compilers that starts have left in the background."""

from __future__ import annotations

import os
import shutil
import signal
import time
from pathlib import Path

from real_programs import running

from benchmarks.measure import reap_adopted
from crunw.aot import digest, lookup, store
from crunw.lifecycle.compiler_cgroup import PATH

_AGAIN = 0.5  # s


def compilers() -> list[int]:
    """The pids of all that compiles."""
    found: list[int] = []
    for path in Path(f"/sys/fs/cgroup/pids{PATH}").glob("*/cgroup.procs"):
        try:
            found += map(int, path.read_text().split())
        except OSError:  # it has just been removed
            continue
    return found


def wait_for_best(module: Path) -> None:
    """Wait until nothing better is to be had than the code that a module has.

    Its compiler, which comes last of all, competes with others from now on.
    """
    with module.open("rb") as file:
        tiers = lookup.Tiers(digest.of_file(file.fileno()), statistics=False)
    end = time.monotonic() + running.BACKGROUND
    while not (tiers.find() and tiers.is_final()):
        if time.monotonic() > end:
            raise RuntimeError(f"{module}: no better code within {running.BACKGROUND} s")
        running.hurry(tiers.name)
        time.sleep(_AGAIN)


def end_compilers() -> None:
    """End them, and forget what waits for them."""
    for pid in compilers():
        os.kill(pid, signal.SIGKILL)
    reap_adopted()
    for path in store.queued():
        shutil.rmtree(path)
