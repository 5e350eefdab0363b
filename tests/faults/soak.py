"""Containers live and die by the thousand, beside each other: nothing grows.

Each life is create, start, exec, update, pause, resume, state and delete, or a part of that. Some
commands are killed on the way (SIGKILL), some containers have too little memory. After every tenth
of the lives it is counted what there is.
"""

from __future__ import annotations

import argparse
import os
import random
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from support.containers import (
    LIBC,
    PR_SET_CHILD_SUBREAPER,
    Bundle,
    Runtime,
    cgroup_directories,
    children,
    mounts,
    reap_ended,
)

from faults.inject import KINDS, make_bundle

BESIDE = 4
ROUNDS = 10
KILLED = 0.05  # of the commands
LATE_KEYS = 50  # the kernel removes dead keys later, and counts those of others, too
FAMISHED = 0.02  # of the containers, whose memory does not suffice


def counts(directory: Path) -> dict[str, int]:
    """What could grow."""
    return {
        "state files": sum(1 for _ in (directory / "state").rglob("*")),
        "mounts": len(mounts(directory)),
        "mount table": len(Path("/proc/self/mountinfo").read_text().splitlines()),
        "cgroups": len(cgroup_directories()),
        "keys": len(Path("/proc/keys").read_text().splitlines()),
        "processes": len(children()),
        "cache, files": sum(1 for _ in Path("/var/cache/crunw").rglob("*")),
    }


class Life:
    """One container, from create to delete."""

    def __init__(self, runtime: Runtime, made: Bundle, chance: random.Random) -> None:
        self.runtime = runtime
        self.made = made
        self.chance = chance

    def live(self) -> None:
        """Do it. Raises AssertionError where something went wrong that was not killed."""
        if self._run("create", "--bundle", str(self.made.path), self.made.id):
            program = "/return.wasm" if "wasm" in self.made.process["args"][0] else "true"
            verbs = [
                ("exec", self.made.id, program),
                ("update", "--pids-limit", "60", self.made.id),
                ("pause", self.made.id),
                ("resume", self.made.id),
                ("state", self.made.id),
            ]
            number = self.chance.randrange(len(verbs) + 1)
            steps = [("start", self.made.id), *verbs[:number]] if number else []
            if ("pause", self.made.id) in steps and ("resume", self.made.id) not in steps:
                steps.append(("resume", self.made.id))
            all(self._run(*words) for words in steps)
        result = self.runtime("delete", "--force", self.made.id)
        assert result.status == 0, result

    def _run(self, *words: str) -> bool:
        """False: it was killed, or the container is too poor to go on."""
        with open(os.memfd_create("err"), "w+", encoding="utf-8", errors="replace") as err:
            process = subprocess.Popen(
                self.runtime.command(*words),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=err,
            )
            killed = self.chance.random() < KILLED
            if killed:
                time.sleep(self.chance.random() * 0.03)
                process.kill()
            status = process.wait()
            err.seek(0)
            told = err.read()
        poor = "memory" in self.made.config["linux"].get("resources", {})
        assert status == 0 or killed or poor, (words, status, told)
        return status == 0


def soak(directory: Path, modules: Path, lives: int, seed: int) -> list[dict[str, int]]:
    """The counts at the beginning and after each round."""
    runtime = Runtime(directory / "state")
    table = [counts(directory)]
    share = -(-lives // ROUNDS // BESIDE)

    def lane(number: int) -> None:
        chance = random.Random(f"{seed}-{number}-{len(table)}")  # noqa: S311
        for _ in range(share):
            kind = chance.choice(KINDS)
            made = make_bundle(directory / f"bundle-{number}", kind, modules)
            if chance.random() < FAMISHED:
                made.change(linux__resources__memory={"limit": 1 << 20})
            Life(runtime, made, chance).live()

    for round_ in range(1, ROUNDS + 1):
        with ThreadPoolExecutor(BESIDE) as lanes:
            list(lanes.map(lane, range(BESIDE)))  # raises what one of them raised
        reap_ended(5)  # what a kill has orphaned
        table.append(counts(directory))
        print(f"ci/soak: {round_}/{ROUNDS}", file=sys.stderr)
    return table


def main() -> None:
    """Print a table of the counts; fail where the last ones are above the first."""
    parser = argparse.ArgumentParser(prog="ci/soak", description=__doc__)
    parser.add_argument("--lives", type=int, default=20000)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parsed = parser.parse_args()
    LIBC.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    modules = Path(os.environ["CRUNW_TEST_MODULES"])
    begun = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="crunw-soak-") as name:
        table = soak(Path(name), modules, parsed.lives, parsed.seed)
    print(f"{parsed.lives} lives in {time.monotonic() - begun:.0f} s, seed {parsed.seed}\n")
    print("| | begin | " + " | ".join(f"{round_}/10" for round_ in range(1, ROUNDS + 1)) + " |")
    print("|-" * (ROUNDS + 2) + "|")
    for what in table[0]:
        print(f"| {what} | " + " | ".join(str(row[what]) for row in table) + " |")
    # The first round makes what is made once.
    grown = [
        what
        for what, count in table[-1].items()
        if count > table[1][what] + (LATE_KEYS if what == "keys" else 0)
    ]
    if grown:
        sys.exit(f"ci/soak: grown: {', '.join(grown)}")


if __name__ == "__main__":
    main()
