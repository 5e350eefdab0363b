"""What a check of the host found."""

from __future__ import annotations

from typing import NamedTuple

from crunw.errors import KernelError

OK = "ok"
INFO = "info"
WARNING = "warning"
BROKEN = "broken"


class Finding(NamedTuple):
    """``status``: :data:`OK`; :data:`INFO` (nothing is wrong: what is not there need not be);
    :data:`WARNING` (something works less well than it could) or :data:`BROKEN` (something that
    crunw is asked for does not work). ``advice``: what to do.
    """

    check: str
    status: str
    found: str
    advice: str = ""


def read(path: str) -> str:
    """The text of a file of the kernel; ``""``: it has none. Raises :class:`KernelError`."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except FileNotFoundError:
        return ""
    except OSError as error:
        raise KernelError("read", path, error) from None
