"""Programs of others (tests/real_programs): compiled code beside native code and crun's, what the
fast tier costs, and what a large module takes.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from real_programs import sources, table
from real_programs.running import Case

from benchmarks.bundles import ASK_FOR_WASM
from benchmarks.measure import Result, Timing, in_turn, run
from crunw.aot.options import BEST, FAST
from crunw.workload import WASMEDGE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from real_programs.running import Outcome

    from benchmarks.context import Context
    from benchmarks.measure import Task

# What is soon fetched, built and compiled. All are measured with --full.
_SOON = ("gzip", "libdeflate", "argon2", "blake3", "lua", "wren")
# The limits of a module's fast tier in s of processor time.
_FAST = {"avr-ld": 6.0}
_FAST_LARGE = {"cpython": 45.0}
_LARGE = 10_000_000  # bytes


def measure(context: Context) -> Iterator[Result]:
    """Yield the results."""
    entries = {entry["name"]: entry for entry in sources.listed()}
    for entry in entries.values():
        if is_chosen(entry, full=context.full):
            yield from _program(context, Case(entry, context.directory))
    for name, limit in (_FAST | (_FAST_LARGE if context.full else {})).items():
        yield from _fast_tier(context, Case(entries[name], context.directory / "fast"), limit)


def is_chosen(entry: dict[str, Any], *, full: bool) -> bool:
    """Whether a program is measured: libwasmedge runs it, and a native one may be its reference."""
    runs = "refused" not in entry and entry.get("engine", WASMEDGE) == WASMEDGE
    return entry["name"] in _SOON or (full and runs and "reference" not in entry)


def _program(context: Context, case: Case) -> Iterator[Result]:
    """The second start of an image, of which the better tier is there."""
    engine, wanted = case.reference()
    code = case.compile((*BEST, FAST))
    if not code.level:
        raise RuntimeError(f"{case.name}: {code.problem}")
    precompiled = _precompiled(context, case, code.level)

    def start(runtime: str, annotations: dict[str, str], module: bytes = b"") -> Task:
        return _task(
            case, wanted, lambda: case.run(runtime, annotations, table.INTERPRETER, module)
        )

    ours = start("crunw", {})
    tasks = {"crunw": ours, "crun": start("crun", ASK_FOR_WASM, precompiled)}
    if engine == "native":
        tasks["native"] = _task(case, wanted, case.native)
    title = f"{case.name} ({case.entry['language']}, {case.size / 1000:.0f} kB)"
    samples = in_turn(tasks, context.few, warmup=1)
    yield Result.of_times(f"real/compiled-{case.name}", f"{title}, -O{code.level}", samples)
    tasks = {"crunw": ours, "crun": start("crun", ASK_FOR_WASM)}
    samples = in_turn(tasks, context.fewest, warmup=0)
    yield Result.of_times(f"real/image-{case.name}", f"{title}, second start", samples)


def _precompiled(context: Context, case: Case, level: str) -> bytes:
    """The module with native code that ``wasmedge compile`` has made, as crun's image has it."""
    compiled = context.directory / f"{case.name}.aot.wasm"
    words = ["compile", f"--optimize={level}", str(case.program.module), str(compiled)]
    run([str(shutil.which("wasmedge")), *words])
    return compiled.read_bytes()


def _task(case: Case, wanted: Outcome, work: Callable[[], Outcome]) -> Task:
    def do() -> Timing:
        found = work()
        if not found.is_like(wanted) and not table.is_too_slow(found.summary()):
            raise RuntimeError(f"{case.name}: status {found.status}: {found.says}")
        return Timing(found.wall, found.seconds)

    return do


def _fast_tier(context: Context, case: Case, limit: float) -> Iterator[Result]:
    """The processor time that the fast tier takes; of a large module the memory with it, too."""
    code = case.compile((FAST,))
    title = f"compiling {case.name} ({case.size / 1e6:.2f} MB) at -O0, processor time"
    samples = {"crunw": [code.seconds], f"{limit:g} s": [limit]}
    yield Result(f"real/fast-{case.name}", title, "s", samples)
    if case.size >= _LARGE:
        yield from _memory(context, case)


def _memory(context: Context, case: Case) -> Iterator[Result]:
    """What is resident when the code has been loaded, and what was at most until then."""
    module = case.program.module
    container = context.crunw.create(context.bundles.wasm(f"memory-{case.name}", module))
    resident, peak = (_status(container.pid, field) for field in ("VmRSS", "VmHWM"))
    container.remove()
    title = f"a created container of {case.name} ({case.size / 1e6:.0f} MB)"
    for key, taken, words in (("resident", resident, ""), ("peak", peak, ", at most")):
        samples = {"crunw": [taken], "its size twice": [2.0 * case.size]}
        yield Result(f"real/{key}-{case.name}", f"resident in {title}{words}", "B", samples)


def _status(pid: int, field: str) -> float:
    """A size of a process's, in bytes (proc_pid_status(5))."""
    (line,) = (
        line
        for line in Path(f"/proc/{pid}/status").read_text().splitlines()
        if line.startswith(f"{field}:")
    )
    return float(line.split()[1]) * 1024
