"""``crunw features``."""

from __future__ import annotations

import json
import sys

from crunw.errors import UsageError
from crunw.lifecycle.features import features

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crunw.cli.options import Option, Parsed

USAGE = ""
ABOUT = "Print what this build supports, as JSON (features.md of the runtime specification)."
INTERSPERSED = True
OPTIONS: tuple[Option, ...] = ()


def run(parsed: Parsed, given: Parsed) -> int:
    """Print the document."""
    if parsed.arguments:
        raise UsageError(f"unexpected argument {parsed.arguments[0]!r}")
    sys.stdout.write(json.dumps(features(), indent=2) + "\n")
    return 0
