"""``crunw report ID FD``: print what a container's process has reported: notices, an error.

The launcher's ``start`` calls it: Python alone prints errors and notices.
"""

from __future__ import annotations

from crunw import notices
from crunw.effects.init import follow_reports, read_all
from crunw.effects.store import Container, default_root
from crunw.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crunw.cli.options import Option, Parsed

USAGE = "ID FD"
ABOUT = "Print the reports in an inherited descriptor."
INTERSPERSED = True
OPTIONS: tuple[Option, ...] = ()


def run(parsed: Parsed, given: Parsed) -> int:
    """Tell the notices, raise the error."""
    if len(parsed.arguments) != 2 or not parsed.arguments[1].isdecimal():
        raise UsageError("report: only crunw itself calls this")
    container_id, descriptor = parsed.arguments
    container = Container(given.text("root") or default_root(), container_id)
    notices.keep_in(container.notices_file())
    follow_reports(read_all(int(descriptor)))
    return 0
