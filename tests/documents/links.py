"""Links of the pages that are not on the site, such as README. mkdocs checks the others."""

from __future__ import annotations

import re

from documents.page import PROJECT

PAGES = ("README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md")
_LINK = re.compile(r"\]\(([^)#\s]*)(?:#([^)\s]*))?\)")


def anchors(text: str) -> set[str]:
    """The names of a page's headings."""
    headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {
        re.sub(r"[^\w -]", "", heading).strip().lower().replace(" ", "-") for heading in headings
    }


def check() -> list[str]:
    """The links that lead nowhere."""
    faults = []
    for name in PAGES:
        text = (PROJECT / name).read_text()
        for target, anchor in _LINK.findall(text):
            path = PROJECT / (target or name)
            if ":" in target:
                continue
            if not path.exists():
                faults.append(f"{name}: {target} does not exist")
            elif anchor and anchor not in anchors(path.read_text()):
                faults.append(f"{name}: {target}#{anchor} does not exist")
    return faults
