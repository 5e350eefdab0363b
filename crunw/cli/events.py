"""``crunw events``."""

from __future__ import annotations

import json
import sys

from crunw.cli.options import Option, Parsed
from crunw.cli.start import one_id
from crunw.effects.store import default_root
from crunw.errors import UsageError
from crunw.lifecycle.events import follow, statistics

USAGE = "[OPTION…] ID"
ABOUT = "Print what a container uses and when it runs out of memory, a line of JSON each."
INTERSPERSED = True
OPTIONS = (
    Option("stats", "print the statistics once"),
    Option("interval", "time between statistics (default: 5s)", "DURATION"),
)
_SECONDS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}


def run(parsed: Parsed, given: Parsed) -> int:
    """Print the events."""
    root, container_id = given.text("root") or default_root(), one_id(parsed)
    interval = duration(parsed.text("interval", "5s"))
    once = parsed.flag("stats")
    events = [statistics(root, container_id)] if once else follow(root, container_id, interval)
    for event in events:
        sys.stdout.write(json.dumps(event, separators=(",", ":")) + "\n")
        sys.stdout.flush()
    return 0


def duration(text: str) -> float:
    """``500ms``, ``5s``, ``1m30s`` (Go's durations) in seconds. Raises :class:`UsageError`."""
    total, rest = 0.0, text
    while rest:
        number = rest[: len(rest) - len(rest.lstrip("0123456789."))]
        rest = rest[len(number) :]
        unit = rest[: len(rest) - len(rest.lstrip("nuµmsh"))]
        rest = rest[len(unit) :]
        try:
            total += float(number) * _SECONDS[unit]
        except (KeyError, ValueError):
            raise UsageError(
                f"--interval: {text!r} is not a duration such as 500ms or 1m30s"
            ) from None
    if total <= 0:
        raise UsageError(f"--interval: {text!r} must be greater than zero")
    return total
