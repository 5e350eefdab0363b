"""``crunw report FD``: raise the error that a container's process has reported.

The launcher's ``start`` calls it: errors are told here and nowhere else.
"""

from __future__ import annotations

from crunw.effects.init import raise_report, read_all

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crunw.cli.options import Option, Parsed

USAGE = "FD"
ABOUT = "Print the error report in an inherited descriptor."
INTERSPERSED = True
OPTIONS: tuple[Option, ...] = ()


def run(parsed: Parsed, given: Parsed) -> int:
    """Raise the error."""
    raise_report(read_all(int(parsed.arguments[0])))
    return 1
