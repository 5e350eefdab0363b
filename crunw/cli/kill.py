"""``crunw kill``."""

from __future__ import annotations

from crunw.cli.delete import for_each
from crunw.cli.options import Option, Parsed
from crunw.effects.store import default_root
from crunw.errors import UsageError
from crunw.lifecycle.kill import kill, signal_number

USAGE = "[OPTION…] ID [SIGNAL]"
ABOUT = "Send a signal (default: TERM) to the first process of a container."
INTERSPERSED = True
OPTIONS = (
    Option("all", "to every process of the container", short="a"),
    Option("regex", "ID is a regular expression: all containers whose id has a match", short="r"),
)


def run(parsed: Parsed, given: Parsed) -> int:
    """Send the signal."""
    words = parsed.arguments
    if len(words) not in (1, 2):
        raise UsageError("a container id and at most one signal are needed")
    number = signal_number(words[1] if len(words) == 2 else "TERM")
    root = given.text("root") or default_root()
    every = parsed.flag("all")
    for_each(root, words[0], parsed, lambda container_id: kill(root, container_id, number, every))
    return 0
