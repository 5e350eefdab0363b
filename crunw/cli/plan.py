"""``crunw plan``."""

from __future__ import annotations

import sys

from crunw.cli.create import cgroup_manager
from crunw.cli.options import Option, Parsed
from crunw.effects.store import default_root
from crunw.errors import UsageError
from crunw.lifecycle.plan import plan_document, plan_text
from crunw.lifecycle.request import Request

USAGE = "[OPTION…]"
ABOUT = "Print what `create` would do with a bundle, step by step. Changes nothing."
INTERSPERSED = True
OPTIONS = (
    Option("bundle", "directory of config.json (default: .)", "DIR", "b"),
    Option("format", "text (default) or json", "FORMAT", "f", choices=("text", "json")),
)


def run(parsed: Parsed, given: Parsed) -> int:
    """Print the plan."""
    if parsed.arguments:
        raise UsageError(f"unexpected argument {parsed.arguments[0]!r}")
    asked = Request(given.text("root") or default_root(), "ID", parsed.text("bundle", "."))
    asked.cgroup_manager = cgroup_manager(given)
    document = plan_document(asked)
    if parsed.text("format") == "json":
        import json

        sys.stdout.write(json.dumps(document, indent=2) + "\n")
    else:
        sys.stdout.write(plan_text(document))
    return 0
