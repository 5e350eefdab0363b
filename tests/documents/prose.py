"""Words that mislead a reader, and what to write instead."""

from __future__ import annotations

import re
from pathlib import Path

from documents.page import PROJECT, pages

GENERATED = {"docs/spec-coverage.md"}
# A pattern, and what is meant.
WORDS = {
    r"\btakes? (?:it|this|that|them) back\b": "reverts",
    r"\bis no (?:error|valid|word|size|duration|action|number|module)\b": "is not a …",
    r"\bare no (?:errors|modules|images)\b": "are not …",
    r"\b(?:stands|stand) (?:there|here|twice|once)\b": "is",
    r"\bmay not (?:be|have|do) .{0,20}any ?more\b": "can no longer",
    r"\bin silence\b(?! \|)": "silently",
    r"\bprocess(?:es)? who\b": "process that",
    r"\b(?:container|module|engine|runtime|program)s? who\b": "… that",
    r"\bleaves? (?:\S+ ){0,4}behind\b": "leaves … (without behind)",
    r"\bis told\b": "is reported",
    r"\bare told\b": "are reported",
    r"\btells more\b": "has the details",
    r"\bwhat was used longest ago\b": "least recently used",
    r"\bdo(?:es)? without\b": "need no …",
    r"\blikewise\b": "in the same way, or name it",
    r"\bthe other way round\b": "the reverse",
    r"\bwhere that is so\b": "where …",
    r"\bwhat today's\b": "what current …",
    r"\b[Ww]ho(?:ever)? (?:makes|leaves|wants|has|needs|can|allows|sees|may)\b": "name the subject",
    r"\b[Oo]f (?:those|that) [^.]{0,60}\b(?:none|all)\b": "subject first",
    r"\bas ever\b": "as usual",
    r"\bfor himself\b": "name the subject",
    r"\bsay[s]? more\b": "has the details",
}
_CODE = re.compile(r"^( *)```.*?^\1```$|<!--.*?-->|`[^`\n]*`", re.MULTILINE | re.DOTALL)


def check() -> list[str]:
    """``FILE:LINE: WORD (INSTEAD)`` for each of them."""
    return [
        fault
        for path in pages()
        if str(path.relative_to(PROJECT)) not in GENERATED
        for fault in of(path)
    ]


def of(path: Path) -> list[str]:
    """Those of one page."""
    return in_text(path.read_text(), str(path.relative_to(PROJECT)))


def in_text(text: str, name: str) -> list[str]:
    """Those of a text in Markdown."""
    # Code keeps its lines, so that numbers are right.
    text = _CODE.sub(lambda code: re.sub(r"[^\n]", " ", code[0]), text)
    found = [
        (text.count("\n", 0, match.start()) + 1, " ".join(match[0].split()), instead)
        for pattern, instead in WORDS.items()
        for match in re.finditer(pattern.replace(" ", r"\s+"), text)
    ]
    return [f"{name}:{line}: {word!r} ({instead})" for line, word, instead in sorted(found)]
