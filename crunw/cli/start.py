"""``crunw start``."""

from __future__ import annotations

from crunw.effects.store import default_root
from crunw.errors import UsageError
from crunw.lifecycle.start import start

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crunw.cli.options import Option, Parsed

USAGE = "ID"
ABOUT = "Start a created container: its process executes the program."
INTERSPERSED = True
OPTIONS: tuple[Option, ...] = ()


def one_id(parsed: Parsed) -> str:
    """Return the one argument, the container's id. Raises :class:`UsageError`."""
    if len(parsed.arguments) != 1:
        raise UsageError(f"one container id is needed, {len(parsed.arguments)} arguments given")
    return parsed.arguments[0]


def run(parsed: Parsed, given: Parsed) -> int:
    """Start the container."""
    start(given.text("root") or default_root(), one_id(parsed))
    return 0
