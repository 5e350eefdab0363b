"""Measure crunw beside crun, runc, wasmedge and native programs, in one run.

Prints ratios of medians taken pair by pair; nothing is asserted. docs/benchmarks.md tells the rest.
"""

from __future__ import annotations

import argparse
import importlib
import signal
import sys
import tempfile
from pathlib import Path

from benchmarks import chart, report, targets
from benchmarks.bundles import Bundles
from benchmarks.context import Context
from benchmarks.measure import Result, say
from benchmarks.runtimes import Runtime, become_subreaper

PROJECT = Path(__file__).resolve().parent.parent
GROUPS = (
    "start",
    "account",
    "exec",
    "memory",
    "cache",
    "first",
    "cpu",
    "real",
    "compiler",
    "components",
    "walls",
    "growth",
    "pods",
)


def main() -> int:
    """Measure what the command line asks for."""
    options = _parser().parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    become_subreaper()
    results: list[Result] = []
    with tempfile.TemporaryDirectory(prefix="crunw-bench-") as directory:
        context = _context(Path(directory), options)
        for name in options.only or GROUPS:
            say(f"-- {name}")
            group = importlib.import_module(f"benchmarks.{name}")
            for result in group.measure(context):
                results.append(result)
                print(report.line(result), flush=True)
    checks = targets.check(results)
    if options.check:
        print(report.checks(checks))
    if options.json:
        options.json.write_text(report.as_json(PROJECT, results, checks))
    if options.svg:
        options.svg.write_text(chart.draw(results))
    return 0


def _context(directory: Path, options: argparse.Namespace) -> Context:
    for name in ("bundles", "work"):
        (directory / name).mkdir()
    crunw, crun, runc = (Runtime.find(name, directory) for name in ("crunw", "crun", "runc"))
    return Context(
        crunw,
        crun,
        runc,
        Bundles(directory / "bundles", PROJECT),
        examples=PROJECT / "build/examples",
        programs=PROJECT / "build/benchmarks",
        directory=directory / "work",
        rounds=7 if options.quick else 25,
        full=options.full,
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="ci/bench", description=__doc__)
    amount = parser.add_mutually_exclusive_group()
    amount.add_argument("--quick", action="store_true", help="7 rounds instead of 25")
    amount.add_argument("--full", action="store_true", help="also what takes many minutes")
    parser.add_argument("--only", nargs="+", choices=GROUPS, metavar="NAME", help=" ".join(GROUPS))
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all samples to FILE")
    parser.add_argument("--svg", type=Path, metavar="FILE", help="draw the ratios into FILE")
    parser.add_argument("--check", action="store_true", help="say which targets are met")
    return parser


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
