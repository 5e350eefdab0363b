"""``crunw top``."""

from __future__ import annotations

import gc
import os
import sys
import time
from typing import TYPE_CHECKING

from crunw.cli.events import duration
from crunw.cli.options import Option, Parsed
from crunw.cli.usage import ORDERS, ordered, text
from crunw.effects.store import default_root
from crunw.lifecycle.usage import Meter

if TYPE_CHECKING:
    from typing import Any

    Row = dict[str, Any]

USAGE = "[OPTION…] [ID…]"
ABOUT = """\
Show what containers use, all of this host or those that are named: a table that is renewed.

On a terminal, the keys c, m, p, i and n sort by CPU, memory, processes, instructions and name,
and q ends it. Where standard output is not a terminal the table is printed once."""
INTERSPERSED = True
OPTIONS = (
    Option(
        "format",
        "table (default) or json: a line each time",
        "FORMAT",
        "f",
        choices=("table", "json"),
    ),
    Option("interval", "time between two measurements (default: 1s)", "DURATION"),
    Option("once", "print it once"),
    Option(
        "sort",
        "cpu (default), memory, pids, instructions or id",
        "COLUMN",
        choices=ORDERS,
    ),
)


def run(parsed: Parsed, given: Parsed) -> int:
    """Print the tables."""
    gc.enable()  # this may take days
    interval = duration(parsed.text("interval", "1s"))
    meter = Meter(given.text("root") or default_root(), parsed.arguments)
    order = parsed.text("sort", "cpu")
    as_json = parsed.text("format") == "json"
    once = parsed.flag("once")
    if not (once or as_json) and _has_terminal():
        from crunw.cli.live import show

        show(meter, interval, order)
        return 0
    meter.measure()
    while True:
        time.sleep(interval)
        rows = ordered(meter.measure(), order)
        sys.stdout.write(_json(rows) if as_json else text(rows))
        sys.stdout.flush()
        if once or not as_json:
            return 0


def _has_terminal() -> bool:
    return os.isatty(0) and os.isatty(1) and os.environ.get("TERM", "dumb") != "dumb"


def _json(rows: list[Row]) -> str:
    import json

    return json.dumps(rows, separators=(",", ":")) + "\n"
