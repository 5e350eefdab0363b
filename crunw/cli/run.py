"""``crunw run``."""

from __future__ import annotations

from crunw.cli import create as create_verb
from crunw.cli.options import Option, Parsed
from crunw.lifecycle.run import run as run_container

USAGE = "[OPTION…] ID"
ABOUT = "Create and start a container, wait for its end and delete it; exits with its status."
INTERSPERSED = True
OPTIONS = (
    *create_verb.OPTIONS,
    Option("detach", "return when the container runs", short="d"),
    Option("keep", "do not delete the container when it has ended"),
)


def run(parsed: Parsed, given: Parsed) -> int:
    """Run the container; return its exit status."""
    return run_container(
        create_verb.request(parsed, given),
        detach=parsed.flag("detach"),
        keep=parsed.flag("keep"),
    )
