"""The fast record, from which the launcher answers ``state``, ``start``, ``kill`` and ``delete``.

Format: ``csrc/launcher/launcher.h``. It repeats what the record of :mod:`crunw.effects.store` says,
and is written before that; where it is missing, Python does the work. Where the record is damaged,
``delete --force`` finds the container's process and cgroup by this one.
"""

from __future__ import annotations

from crunw.contract import (
    FAST_MAGIC,
    FAST_POSTSTART,
    FAST_POSTSTOP,
    FAST_SHARED_PIDS,
    FAST_VERSION,
)
from crunw.oci.jsontext import dumps, loads

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    Record = dict[str, Any]

_STRINGS = 7


def encode(
    pid: int,
    started: int,
    work: Sequence[str],
    state: tuple[str, str, str],
    freezer: tuple[str, str],
    directories: Sequence[str],
    record: Record,
) -> str:
    """Return the record.

    ``work``: what is left to Python: ``poststart``, ``poststop``, ``sharedPids`` (SIGKILL is for
    all processes, there being no pid namespace that ends with the first).
    ``state``: the state document cut where pid and status go; ``freezer``: the file that says
    whether the cgroup is frozen and its content when it is not; ``directories``: the cgroup's, in
    the order of removal; ``record``: what the launcher does not read: for :func:`decode`.
    """
    flags = FAST_POSTSTART * ("poststart" in work) | FAST_POSTSTOP * ("poststop" in work)
    flags |= FAST_SHARED_PIDS * ("sharedPids" in work)
    numbers = b"".join(number.to_bytes(8, "little") for number in (pid, started, flags))
    listed = "".join(f"{directory}\n" for directory in directories)
    texts = b"".join(_string(text) for text in (*state, *freezer, listed, dumps(record)))
    data = FAST_MAGIC + FAST_VERSION.to_bytes(4, "little") + numbers + texts
    return data.decode("utf-8", "surrogateescape")


def decode(data: bytes) -> Record | None:
    """Return the ``record`` of :func:`encode`, the last string of the file; None: it is damaged."""
    head = len(FAST_MAGIC) + 4
    if data[:head] != FAST_MAGIC + FAST_VERSION.to_bytes(4, "little"):
        return None
    at, text = head + 3 * 8, b""
    for _ in range(_STRINGS):
        length = int.from_bytes(data[at : at + 4], "little")
        text = data[at + 4 : at + 4 + length]
        at += 4 + length + 1
    try:
        record = loads(text.decode()) if len(data) == at else None
    except ValueError:
        return None
    return record if isinstance(record, dict) else None


def _string(text: str) -> bytes:
    data = text.encode("utf-8", "surrogateescape")
    return len(data).to_bytes(4, "little") + data + b"\0"
