"""Fuzz the Python parts that read what others write.

An input that gets to its end by lines which none has reached before is kept, and changed further.
One that ends in another error than crunw's own is written to ``--found``, and ends the run with
status 1.
"""

from __future__ import annotations

import argparse
import atexit
import hashlib
import json
import os
import shutil
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from fuzz.mutate import Mutator

from crunw.effects.cgroups.layout import _tops
from crunw.effects.criu import mountinfo, wire
from crunw.errors import CrunwError
from crunw.lifecycle.plan import find_inputs
from crunw.lifecycle.request import Request
from crunw.oci.load import load, load_process, load_resources
from crunw.plan.create import create_plan
from crunw.plan.encode import encode
from crunw.plan.exec import exec_plan
from crunw.plan.render import documents, lines
from crunw.plan.resources import writes

DATA = Path(__file__).parents[1] / "data"
PACKAGE = str(Path(sys.modules["crunw"].__file__ or "").parent)


@dataclass
class Target:
    """What is given the input; the inputs to begin with; which errors are answers."""

    run: Callable[[bytes], object]
    seeds: list[bytes]
    answers: tuple[type[Exception], ...] = (CrunwError,)
    documents: bool = False


# --- Targets --------------------------------------------------------------------------------------


def workspace() -> Path:
    """A bundle with little in its root, for this process."""
    bundle = Path(tempfile.mkdtemp(prefix="crunw-fuzz-"))
    atexit.register(shutil.rmtree, bundle)
    (bundle / "rootfs/bin").mkdir(parents=True)
    (bundle / "rootfs/bin/sh").write_bytes(b"\x7fELF")
    (bundle / "rootfs/hello.wasm").write_bytes(b"\0asm\1\0\0\0")
    for path in (bundle / "rootfs/bin/sh", bundle / "rootfs/hello.wasm"):
        path.chmod(0o755)
    return bundle


def configurations() -> list[bytes]:
    """Those of engines; one with every field; those that plans are compared of."""
    found = [json.loads(path.read_text()) for path in sorted((DATA / "configs").glob("*.json"))]
    for document in found:
        document["root"]["path"] = "rootfs"
    module = json.loads(json.dumps(found[0]))
    module["process"]["args"] = ["/hello.wasm"]
    settings = {
        "aot": "off", "aot-wait": "1m30s", "function": "f", "preopens": "a:/bin:ro,b:/", "proc":
        "writable", "seccomp": "on", "memory-pages": "7", "instruction-limit": "9", "time-limit":
        "500ms", "statistics": "true",
    }  # fmt: skip
    module["annotations"] = {f"run.oci.wasm.{name}": text for name, text in settings.items()}
    return [json.dumps(document).encode() for document in [*found, module]]


def sections(*path: str) -> list[bytes]:
    """A part of each configuration that has it."""
    found = []
    for data in configurations():
        part = json.loads(data)
        for name in path:
            part = part.get(name, {})
        found.append(json.dumps(part).encode())
    return found


def config_target() -> Target:
    """``config.json`` → plan, as ``crunw plan`` and ``create`` make it; nothing is carried out."""
    bundle = workspace()
    request = Request("/nowhere", "fuzz", str(bundle))

    def run(data: bytes) -> None:
        (bundle / "config.json").write_bytes(data)
        spec = load(str(bundle), warn=True)
        steps = create_plan(spec, find_inputs(spec, request)[2])
        encode(steps)
        list(lines(documents(steps)))

    return Target(run, configurations(), documents=True)


def process_target() -> Target:
    """``exec --process FILE`` → plan."""
    bundle = workspace()
    request = Request("/nowhere", "fuzz", str(bundle))
    (bundle / "config.json").write_bytes(configurations()[0])
    spec = load(str(bundle))
    _, _, found = find_inputs(spec, request)

    def run(data: bytes) -> None:
        (bundle / "process.json").write_bytes(data)
        process = load_process(str(bundle / "process.json"))
        encode(exec_plan(spec, process, found, 7))

    return Target(run, sections("process"), documents=True)


def resources_target() -> Target:
    """``update --resources FILE`` → what is written, for both cgroup versions."""
    file = workspace() / "resources.json"

    def run(data: bytes) -> None:
        file.write_bytes(data)
        for version in (1, 2):
            writes(load_resources(str(file)), lambda _, version=version: version)

    return Target(run, sections("linux", "resources"), documents=True)


def mountinfo_target() -> Target:
    """Mount points of any name, as the kernel writes them, are found under that name."""

    def escaped(name: bytes) -> bytes:
        for character in b"\\ \t\n":
            name = name.replace(bytes((character,)), b"\\%03o" % character)
        return name

    def run(data: bytes) -> None:
        names = [b"/" + name.replace(b"\0", b"")[:4000] for name in data.split(b"/")]
        line = b"%d 1 0:%d / %s rw shared:1 - cgroup %s rw,name=%d\n"
        text = b"".join(
            line % (number, number, escaped(name), escaped(name), number)
            for number, name in enumerate(names)
        )
        points = [name.decode("utf-8", "surrogateescape") for name in names]
        assert list(mountinfo.parsed(text)) == list(dict.fromkeys(points))
        assert list(_tops(text.decode("utf-8", "surrogateescape")).values()) == points

    names = [b"a/b c/d\\040/e\tf/\\/\xc3\xa9/\xff", b"\n/ - cgroup/\\134040/#/\r/\x0b\x85"]
    return Target(run, names)


def criu_target() -> Target:
    """An answer of CRIU's. A request is read back as it was written."""
    restored = b"\x08\x02\x10\x01\x22\x03\x08\xac\x02"
    notice = b"\x08\x06\x10\x01\x2a\x0e\x0a\x0apre-resume\x10\x07"
    failed = b"\x08\x01\x10\x00\x38\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x4a\x03bad"

    def run(data: bytes) -> None:
        text = data[:300].decode("utf-8", "surrogateescape")
        value = int.from_bytes(data[:8], "little")
        sent = wire._fields(wire._field(1, value) + wire._field(2, text))
        assert sent == {1: value, 2: data[:300]}
        answer = wire.Answer(data)
        assert isinstance(answer.message + answer.script, str)

    return Target(run, [restored, notice, failed], (ValueError,))


TARGETS: dict[str, Callable[[], Target]] = {
    "config": config_target,
    "process": process_target,
    "resources": resources_target,
    "mountinfo": mountinfo_target,
    "criu": criu_target,
}


# --- The run --------------------------------------------------------------------------------------


class Coverage:
    """Whether lines of the package have run that had not before (Python 3.12 and later)."""

    def __init__(self) -> None:
        self.new = 0
        if sys.version_info < (3, 12):
            return
        monitoring = sys.monitoring
        monitoring.use_tool_id(monitoring.COVERAGE_ID, "fuzz")
        monitoring.register_callback(monitoring.COVERAGE_ID, monitoring.events.LINE, self._line)
        monitoring.set_events(monitoring.COVERAGE_ID, monitoring.events.LINE)

    def _line(self, code: Any, line: int) -> object:
        self.new += code.co_filename.startswith(PACKAGE)
        return sys.monitoring.DISABLE  # each is told once

    def close(self) -> None:
        if sys.version_info >= (3, 12):
            sys.monitoring.set_events(sys.monitoring.COVERAGE_ID, 0)
            sys.monitoring.free_tool_id(sys.monitoring.COVERAGE_ID)


class Crash(Exception):  # noqa: N818  (of the package, not of this program)
    """An input and what came of it."""

    def __init__(self, data: bytes, error: BaseException) -> None:
        super().__init__("".join(traceback.format_exception(error)))
        self.data = data


def inputs(target: Target, seed: str) -> Iterator[tuple[bytes, list[bytes]]]:
    """The seeds, then what is made of them; with the list that those worth keeping go to."""
    pool = list(target.seeds)
    for data in target.seeds:
        yield data, []
    mutator = Mutator(seed, pool)
    change = mutator.document if target.documents else mutator.data
    while True:
        yield change(mutator.random.choice(pool))[: 1 << 16], pool


def answered(target: Target, data: bytes) -> bool:
    """Run it once; whether the input was refused as it should be. Raises :class:`Crash`."""
    try:
        target.run(data)
    except target.answers:
        return True
    except Exception as error:
        raise Crash(data, error) from error
    return False


def fuzz(name: str, goes_on: Callable[[int], bool], seed: str) -> tuple[int, int]:
    """Run a target while ``goes_on(runs)``. Returns how many runs, how many inputs were kept.

    Raises :class:`Crash`.
    """
    target = TARGETS[name]()
    coverage = Coverage()
    runs = kept = 0
    try:
        for data, pool in inputs(target, seed):
            if not goes_on(runs):
                break
            coverage.new = 0
            runs += 1
            if not answered(target, data) and coverage.new:
                pool.append(data)
                kept += 1
    finally:
        coverage.close()
    return runs, kept


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("targets", nargs="+", choices=list(TARGETS))
    parser.add_argument("--runs", type=int)
    parser.add_argument("--seconds", type=float, default=15)
    parser.add_argument("--seed", default=str(time.time_ns()))
    parser.add_argument("--found", type=Path, default=Path("build/fuzz"))
    asked = parser.parse_args()
    for name in asked.targets:
        end = time.monotonic() + asked.seconds
        by_time = lambda _, end=end: time.monotonic() < end  # noqa: E731
        by_count = lambda runs: runs < asked.runs  # noqa: E731
        try:
            runs, kept = fuzz(name, by_count if asked.runs else by_time, asked.seed)
        except Crash as crash:
            asked.found.mkdir(parents=True, exist_ok=True)
            file = asked.found / f"python-{name}-{hashlib.sha256(crash.data).hexdigest()[:16]}"
            file.write_bytes(crash.data)
            print(f"{name}: seed {asked.seed}: {file}\n{crash}", file=sys.stderr)
            return 1
        print(f"{name}: {runs} runs, {kept} inputs reached new lines, seed {asked.seed}")
    return 0


if __name__ == "__main__":
    os.umask(0o77)
    sys.exit(main())
