"""``crunw resume``."""

from __future__ import annotations

from crunw.cli.start import one_id
from crunw.effects.store import default_root
from crunw.lifecycle.pause import resume

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crunw.cli.options import Option, Parsed

USAGE = "ID"
ABOUT = "Let the processes of a paused container go on."
INTERSPERSED = True
OPTIONS: tuple[Option, ...] = ()


def run(parsed: Parsed, given: Parsed) -> int:
    """Resume the container."""
    resume(given.text("root") or default_root(), one_id(parsed))
    return 0
