"""``crunw pause``."""

from __future__ import annotations

from crunw.cli.start import one_id
from crunw.effects.store import default_root
from crunw.lifecycle.pause import pause

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crunw.cli.options import Option, Parsed

USAGE = "ID"
ABOUT = "Stop all processes of a running container until `crunw resume`."
INTERSPERSED = True
OPTIONS: tuple[Option, ...] = ()


def run(parsed: Parsed, given: Parsed) -> int:
    """Pause the container."""
    pause(given.text("root") or default_root(), one_id(parsed))
    return 0
