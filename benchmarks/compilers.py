"""The compilers that starts have left in the background."""

from __future__ import annotations

import os
import shutil
import signal
from pathlib import Path

from real_programs import running

from benchmarks.measure import reap_adopted
from crunw.aot import digest, lookup, store
from crunw.lifecycle.compiler_cgroup import PATH


def compilers() -> list[int]:
    """The pids of all that compiles."""
    found: list[int] = []
    for path in Path(f"/sys/fs/cgroup/pids{PATH}").glob("*/cgroup.procs"):
        try:
            found += map(int, path.read_text().split())
        except OSError:  # it has just been removed
            continue
    return found


def hurry(module: Path) -> None:
    """Have the compiler of a module, which comes last of all, compete with others."""
    with module.open("rb") as file:
        tiers = lookup.Tiers(digest.of_file(file.fileno()), statistics=False)
    running.hurry(tiers.name)


def end_compilers() -> None:
    """End them, and forget what waits for them."""
    for pid in compilers():
        os.kill(pid, signal.SIGKILL)
    reap_adopted()
    for path in store.queued():
        shutil.rmtree(path)
