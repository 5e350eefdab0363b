"""The program behind ``ci/real-programs``: its text is the usage."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

from crunw.aot.options import BEST, FAST
from crunw.workload import WASMTIME
from real_programs import sources, table
from real_programs.judging import judge
from real_programs.running import Case, Compiled, Outcome

KEEP = sources.KEPT / "figures"
REPEAT = 5  # runs of what is soon done, for the table: other work on the machine slows some of them
QUICK = 270_000  # bytes: of larger modules --quick makes the first tier only


def main() -> int:
    parser = argparse.ArgumentParser(prog="ci/real-programs")
    parser.add_argument("--quick", action="store_true", help="the ten smallest")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="some of them")
    parser.add_argument("--table", action="store_true", help="make docs/real-programs.md anew")
    parser.add_argument("--tier", choices=("0", "1"), help="one tier only")
    parser.add_argument("--levels", action="store_true", help="each level of the better tier, too")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures")
    parser.add_argument(
        "--list", type=Path, default=sources.LIST, metavar="FILE", help="other programs"
    )
    options = parser.parse_args()
    programs = sources.listed(options.list)
    entries = [one for one in programs if not options.only or one["name"] in options.only]
    if options.quick:
        entries = [one for one in entries if one.get("quick")]
    figures, failed = [], 0
    with tempfile.TemporaryDirectory(prefix="real-programs-") as directory:
        for entry in entries:
            try:
                found = measure(entry, Path(directory), options)
            except (RuntimeError, OSError) as error:
                found = {"name": entry["name"], "wrong": [f"can't be had: {error}"]}
            figures.append(found)
            if options.table and not found["wrong"]:
                keep(found)
            failed += bool(found["wrong"])
            print(table.line(found), flush=True)
            for problem in found["wrong"]:
                print(f"  {problem}", flush=True)
    if options.json:
        options.json.write_text(json.dumps(figures, indent=1) + "\n")
    if options.table:
        table.write(kept(programs))
    print(table.summary(figures))
    print(f"{len(figures) - failed} passed, {failed} failed")
    return 1 if failed or not figures else 0


def keep(found: dict[str, Any]) -> None:
    """Have the page know it, until a later run finds something else."""
    KEEP.mkdir(parents=True, exist_ok=True)
    (KEEP / f"{found['name']}.json").write_text(json.dumps(found))


def kept(programs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What this and earlier runs with ``--table`` have found."""
    paths = [KEEP / f"{entry['name']}.json" for entry in programs]
    return [json.loads(path.read_text()) for path in paths if path.exists()]


def measure(entry: dict[str, Any], directory: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Run one program in all ways: its figures, and under ``wrong`` what is not as it must be."""
    case = Case(entry, directory, REPEAT if options.table else 1)
    engine, reference = case.reference() if "refused" not in entry else ("none", Outcome())
    wrong = []
    if "refused" not in entry and reference.status != entry.get("status", 0):
        wrong.append(f"{engine}: status {reference.status}: {reference.says}")
    runs: dict[str, Outcome] = {}
    compiled: dict[str, Compiled] = {}
    for name, wanted in tiers(entry, case, options).items():
        if not runs:
            runs["interpreted"] = case.first_start(wanted)
            compiled[name] = case.wait_for_code() if "refused" not in entry else Compiled()
        else:
            compiled[name] = case.compile(wanted)
        if compiled[name].level:
            runs[name] = case.next_start()
        elif "refused" not in entry and not is_known(entry, name, compiled[name].problem):
            wrong.append(f"{name}: {compiled[name].problem}")
    for name, outcome in runs.items():
        if problem := judge(entry, name, outcome, reference):
            wrong.append(f"{name}: {problem}")
    return {
        **{
            key: entry[key]
            for key in ("name", "language", "refused", "note", "component")
            if key in entry
        },
        "source": next(
            entry[kind] for kind in ("pypi", "npm", "go", "crate", "c") if kind in entry
        ),
        "size": case.size,
        "start": case.nothing(),
        "reference": {"engine": engine, **reference.summary()},
        "runs": {name: outcome.summary() for name, outcome in runs.items()},
        "compiled": {name: asdict(one) for name, one in compiled.items()},
        "wrong": wrong,
    }


def is_known(entry: dict[str, Any], name: str, problem: str) -> bool:
    """Whether it is no news that there is no code: its start then has that of the first tier."""
    known = entry.get("no-tier-1")
    return name.startswith("-O") or (name == "tier 1" and known is not None and known in problem)


def tiers(entry: dict[str, Any], case: Case, options: argparse.Namespace) -> dict[str, Any]:
    """The levels that are tried for each tier."""
    if entry.get("engine") == WASMTIME:
        return {"tier 1": BEST[:1]}
    found: dict[str, Any] = {"tier 0": (FAST,), "tier 1": BEST}
    if options.tier:
        found = {name: levels for name, levels in found.items() if name.endswith(options.tier)}
    if options.quick and case.size > QUICK:
        found.pop("tier 1", None)
    if options.levels:
        found |= {f"-O{level}": (level,) for level in BEST}
    return found


sys.exit(main())
