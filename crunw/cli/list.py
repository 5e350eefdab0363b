"""``crunw list``."""

from __future__ import annotations

import sys

from crunw.cli.options import Option, Parsed
from crunw.cli.table import table
from crunw.effects.store import default_root
from crunw.errors import UsageError
from crunw.lifecycle.listing import states

USAGE = "[OPTION…]"
ABOUT = "List the containers below the root directory."
INTERSPERSED = True
OPTIONS = (
    Option("format", "table (default) or json", "FORMAT", "f", choices=("table", "json")),
    Option("quiet", "only the ids", short="q"),
)
_COLUMNS = ("id", "pid", "status", "bundle", "created", "owner")


def run(parsed: Parsed, given: Parsed) -> int:
    """Print the list."""
    if parsed.arguments:
        raise UsageError(f"unexpected argument {parsed.arguments[0]!r}")
    found = states(given.text("root") or default_root())
    if parsed.flag("quiet"):
        text = "".join(f"{state['id']}\n" for state in found)
    elif parsed.text("format") == "json":
        import json

        text = json.dumps(found) + "\n"
    else:
        rows = [[str(state[column]) for column in _COLUMNS] for state in found]
        text = table([column.upper() for column in _COLUMNS], rows)
    sys.stdout.write(text)
    return 0
