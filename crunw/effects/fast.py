"""The fast record, from which the launcher answers ``state``, ``start``, ``kill`` and ``delete``.

Format: ``csrc/launcher/launcher.h``. It repeats what the record of :mod:`crunw.effects.store` says,
and is written before that; where it is missing, Python does the work.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

_MAGIC = b"CRWF"
_VERSION = 1
_POSTSTART = 1
_POSTSTOP = 2


def encode(
    pid: int,
    started: int,
    hooks: Sequence[str],
    state: tuple[str, str, str],
    freezer: tuple[str, str],
    directories: Sequence[str],
) -> str:
    """Return the record.

    ``state``: the state document cut where pid and status go; ``freezer``: the file that says
    whether the cgroup is frozen and its content when it is not; ``directories``: the cgroup's, in
    the order of removal.
    """
    flags = _POSTSTART * ("poststart" in hooks) | _POSTSTOP * ("poststop" in hooks)
    numbers = b"".join(number.to_bytes(8, "little") for number in (pid, started, flags))
    listed = "".join(f"{directory}\n" for directory in directories)
    texts = b"".join(_string(text) for text in (*state, *freezer, listed))
    data = _MAGIC + _VERSION.to_bytes(4, "little") + numbers + texts
    return data.decode("utf-8", "surrogateescape")


def _string(text: str) -> bytes:
    data = text.encode("utf-8", "surrogateescape")
    return len(data).to_bytes(4, "little") + data + b"\0"
