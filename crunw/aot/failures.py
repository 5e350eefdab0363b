"""What could not be compiled, and why: notes that are kept until the next boot.

A *lasting* failure is the module's own, or LLVM's at this level of optimisation: it is not tried
again. Any other (a full disk, the out-of-memory killer) is tried again by a later start, not before
ten times as long as the attempt took: a start of a container is not the moment to find out again
and again. ``crunw cache retry`` forgets both.
"""

from __future__ import annotations

import posix
import time

from crunw.aot import places

TYPE_CHECKING = False

_KIND = "failed"
_FORMAT = "2"  # what another version has noted is void: its fault may have been mended
_LINES = 8
_PATIENCE = 10


class Failure:
    """A note. ``seconds``: how long the attempt took; ``when``: seconds since 1970."""

    __slots__ = ("key", "lasting", "name", "options", "reason", "seconds", "size", "when")

    def __init__(self, key: str, name: str, options: str, size: int, reason: str) -> None:
        self.key = key
        self.name = name
        self.options = options
        self.size = size
        self.reason = reason
        self.lasting = False
        self.seconds = 0.0
        self.when = 0.0

    def is_settled(self) -> bool:
        """Whether there is no point in trying again now."""
        return self.lasting or time.time() < self.when + _PATIENCE * self.seconds


def write(failure: Failure) -> None:
    """Note it."""
    failure.when = time.time()
    places.write_note(
        _KIND,
        failure.key,
        "\n".join(
            (
                _FORMAT,
                "lasting" if failure.lasting else "passing",
                failure.name.replace("\n", "?"),
                failure.options,
                str(failure.size),
                f"{failure.when:.3f}",
                f"{failure.seconds:.3f}",
                failure.reason.replace("\n", " "),
            )
        ),
    )


def read(key: str) -> Failure | None:
    """The note about an entry that could not be made."""
    lines = places.read(places.note(_KIND, key)).split("\n")
    if len(lines) != _LINES or lines[0] != _FORMAT:
        return None
    try:
        found = Failure(key, lines[2], lines[3], int(lines[4]), lines[7])
        found.when, found.seconds = float(lines[5]), float(lines[6])
    except ValueError:
        return None
    found.lasting = lines[1] == "lasting"
    return found


def all_of_them() -> list[Failure]:
    """All notes."""
    try:
        names = sorted(posix.listdir(places.note(_KIND, "")))
    except OSError:
        return []
    return [found for name in names if name[0] != "." and (found := read(name))]


def forget(key: str) -> None:
    """Remove a note: the next start tries again."""
    places.remove(places.note(_KIND, key))
