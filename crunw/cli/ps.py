"""``crunw ps``."""

from __future__ import annotations

import sys

from crunw.cli.options import Option, Parsed
from crunw.effects.store import default_root
from crunw.errors import CrunwError, UsageError
from crunw.files import lines
from crunw.lifecycle.listing import pids

USAGE = "[OPTION…] ID [PS-OPTION…]"
ABOUT = "List the processes of a container, with the options of ps(1) (default: -ef)."
INTERSPERSED = False
OPTIONS = (
    Option(
        "format",
        "table (default) or json: the process ids",
        "FORMAT",
        "f",
        choices=("table", "json"),
    ),
)


def run(parsed: Parsed, given: Parsed) -> int:
    """Print the processes."""
    if not parsed.arguments:
        raise UsageError("a container id is needed")
    found = pids(given.text("root") or default_root(), parsed.arguments[0])
    if parsed.text("format") == "json":
        sys.stdout.write(f"{found}\n")
    else:
        sys.stdout.write(_rows(found, parsed.arguments[1:] or ["-ef"]))
    return 0


def _rows(pids: list[int], options: list[str]) -> str:
    """The lines of ps(1) that are about ``pids``, found by its PID column."""
    import subprocess

    try:
        command = ["ps", *options]  # found on PATH, as users expect of ps
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    except FileNotFoundError:
        raise CrunwError(
            "ps: the program ps is not installed; --format json does without"
        ) from None
    except subprocess.CalledProcessError as error:
        raise CrunwError(f"ps {' '.join(options)}: {error.stderr.strip()}") from None
    header, *rows = lines(done.stdout)
    if "PID" not in header.split():
        raise CrunwError(f"ps {' '.join(options)}: the output has no PID column")
    column = header.split().index("PID")
    wanted = {str(pid) for pid in pids}
    kept = [line for line in rows if line.split()[column] in wanted]
    return "\n".join([header, *kept]) + "\n"
