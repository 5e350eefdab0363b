"""What ``crunw VERB --help`` says, as the generators of documents read it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from crunw.cli.options import Option


class Verb(NamedTuple):
    """``name`` is "" for the program itself; ``usage`` is what follows the name.

    ``interspersed``: options may follow arguments.
    """

    name: str
    summary: str
    usage: str
    about: str
    options: tuple[Option, ...]
    interspersed: bool = False

    def arguments(self) -> list[str]:
        """The words of the usage that are not options: ``ID``, ``add|remove``, ``MODULE…``."""
        words = (word.strip("[]") for word in self.usage.split())
        return [word for word in words if not word.startswith(("OPTION", "--"))]
