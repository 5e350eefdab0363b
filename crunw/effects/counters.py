"""What a container's module has used, as ``crunw-init`` publishes it (``struct plan_counters``)."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    Counters = dict[str, int]

_NAMES = ("instructions", "gas", "time")


def counters(path: str) -> Counters | None:
    """Return instructions, gas and time (ns since the start); ``None`` where nobody counts."""
    try:
        with open(path, "rb", buffering=0) as file:
            data = file.read(8 * len(_NAMES))
    except OSError:
        return None
    from sys import byteorder

    return {
        name: int.from_bytes(data[8 * number : 8 * number + 8], byteorder)
        for number, name in enumerate(_NAMES)
    }
