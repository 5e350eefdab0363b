"""``crunw state``."""

from __future__ import annotations

import sys

from crunw.cli.start import one_id
from crunw.effects.store import Container, default_root
from crunw.lifecycle.state import current, state_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crunw.cli.options import Option, Parsed

USAGE = "ID"
ABOUT = "Print the state of a container as JSON."
INTERSPERSED = True
OPTIONS: tuple[Option, ...] = ()


def run(parsed: Parsed, given: Parsed) -> int:
    """Print the state document."""
    container = Container(given.text("root") or default_root(), one_id(parsed))
    record = container.read()
    text = state_text(container, record, current(container, record))
    sys.stdout.write(f"{text}\n")
    return 0
