"""``crunw delete``."""

from __future__ import annotations

from crunw.cli.options import Option, Parsed
from crunw.cli.start import one_id
from crunw.effects.store import default_root
from crunw.lifecycle.delete import delete

USAGE = "[OPTION…] ID"
ABOUT = "Delete a stopped container."
INTERSPERSED = True
OPTIONS = (Option("force", "kill it first if it runs; a missing one is no error", short="f"),)


def run(parsed: Parsed, given: Parsed) -> int:
    """Delete the container."""
    delete(given.text("root") or default_root(), one_id(parsed), parsed.flag("force"))
    return 0
