"""``crunw delete``."""

from __future__ import annotations

from crunw.cli.options import Option, Parsed
from crunw.cli.start import one_id
from crunw.effects.store import container_ids, default_root
from crunw.errors import CrunwError, UsageError
from crunw.lifecycle.delete import delete

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

USAGE = "[OPTION…] ID"
ABOUT = "Delete a stopped container."
INTERSPERSED = True
OPTIONS = (
    Option("force", "kill it first if it runs; ignore a missing one", short="f"),
    Option("regex", "ID is a regular expression: all containers whose id has a match", short="r"),
)


def for_each(root: str, word: str, parsed: Parsed, act: Callable[[str], None]) -> None:
    """Call ``act`` with the id ``word``, or with ``--regex`` with each one that has a match.

    Then an error keeps none of the others from their turn. Raises :class:`CrunwError` with all
    errors in the end.
    """
    if not parsed.flag("regex"):
        act(word)
        return
    errors = []
    for container_id in _matching(root, word):
        try:
            act(container_id)
        except (CrunwError, OSError) as error:
            text = str(error)
            errors.append(text if container_id in text else f"{container_id}: {text}")
    if errors:
        raise CrunwError("; ".join(errors))


def _matching(root: str, word: str) -> list[str]:
    """The ids in which the expression is found. Raises :class:`UsageError`."""
    import re

    try:
        pattern = re.compile(word)
    except re.error as error:
        raise UsageError(f"--regex: {word!r} is not a regular expression: {error}") from None
    return [name for name in container_ids(root) if pattern.search(name)]


def run(parsed: Parsed, given: Parsed) -> int:
    """Delete the container."""
    root = given.text("root") or default_root()
    force = parsed.flag("force")
    for_each(root, one_id(parsed), parsed, lambda container_id: delete(root, container_id, force))
    return 0
