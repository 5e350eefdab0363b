"""Results as text and as JSON."""

from __future__ import annotations

import json
import os
import platform
import shutil
import statistics
import subprocess
from typing import TYPE_CHECKING, Any

from benchmarks.measure import quartiles

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from benchmarks.measure import Result
    from benchmarks.targets import Check

_PROGRAMS = ("crunw", "crun", "runc", "wasmedge")


def line(result: Result) -> str:
    """One line: medians, and crunw's ratio to each of the others with its quartiles."""
    parts = []
    for subject in result.samples:
        text = f"{subject} {_quantity(result.median(subject), result.unit)}"
        if subject != "crunw" and "crunw" in result.samples:
            ratio, low, high = result.ratio("crunw", subject)
            text += f" x{ratio:.3g}"
            if result.paired:
                text += f" ({low:.3g} to {high:.3g})"
            if result.processor:
                text += f" cpu x{result.processor_ratio('crunw', subject)[0]:.3g}"
        parts.append(text)
    return f"{result.title:<58} {' | '.join(parts)}"


def checks(all_checks: Sequence[Check]) -> str:
    """A line for each target."""
    lines = ["", f"{'target':<56}   {'limit':<7}{'ratio':<10}processor time"]
    for each in all_checks:
        name = f"{each.target.title} / {each.target.other}"
        ratio = f"{each.ratio:.3g}{'' if each.met else ' !'}"
        processor = "" if each.processor is None else f"{each.processor:.3g}"
        lines.append(f"{name:<56} ≤ {each.target.limit:<7.3g}{ratio:<10}{processor}".rstrip())
    missed = sum(not each.met for each in all_checks)
    return "\n".join([*lines, f"{len(all_checks) - missed} met, {missed} missed (!)"])


def as_json(project: Path, results: Sequence[Result], all_checks: Sequence[Check]) -> str:
    """Everything: the machine, versions, all samples, ratios, targets."""
    document = {
        "machine": _machine(),
        "versions": {name: _version(name) for name in _PROGRAMS},
        "commit": _output("git", "-C", str(project), "rev-parse", "HEAD"),
        "results": [_result(result) for result in results],
        "targets": [
            {
                "title": each.target.title,
                "other": each.target.other,
                "limit": each.target.limit,
                "ratio": _rounded(each.ratio),
                "processor_ratio": each.processor and _rounded(each.processor),
                "met": each.met,
            }
            for each in all_checks
        ],
    }
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"


def _result(result: Result) -> dict[str, Any]:
    subjects: dict[str, dict[str, Any]] = {}
    for subject, samples in result.samples.items():
        low, high = quartiles(samples)
        subjects[subject] = {
            "median": _rounded(result.median(subject)),
            "quartiles": [_rounded(low), _rounded(high)],
            "least": _rounded(min(samples)),
            "count": len(samples),
        }
        if result.processor:
            processor = statistics.median(result.processor[subject])
            subjects[subject]["processor"] = _rounded(processor)
        if subject != "crunw" and "crunw" in result.samples:
            ratio, low, high = result.ratio("crunw", subject)
            subjects[subject]["crunw"] = {
                "ratio": _rounded(ratio),
                "quartiles": [_rounded(low), _rounded(high)],
            }
            if result.processor:
                ratio = result.processor_ratio("crunw", subject)[0]
                subjects[subject]["crunw"]["processor_ratio"] = _rounded(ratio)
    return {
        "key": result.key,
        "title": result.title,
        "unit": result.unit,
        "paired": result.paired,
        "subjects": subjects,
    }


def _rounded(value: float) -> float:
    return float(f"{value:.5g}")


def _quantity(value: float, unit: str) -> str:
    """A number with a prefix that leaves one to four digits before the point."""
    if unit == "B":
        return f"{value / 1e6:.3g} MB"
    return f"{value:.3g} s" if value >= 1 else f"{value * 1000:.3g} ms"


def _machine() -> dict[str, Any]:
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        models = [text.partition(":")[2].strip() for text in file if text.startswith("model name")]
    return {
        "system": platform.freedesktop_os_release()["PRETTY_NAME"],
        "kernel": platform.release(),
        "processor": models[0] if models else platform.machine(),
        "processors": os.cpu_count(),
        "load": os.getloadavg(),
    }


def _version(name: str) -> str:
    program = shutil.which(name)
    return _output(program, "--version").splitlines()[0] if program else ""


def _output(*argv: str) -> str:
    return subprocess.run(argv, check=False, capture_output=True, text=True).stdout.strip()
