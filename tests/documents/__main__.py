"""python -m documents pages | check | not-run | tables: see ``ci/docs``."""

from __future__ import annotations

import sys
from pathlib import Path

from documents import links, prose, support
from documents.page import COMMANDS, PROJECT, pages, read


def runnable(path: Path) -> bool:
    """Whether the page has commands that are run."""
    return any(block.language in COMMANDS and not block.elsewhere for block in read(path))


def not_run() -> list[str]:
    """Every block of commands that is not run, with the reason."""
    return [
        f"{path.relative_to(PROJECT)}:{block.line}: {block.elsewhere}"
        for path in pages()
        for block in read(path)
        if block.language in COMMANDS and block.elsewhere
    ]


def main(what: str) -> int:
    """Do one of the things that the module's docstring names."""
    lines: list[str] = []
    if what == "pages":
        lines = [str(path.relative_to(PROJECT)) for path in pages() if runnable(path)]
    elif what == "not-run":
        lines = not_run()
    elif what == "tables":
        support.write()
    else:
        faults = [*prose.check(), *links.check(), *support.check()]
        print("\n".join(faults), end="\n" if faults else "")
        return bool(faults)
    print("\n".join(lines), end="\n" if lines else "")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
