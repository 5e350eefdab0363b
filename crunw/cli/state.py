"""``crunw state``."""

from __future__ import annotations

import sys

from crunw.cli.options import Option, Parsed
from crunw.cli.start import one_id
from crunw.effects.store import Container, default_root
from crunw.lifecycle.state import current, document
from crunw.spec.jsontext import dumps

USAGE = "ID"
ABOUT = "Print the state of a container as JSON."
INTERSPERSED = True
OPTIONS: tuple[Option, ...] = ()


def run(parsed: Parsed, given: Parsed) -> int:
    """Print the state document."""
    container = Container(given.text("root") or default_root(), one_id(parsed))
    record = container.read()
    state = document(container, record, current(container, record))
    sys.stdout.write(dumps(state, indent=2) + "\n")
    return 0
