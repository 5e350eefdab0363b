"""What is run a second time, since others than crunw lose a race: the summary counts it."""

from __future__ import annotations

import os

AGAIN: list[str] = []


def note(what: str) -> None:
    """Tell that the running test runs ``what`` again."""
    test = os.environ.get("PYTEST_CURRENT_TEST", "").partition(" ")[0]
    AGAIN.append(f"{test}: {what}")
