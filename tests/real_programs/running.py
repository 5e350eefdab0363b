"""Run a program natively, by wasmtime and in a container of the installed crunw."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import shutil
import subprocess
import tempfile
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crunw.aot import build, digest, failures, lookup, store
from crunw.aot.options import BEST, FAST
from crunw.errors import CrunwError
from crunw.workload import WASMEDGE
from real_programs import inputs, sources
from real_programs.table import INTERPRETER

if TYPE_CHECKING:
    from collections.abc import Callable

SOON = 1.5  # s
PATIENCE = 300  # s of processor time that it may take with code
BACKGROUND = 900  # s, of real time, that the background compiler may take
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
    ``files``: what it wrote, ``""`` being standard output; ``says``: crunw's own words; ``how`` it
    was executed, as ``crunw state`` has it; ``wall``: seconds of real time.
    """

    status: int = 0
    seconds: float = 0.0
    memory: int = 0
    files: dict[str, bytes] = field(default_factory=dict, repr=False)
    says: str = ""
    how: dict[str, str] = field(default_factory=dict)
    wall: float = 0.0

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

    def __init__(self, entry: dict[str, Any], directory: Path, repeat: int = 1) -> None:
        """``repeat``: how often what is soon done is run; the fastest run counts."""
        self.entry = entry
        self.repeat = repeat
        self.name: str = entry["name"]
        self.engine: str = entry.get("engine", WASMEDGE)
        self.program = sources.get(entry)
        self._directory = directory / self.name
        self._inputs = self._directory / "inputs"
        self._inputs.mkdir(parents=True)
        for name in entry.get("inputs", ()):
            self._add(name)

    def _add(self, name: str) -> None:
        """An input: made by ``inputs.py``, in ``inputs/``, ``package:PATH``, ``project:PATH``, or
        the module itself, ``module:NAME``; ``=PATH``: where it is to be.
        """
        name, _, wanted = name.partition("=")
        kind, _, path = name.rpartition(":")
        places = {"package": self.program.directory, "project": PROJECT}
        place = places.get(kind, Path(__file__).with_name("inputs"))
        target = self._inputs / (wanted or Path(path).name)
        target.parent.mkdir(parents=True, exist_ok=True)
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
        command = self.entry.get("reference", "")
        if isinstance(command, list):
            return command[0], self._run(command, self._copy("reference"))
        if self.program.native and command != "wasmtime":
            return "native", self._fastest(self.native)
        words = [str(sources.wasmtime()), str(Path(__file__).with_name("reference.py"))]
        words.append(str(self.program.module))
        sources.run(*words)  # compiles it
        words += [f"/{MODULE}", *self.entry["arguments"]]
        return "wasmtime", self._run(words, self._copy("wasmtime"))

    def native(self) -> Outcome:
        """The native program of the same source."""
        words = [str(self.program.native), *self.entry["arguments"]]
        return self._run(words, self._copy("native"))

    def first_start(self, levels: tuple[str, ...]) -> Outcome:
        """A start without code in the cache, after which it is compiled at one of these levels."""
        with self.program.module.open("rb") as file:
            self._only(self._tiers(file.fileno()), levels)
        return self._contain(INTERPRETER if self.engine == WASMEDGE else PATIENCE)

    def next_start(self) -> Outcome:
        return self._fastest(lambda: self._contain(PATIENCE))

    def _fastest(self, run: Callable[[], Outcome]) -> Outcome:
        found = [run()]
        while len(found) < self.repeat and found[0].seconds < SOON:
            found.append(run())
        differ = [one for one in found if not one.is_like(found[0])]
        return differ[0] if differ else min(found, key=lambda one: one.seconds)

    def wait_for_code(self) -> Compiled:
        """What the background compiler makes of it after its first start."""
        with self.program.module.open("rb") as file:
            tiers = self._tiers(file.fileno())
        end = time.monotonic() + BACKGROUND
        while not (is_there := tiers.find()) and not tiers.failure():
            if time.monotonic() > end:
                return Compiled(problem=f"no code {BACKGROUND} s after the first start")
            hurry(tiers.name)
            time.sleep(0.5)
        if not is_there:
            return Compiled(problem=tiers.failure())
        return _describe(tiers, store.meta(tiers.key(tiers.level)).seconds)

    def compile(self, levels: tuple[str, ...]) -> Compiled:
        """Have the cache hold the module at the first of these levels that works, and no other."""
        with self.program.module.open("rb") as file:
            tiers = self._tiers(file.fileno())
            self._only(tiers, levels)
            before = _children()
            order = build.Order(self.name, engine=self.engine)
            try:
                tiers = build.build(file.fileno(), order, levels)
            except CrunwError as error:
                return Compiled(seconds=_children() - before, problem=str(error))
        seconds = _children() - before
        notes = [failures.read(tiers.key(level)) for level in levels if level != tiers.level]
        self._only(tiers, (tiers.level,), keep=True)
        found = _describe(tiers, seconds)
        found.problem = next((note.reason for note in notes if note), "")
        return found

    def _tiers(self, module: int) -> lookup.Tiers:
        return lookup.Tiers(digest.of_file(module), statistics=False, engine=self.engine)

    def _only(self, tiers: lookup.Tiers, levels: tuple[str, ...], *, keep: bool = False) -> None:
        """Have no other level made of it, by anyone, and none be there but what is to be kept."""
        for level in (*BEST, FAST):
            key = tiers.key(level)
            if not keep:
                store.drop(key)
            failures.forget(key)
            if level not in levels:
                note = failures.Failure(key, self.name, "", 0, "not now")
                note.lasting = True
                failures.write(note)

    def _copy(self, name: str) -> Path:
        target = self._directory / name
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(self._inputs, target, symlinks=True)
        return target

    def nothing(self) -> float:
        """What start and end of a container take, in s: those of a module that does nothing."""
        return self._contain(INTERPRETER, NOTHING).seconds

    def _contain(self, limit: int, module: bytes = b"") -> Outcome:
        """By crunw; a ``module`` instead of the program's is interpreted."""
        rootfs = self._bundle(limit, module, {"run.oci.wasm.aot": "off"} if module else {})
        container = f"real-{os.getpid()}-{next(_numbers)}"
        outcome = self._in_container(rootfs, "crunw", "run", "--keep", container)
        state = subprocess.run(["crunw", "state", container], capture_output=True, check=False)
        if state.returncode == 0:  # else crunw has refused it
            outcome.how = json.loads(state.stdout)["wasm"]
            subprocess.run(["crunw", "delete", container], check=True)
        return outcome

    def run(
        self, runtime: str, annotations: dict[str, str], limit: int = PATIENCE, module: bytes = b""
    ) -> Outcome:
        """``RUNTIME run`` of the program, or of another ``module`` in its place.

        ``limit``: the seconds of processor time after which it is ended.
        """
        rootfs = self._bundle(limit, module, annotations)
        return self._in_container(rootfs, runtime, "run", f"real-{os.getpid()}-{next(_numbers)}")

    def _in_container(self, rootfs: Path, *command: str) -> Outcome:
        *words, container = command
        outcome = self._run([*words, "--bundle", str(self._directory), container], rootfs)
        del outcome.files[MODULE]
        return outcome

    def _bundle(self, limit: int, module: bytes, annotations: dict[str, str]) -> Path:
        """Make the bundle anew; return its root."""
        rootfs = self._copy("rootfs")
        (rootfs / MODULE).write_bytes(module or self.program.module.read_bytes())
        bundle = self._directory
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
        config["annotations"] = annotations
        path.write_text(json.dumps(config))
        return rootfs

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
            begin = time.monotonic()
            pid = subprocess.Popen(
                timed, cwd=directory, stdin=given, stdout=out, stderr=err, env=environment
            ).pid
            _, status, usage = os.wait4(pid, 0)
            wall = time.monotonic() - begin
            out.seek(0)
            err.seek(0)
            said = err.read().decode(errors="replace")
            outcome = Outcome(
                os.waitstatus_to_exitcode(status),
                usage.ru_utime + usage.ru_stime,
                int(peak.read().split()[-1]) << 10,
                {"": out.read()},
                wall=wall,
            )
        own = [line for line in said.splitlines() if line.startswith("crunw: ")]
        outcome.says = "\n".join(own or said.splitlines()[-3:])
        for path in sorted(directory.rglob("*")):
            if path.is_file() and not path.is_symlink():
                outcome.files[str(path.relative_to(directory))] = path.read_bytes()
        return outcome


def _describe(tiers: lookup.Tiers, seconds: float) -> Compiled:
    size = os.stat(f"{tiers.directory()}/module.so").st_size
    return Compiled(tiers.level, seconds, size)


def hurry(name: str) -> None:
    """The background compiler has the lowest priority of all; have it compete with others."""
    leaders = {
        int(path.parent.name)
        for path in Path("/proc").glob("[0-9]*/cmdline")
        if name.encode() in _read(path)
    }
    for pid in map(int, filter(str.isdigit, os.listdir("/proc"))):
        with contextlib.suppress(OSError):  # it has ended
            if os.getsid(pid) in leaders:
                os.sched_setscheduler(pid, os.SCHED_OTHER, os.sched_param(0))
                os.setpriority(os.PRIO_PROCESS, pid, 5)
                Path(f"/proc/{pid}/autogroup").write_text("5")


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


def _children() -> float:
    times = os.times()
    return times.children_user + times.children_system
