"""Words that mislead whoever reads them, in sources and messages."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SUFFIXES = (".py", ".c", ".h", ".toml", ".md")
# The word, and what to write instead.
MISLEADING = {
    r"\bis no (error|option|module|result|program|link|leak|affair|root|terminal|\{)": "is not",
    r"\bare no (options|limit|files)\b": "are not",
    r"\bbehind\b": "after",
    r"\btakes? back\b": "reverts",
    r"\b(is|are|be|been|was|were) told\b": "reported, given, asked",
    r"\bcan't be told\b": "is not known",
    r"\bstands? (for|behind|before|in|above)\b": "means, is",
}
ALLOWED = {
    "csrc/init/namespace.c": "behind the C library's back",
    "crunw/effects/terminal.py": "the process behind the pidfd",
    "csrc/engine/wasmedge/library.c": "stands in when",
}
FILES = sorted(
    path
    for folder in ("crunw", "csrc", "deploy")
    for path in (ROOT / folder).rglob("*")
    if path.suffix in SUFFIXES
)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_words(path: Path) -> None:
    allowed = ALLOWED.get(str(path.relative_to(ROOT)))
    for number, line in enumerate(path.read_text().splitlines(), 1):
        text = line.replace(allowed, "") if allowed else line
        for word, instead in MISLEADING.items():
            found = re.search(word, text)
            assert not found, f"line {number}: {found.group()!r}: write {instead}"
