"""``crunw delete``."""

from __future__ import annotations

from crunw.cli.options import Option, Parsed
from crunw.cli.start import one_id
from crunw.effects.store import container_ids, default_root
from crunw.errors import UsageError
from crunw.lifecycle.delete import delete

USAGE = "[OPTION…] ID"
ABOUT = "Delete a stopped container."
INTERSPERSED = True
OPTIONS = (
    Option("force", "kill it first if it runs; a missing one is no error", short="f"),
    Option("regex", "ID is a regular expression: all containers whose id has a match", short="r"),
)


def chosen(root: str, word: str, parsed: Parsed) -> list[str]:
    """The ids that ``word`` stands for. Raises :class:`UsageError`."""
    if not parsed.flag("regex"):
        return [word]
    import re

    try:
        pattern = re.compile(word)
    except re.error as error:
        raise UsageError(f"--regex: {word!r} is not a regular expression: {error}") from None
    return [name for name in container_ids(root) if pattern.search(name)]


def run(parsed: Parsed, given: Parsed) -> int:
    """Delete the container."""
    root = given.text("root") or default_root()
    for container_id in chosen(root, one_id(parsed), parsed):
        delete(root, container_id, parsed.flag("force"))
    return 0
