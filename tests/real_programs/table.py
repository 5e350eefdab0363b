"""What ``ci/real-programs`` has found, as text."""

from __future__ import annotations

import statistics
from pathlib import Path
from typing import Any

DOCUMENT = Path(__file__).parents[2] / "docs/real-programs.md"
INTERPRETER = 5  # s of processor time that a program may take without code
TOO_SLOW = 128 + 24  # SIGXCPU
KILLED = 128 + 9
LEAST = 0.05  # s: what natively takes less tells nothing

HEAD = """\
# Real programs

Programs of others, fetched from PyPI, npm, crates.io and the Go module proxy, each doing some work
on files in a container of the installed crunw. What they write, to standard output and files, and
their exit status are, byte for byte, those of the reference: the native program of the same source
where there is one, else what the table names. `ci/real-programs --table` makes this page;
`tests/real_programs/programs.toml` says what is run.

Times are seconds of processor time, start and end of the container included, on a shared machine of
two cores that was busy with other work: rough; of what is soon done the fastest of five runs
counts. Memory is what was resident at most, in MB. Tier 0 is `-O0`; tier 1 is `-O1`, or, where the
level stands beside the time, what LLVM could do instead. An interpreter is ended after 5 s. `-`:
not measured. Wasmtime's time is without its own compiler's.
"""
COMPONENTS = """\
## Components

Some of these programs as components of WASI 0.2, which wasmtime executes: those in Rust built for
`wasm32-wasip2`, the others for WASI preview 1 and given its adapter. The first start compiles, in
the container; the next ones have the code from the cache.

| component | language | MB | reference | its time | first start | next | compiling | memory |
|-|-|-|-|-|-|-|-|-|"""


def is_too_slow(run: dict[str, Any]) -> bool:
    return run["status"] in (TOO_SLOW, KILLED) and run["seconds"] > 0.7 * INTERPRETER


def line(found: dict[str, Any]) -> str:
    """One program, while the suite runs."""
    if "runs" not in found:
        return f"{found['name']}: -"
    runs = {found["reference"]["engine"]: found["reference"], **found["runs"]}
    times = ", ".join(f"{name} {_time(run)}" for name, run in runs.items())
    code = ", ".join(
        f"{name} {one['seconds']:.1f} s (-O{one['level'] or ' none'})"
        for name, one in found["compiled"].items()
    )
    return f"{found['name']} ({found['size'] / 1e6:.2f} MB): {times}; compiled: {code}"


def summary(figures: list[dict[str, Any]]) -> str:
    """The geometric means of the tiers in terms of native, over programs that have run compiled."""
    lines = []
    for tier in ("tier 0", "tier 1", "-O1", "-O2"):
        ratios = [
            max(one["runs"][tier]["seconds"] - one["start"], 0.001) / one["reference"]["seconds"]
            for one in figures
            if one.get("reference", {}).get("engine") == "native"
            and tier in one["runs"]
            and not {"refused", "component"} & one.keys()
            and one["reference"]["seconds"] >= LEAST
        ]
        if ratios:
            lines.append(
                f"{tier} in terms of native, without start and end of the container, geometric mean"
                f" of {len(ratios)} programs: {statistics.geometric_mean(ratios):.2f}"
            )
    return "\n".join(lines)


def write(figures: list[dict[str, Any]]) -> None:
    """Make the page."""
    good = [one for one in figures if "runs" in one]
    ran = [one for one in good if not {"refused", "component"} & one.keys()]
    languages = sorted({one["language"] for one in ran})
    titles = (
        "program | language | MB | reference | its time | interpreted | tier 0 | tier 1"
        " | compiling: 0, 1 | memory: reference, interpreted, tiers"
    )
    rows = [f"| {titles} |", "|-|-|-|-|-|-|-|-|-|-|", *(_row(one) for one in ran)]
    parts = [HEAD, f"{len(ran)} programs in {len(languages)} languages: {', '.join(languages)}.\n"]
    if found := summary(good):
        parts.append(found.replace("\n", ".  \n") + f". Native programs of {LEAST} s or more.\n")
    parts += ["\n".join(rows) + "\n"]
    notes = [f"- {one['name']}: {one['note']}" for one in ran if "note" in one]
    notes += [
        f"- {one['name']}: {_missing(one)}: {one['compiled']['tier 1']['problem']}"
        for one in ran
        if one["compiled"].get("tier 1", {}).get("problem")
    ]
    if notes:
        parts.append("\n".join(notes) + "\n")
    components = [one for one in good if "component" in one and "refused" not in one]
    if components:
        parts.append(COMPONENTS)
        parts.append("\n".join(_component(one) for one in components) + "\n")
    if refused := [one for one in good if "refused" in one]:
        parts.append("## Refused\n\nWhat can't be run, and what crunw says.\n")
        parts.append("\n".join(_refused(one) for one in refused) + "\n")
    DOCUMENT.write_text("\n".join(parts))


def _missing(one: dict[str, Any]) -> str:
    return "no `-O1`" if one["compiled"]["tier 1"]["level"] else "neither `-O1` nor `-O2`"


def _row(one: dict[str, Any]) -> str:
    runs, compiled, reference = one["runs"], one["compiled"], one["reference"]
    better = compiled.get("tier 1", {}).get("level", "")
    ways = ("interpreted", "tier 0", "tier 1")
    cells = [
        f"{one['name']}",
        one["language"],
        f"{one['size'] / 1e6:.2f}",
        reference["engine"],
        _time(reference),
        *(_time(runs[way]) if way in runs else "-" for way in ways),
        ", ".join(
            f"{compiled[tier]['seconds']:.1f}" if tier in compiled else "-"
            for tier in ("tier 0", "tier 1")
        ),
        ", ".join(
            f"{run['memory'] / 1e6:.0f}"
            for run in (reference, *(runs[way] for way in ways if way in runs))
        ),
    ]
    if better not in ("", "1"):
        cells[7] += f" (`-O{better}`)"
    return f"| {' | '.join(cells)} |"


def _component(one: dict[str, Any]) -> str:
    """Its row."""
    first, later = one["runs"]["interpreted"], one["runs"]["tier 1"]
    cells = [
        one["name"].removesuffix("-component"),
        one["language"],
        f"{one['size'] / 1e6:.2f}",
        one["reference"]["engine"],
        *(_time(run) for run in (one["reference"], first, later)),
        f"{one['compiled']['tier 1']['seconds']:.1f}",
        ", ".join(f"{run['memory'] / 1e6:.0f}" for run in (one["reference"], first, later)),
    ]
    return f"| {' | '.join(cells)} |"


def _refused(one: dict[str, Any]) -> str:
    said = one["runs"]["interpreted"]["says"].splitlines()
    title = f"**{one['name']}** ({one['language']}, {one['size'] / 1e6:.1f} MB)"
    return f"- {title}: `{said[-1] if said else ''}`"


def _time(run: dict[str, Any]) -> str:
    if is_too_slow(run):
        return f"> {INTERPRETER}"
    return f"{run['seconds']:.2f}"
