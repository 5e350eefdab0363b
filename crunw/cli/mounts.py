"""``crunw mounts``."""

from __future__ import annotations

from crunw.effects.store import default_root
from crunw.errors import UsageError
from crunw.lifecycle.mounts import add_mounts, remove_mounts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crunw.cli.options import Option, Parsed

USAGE = "add|remove ID FILE"
ABOUT = """Change the mounts of a running container.

FILE holds a list of mounts as in config.json, or an object with it as "mounts"; -: standard input.
`add` mounts them, `remove` unmounts their destinations."""
INTERSPERSED = True
OPTIONS: tuple[Option, ...] = ()

_ACTIONS = {"add": add_mounts, "remove": remove_mounts}


def run(parsed: Parsed, given: Parsed) -> int:
    """Add or remove the mounts."""
    words = parsed.arguments
    if not words or words[0] not in _ACTIONS:
        raise UsageError(
            f"mounts: {words[0]!r} is not an action" if words else "add or remove is needed"
        )
    if len(words) != 3:
        raise UsageError(f"mounts {words[0]}: a container id and a file are needed")
    _ACTIONS[words[0]](given.text("root") or default_root(), words[1], words[2])
    return 0
