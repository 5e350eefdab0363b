"""What a check of the host found."""

from __future__ import annotations

from typing import NamedTuple

OK = "ok"
WARNING = "warning"
MISSING = "missing"


class Finding(NamedTuple):
    """``status``: :data:`OK`, :data:`WARNING` (something works less well, or not at all that not
    everybody needs) or :data:`MISSING` (crunw does not do its work). ``advice``: what to do.
    """

    check: str
    status: str
    found: str
    advice: str = ""


def read(path: str) -> str:
    """The text of a file of the kernel or an engine; ``""`` when it can't be read."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""
