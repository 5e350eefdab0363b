"""``crunw install``."""

from __future__ import annotations

import os
import sys

from crunw import paths
from crunw.cli.options import Option, Parsed
from crunw.errors import CrunwError, UsageError
from crunw.setup.engines import ENGINES, NEXT_STEP

USAGE = f"[OPTION…] {'|'.join(ENGINES)}"
ABOUT = "Make crunw a runtime of an engine: change the engine's configuration, print the changes."
INTERSPERSED = True
OPTIONS = (
    Option("default", "make it the runtime of all containers"),
    Option("dry-run", "only print the changes"),
    Option("uninstall", "take the changes back"),
    Option("etc", "directory of the configurations (default: /etc)", "DIR"),
)


def run(parsed: Parsed, given: Parsed) -> int:
    """Print the changes, make them, and say what is left to do."""
    if len(parsed.arguments) != 1 or parsed.arguments[0] not in ENGINES:
        raise UsageError(f"one engine is needed: {', '.join(ENGINES)}")
    engine = parsed.arguments[0]
    program = os.path.join(paths.bin_dir(), "crunw")
    if not os.access(program, os.X_OK):
        raise CrunwError(f"{program}: is not there; install crunw first")
    changes = [
        change
        for change in ENGINES[engine](
            parsed.text("etc", "/etc").rstrip("/"),
            program,
            default=parsed.flag("default"),
            uninstall=parsed.flag("uninstall"),
        )
        if change.before != change.after
    ]
    for change in changes:
        sys.stdout.write(change.diff())
    if parsed.flag("dry-run"):
        return 0
    for change in changes:
        change.apply()
    if not changes:
        sys.stderr.write(f"{engine}: nothing to change\n")
    elif engine in NEXT_STEP:
        step = NEXT_STEP[engine][parsed.flag("uninstall")]
        sys.stderr.write(f"next: {step.format(path=changes[0].path)}\n")
    return 0
