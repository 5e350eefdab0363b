"""Run a program natively, by wasmtime and in a container of the installed crunw."""

from __future__ import annotations

import itertools
import json
import os
import shutil
import subprocess
import tempfile
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from crunw.aot import build, digest, failures, lookup, store
from crunw.aot.options import BEST
from crunw.errors import CrunwError
from real_programs import inputs, sources

PATIENCE = {"off": 10, "auto": 300}  # s of processor time that a program may take, by policy
PROJECT = Path(__file__).parents[2]
MODULE = "program.wasm"
NOTHING = bytes.fromhex(
    "0061736d01000000 01040160 0000 03020100 070a01065f737461727400000a040102000b"
)
ENVIRONMENT = {"PATH": "/usr/bin:/bin", "HOME": "/", "LC_ALL": "C.UTF-8"}
_numbers = itertools.count()


@dataclass
class Outcome:
    """How a run ended. ``seconds`` of processor time; ``memory``: bytes that were resident at most;
    ``files``: what it wrote, ``""`` being standard output; ``says``: crunw's own words.
    """

    status: int = 0
    seconds: float = 0.0
    memory: int = 0
    files: dict[str, bytes] = field(default_factory=dict, repr=False)
    says: str = ""

    def is_like(self, other: Outcome) -> bool:
        return (self.status, self.files) == (other.status, other.files)

    def summary(self) -> dict[str, Any]:
        return {key: value for key, value in asdict(self).items() if key != "files"}


@dataclass
class Compiled:
    """What compiling took: seconds of processor time, bytes of code, the level; or why not."""

    level: str = ""
    seconds: float = 0.0
    size: int = 0
    problem: str = ""


class Case:
    """A program with its inputs in a directory of its own."""

    def __init__(self, entry: dict[str, Any], directory: Path) -> None:
        self.entry = entry
        self.name: str = entry["name"]
        self.program = sources.get(entry)
        self._directory = directory / self.name
        self._inputs = self._directory / "inputs"
        self._inputs.mkdir(parents=True)
        for name in entry.get("inputs", ()):
            self._add(name)

    def _add(self, name: str) -> None:
        """An input: made by ``inputs.py``, in ``inputs/``, ``package:PATH``, ``project:PATH``, or
        the module itself, ``module:NAME``.
        """
        kind, _, path = name.rpartition(":")
        places = {"package": self.program.directory, "project": PROJECT}
        place = places.get(kind, Path(__file__).with_name("inputs"))
        target = self._inputs / Path(path).name
        if kind == "module":
            shutil.copyfile(self.program.module, target)
        elif not kind and path in inputs.MADE:
            target.write_bytes(inputs.MADE[path]())
        elif (place / path).is_dir():
            shutil.copytree(place / path, target)
        else:
            shutil.copyfile(place / path, target)

    @property
    def size(self) -> int:
        return self.program.module.stat().st_size

    def reference(self) -> tuple[str, Outcome]:
        """What to compare with, and its name: ``native``, another command or ``wasmtime``."""
        if command := self.entry.get("reference"):
            return command[0], self._run([*command], self._copy("reference"))
        if self.program.native:
            words = [str(self.program.native), *self.entry["arguments"]]
            return "native", self._run(words, self._copy("native"))
        words = [str(sources.wasmtime()), str(Path(__file__).with_name("reference.py"))]
        words += [str(self.program.module), *self.entry["arguments"]]
        return "wasmtime", self._run(words, self._copy("wasmtime"))

    def interpreted(self) -> Outcome:
        return self._contain("off")

    def compiled(self) -> Outcome:
        return self._contain("auto")

    def compile(self, levels: tuple[str, ...]) -> Compiled:
        """Have the cache hold the module at the first of these levels that works, and no other."""
        with self.program.module.open("rb") as file:
            tiers = lookup.Tiers(digest.of_file(file.fileno()), statistics=False)
            for level in (*BEST, "0"):
                store.drop(tiers.key(level))
                failures.forget(tiers.key(level))
            before = _children()
            result = Compiled()
            try:
                found = build.build(file.fileno(), build.Order(self.name), levels)
                result.level = found.level
            except CrunwError as error:
                result.problem = str(error)
            result.seconds = _children() - before
        if result.level:
            result.size = os.stat(f"{tiers.directory()}/module.so").st_size if tiers.find() else 0
            for level in BEST:  # nothing better is to be made of it behind our back
                if level != result.level:
                    note = failures.read(tiers.key(level))
                    result.problem = note.reason if note else ""
                    hold = failures.Failure(tiers.key(level), self.name, "", 0, "not now")
                    hold.lasting = True
                    failures.write(hold)
        return result

    def _copy(self, name: str) -> Path:
        target = self._directory / name
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(self._inputs, target, symlinks=True)
        return target

    def nothing(self) -> float:
        """What start and end of a container take, in s: those of a module that does nothing."""
        return self._contain("off", NOTHING).seconds

    def _contain(self, policy: str, module: bytes = b"") -> Outcome:
        rootfs = self._copy("rootfs")
        (rootfs / MODULE).write_bytes(module or self.program.module.read_bytes())
        bundle, limit = self._directory, PATIENCE[policy]
        (bundle / "config.json").unlink(missing_ok=True)
        subprocess.run(["crunw", "spec", "--bundle", bundle], check=True)
        path = bundle / "config.json"
        config = json.loads(path.read_text())
        config["process"] |= {
            "terminal": False,
            "args": [f"/{MODULE}", *self.entry["arguments"]],
            "env": [f"{name}={value}" for name, value in ENVIRONMENT.items()],
            "rlimits": [{"type": "RLIMIT_CPU", "soft": limit, "hard": limit}],
        }
        config["root"]["readonly"] = False
        config["annotations"] = {"run.oci.wasm.aot": policy}
        path.write_text(json.dumps(config))
        words = ["crunw", "run", "--bundle", str(bundle), f"real-{os.getpid()}-{next(_numbers)}"]
        outcome = self._run(words, rootfs)
        del outcome.files[MODULE]
        return outcome

    def _run(self, words: list[str], directory: Path) -> Outcome:
        """Run to the end, in the directory; what is new or changed there are the files."""
        stdin = directory / self.entry["stdin"] if "stdin" in self.entry else Path("/dev/null")
        with (
            tempfile.NamedTemporaryFile() as peak,
            tempfile.TemporaryFile() as out,
            tempfile.TemporaryFile() as err,
            stdin.open() as given,
        ):
            # A child of this process would be said to have used as much memory as this one.
            timed = ["busybox", "time", "-f", "%M", "-o", peak.name, *words]
            environment = {**os.environ, **ENVIRONMENT}
            pid = subprocess.Popen(
                timed, cwd=directory, stdin=given, stdout=out, stderr=err, env=environment
            ).pid
            _, status, usage = os.wait4(pid, 0)
            out.seek(0)
            err.seek(0)
            said = err.read().decode(errors="replace")
            outcome = Outcome(
                os.waitstatus_to_exitcode(status),
                usage.ru_utime + usage.ru_stime,
                int(peak.read().split()[-1]) << 10,
                {"": out.read()},
            )
        own = [line for line in said.splitlines() if line.startswith("crunw: ")]
        outcome.says = "\n".join(own or said.splitlines()[-3:])
        for path in sorted(directory.rglob("*")):
            if path.is_file() and not path.is_symlink():
                outcome.files[str(path.relative_to(directory))] = path.read_bytes()
        return outcome


def _children() -> float:
    times = os.times()
    return times.children_user + times.children_system
