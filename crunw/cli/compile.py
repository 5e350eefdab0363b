"""``crunw compile``."""

from __future__ import annotations

import sys

from crunw.aot.files import Job, compile_files
from crunw.aot.options import LEVELS, Options
from crunw.cli.options import Option, Parsed
from crunw.errors import UsageError

USAGE = "[OPTION…] MODULE…"
ABOUT = (
    "Compile WebAssembly modules ahead of time, for this processor.\n"
    "MODULE.wasm becomes MODULE.aot.wasm, or with --format native MODULE.so."
)
INTERSPERSED = True
OPTIONS = (
    Option("output", "the file to write, for one MODULE", "FILE", "o"),
    Option("optimize", "0, 1, 2 (default), 3, s or z; also as -O2", "LEVEL", "O", choices=LEVELS),
    Option(
        "format",
        "wasm (default): Wasm with native code in it; native: ELF",
        "FORMAT",
        choices=("wasm", "native"),
    ),
    Option("enable", "a proposal to WebAssembly; all are, by default", "PROPOSAL", many=True),
    Option("disable", "a proposal that modules may not use, or all", "PROPOSAL", many=True),
    Option("generic-binary", "for any processor of this architecture"),
    Option("interruptible", "check for interruption in loops: slower, and not needed by crunw"),
    Option("statistics", "count instructions and cost: slower"),
    Option("jobs", "modules to compile at once (default: one for each processor)", "N", "j"),
    Option("json", "print the result as JSON"),
)


def run(parsed: Parsed, given: Parsed) -> int:
    """Compile; the status is 1 when a module could not be compiled."""
    modules = parsed.arguments
    if not modules:
        raise UsageError("a module is missing; see crunw compile --help")
    if parsed.text("output") and len(modules) > 1:
        raise UsageError("--output is for one module")
    options = _options(parsed)
    outputs = [parsed.text("output") or default_output(name, options) for name in modules]
    if len(set(outputs)) < len(outputs):
        raise UsageError("two modules would be compiled into the same file")
    jobs = [Job(*names) for names in zip(modules, outputs, strict=True)]
    compile_files(jobs, options, parsed.number("jobs"))
    if parsed.flag("json"):
        import json

        sys.stdout.write(json.dumps([job.document() for job in jobs], indent=2) + "\n")
    failed = [job for job in jobs if job.error]
    for job in failed:
        sys.stderr.write(f"crunw: {job.error}\n")
    if not parsed.flag("json"):
        sys.stdout.write("".join(f"{job.line()}\n" for job in jobs if not job.error))
    return 1 if failed else 0


def default_output(module: str, options: Options) -> str:
    """Beside the module, under its name without ``.wasm``."""
    return module.removesuffix(".wasm") + (".so" if options.native else ".aot.wasm")


def _options(parsed: Parsed) -> Options:
    native = parsed.text("format") == "native"
    options = Options(native=native, level=parsed.text("optimize", "2"))
    options.any_import = True  # another runtime can provide more than crunw
    options.generic = parsed.flag("generic-binary")
    options.interruptible = parsed.flag("interruptible")
    options.statistics = parsed.flag("statistics")
    options.without = _without(parsed.texts("enable"), parsed.texts("disable"))
    return options


def _without(enabled: list[str], disabled: list[str]) -> tuple[str, ...]:
    if not enabled and not disabled:
        return ()
    from crunw.engine import PROPOSALS

    for name in (*enabled, *disabled):
        if name not in (*PROPOSALS, "all"):
            raise UsageError(f"unknown proposal {name!r}: one of {', '.join(PROPOSALS)}")
    unwanted = set(PROPOSALS) if "all" in disabled else set(disabled)
    wanted = set(PROPOSALS) if "all" in enabled else set(enabled)
    return tuple(sorted(unwanted - wanted))
