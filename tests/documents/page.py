"""A page in Markdown, as what it has a reader do.

What runs, and how, is said beside the block, in comments that the rendered page does not show:

    <!-- runs on: docker -->            the host that the page's commands need (``host/``)
    <!-- before: COMMANDS -->           run, not shown
    <!-- not run: REASON -->            the next block
    <!-- run by: TEST -->               the next block, elsewhere
    <!-- section run by: TEST -->       every block up to the next heading of the second level
    <!-- output varies -->              of the next block
    <!-- fails -->                      the next block's last command, on purpose

Every block of ``bash`` or ``console`` is run. A block of another language is a file if the line
before it ends with the file's name: "`pod.json`:".
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

PROJECT = Path(__file__).parents[2]
COMMANDS = ("bash", "console")
OUTSIDE = ("README.md", "CONTRIBUTING.md")

_FENCE = re.compile(r"^( *)```(\w*)[^\n]*\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
_COMMENT = re.compile(r"<!--\s*([a-z ]+?)(?::\s+(.*?))?\s*-->", re.DOTALL)
_FILE = re.compile(r"`([^`\s]+)`:\Z")
_WORDS = {"runs on", "before", "not run", "run by", "section run by", "output varies", "fails"}


@dataclass(frozen=True)
class Command:
    """One command of a block, and the lines that it prints; None: the page shows none."""

    line: int
    text: str
    output: str | None
    fails: bool = False


@dataclass(frozen=True)
class Block:
    """A block of a page with what the comments before it say."""

    line: int
    section: str  # the heading of the second level above it
    language: str
    text: str
    said: dict[str, str] = field(default_factory=dict)
    file: str = ""

    @property
    def elsewhere(self) -> str:
        """Why it is not run here; "" if it is."""
        if "run by" in self.said:
            return f"run by {self.said['run by']}"
        return self.said.get("not run", "")

    def commands(self) -> list[Command]:
        """What is to be run here, in order."""
        found = []
        if before := self.said.get("before"):
            found.append(Command(self.line, before, None))
        if self.elsewhere:
            pass
        elif self.language == "bash":
            found.append(Command(self.line, f"set -e\n{self.text}set +e\n", None))
        elif self.language == "console":
            found += _transcript(self)
        return found


def _transcript(block: Block) -> list[Command]:
    """Lines that begin with ``$`` are commands, the others what they print."""
    commands = []
    for number, line in enumerate(block.text.splitlines(), block.line + 1):
        continued = commands and commands[-1][1].endswith("\\") and not commands[-1][2]
        if line.startswith("$ "):
            commands.append([number, line[2:], []])
        elif continued:
            commands[-1][1] += f"\n{line}"
        elif commands:
            commands[-1][2].append(line)
        else:
            raise ValueError(f"line {number}: output without a command")
    last = len(commands) - 1
    return [
        Command(
            number,
            text,
            None if "output varies" in block.said or not output else "\n".join(output),
            fails="fails" in block.said and index == last,
        )
        for index, (number, text, output) in enumerate(commands)
    ]


def pages() -> list[Path]:
    """All that is checked."""
    documents = sorted((PROJECT / "docs").rglob("*.md"))
    return [*(PROJECT / name for name in OUTSIDE), *documents]


def read(path: Path) -> list[Block]:
    """The blocks of a page. Raises ValueError for a comment that is misspelt."""
    return blocks(path.read_text())


def host(path: Path) -> str:
    """The kind of host that the page's commands need."""
    for word, text in _COMMENT.findall(path.read_text()):
        if word == "runs on":
            return str(text)
    return "plain"


def blocks(text: str) -> list[Block]:
    """See :func:`read`."""
    found = []
    end = 0
    section: dict[str, str] = {}
    for match in _FENCE.finditer(text):
        indent, language, body = match.groups()
        between = text[end : match.start()]
        end = match.end()
        line = text.count("\n", 0, match.start()) + 1
        if indent:
            raise ValueError(f"line {line}: the site shows no block of code in a list")
        headings = re.findall(r"^## (.*)$", text[: match.start()], re.MULTILINE)
        said: dict[str, str] = {}
        for word, reason in _COMMENT.findall(between):
            said[word] = f"{said[word]}\n{reason}" if word in said else reason
        if re.search("^## ", between, re.MULTILINE):
            section = {}
        if "section run by" in said:
            section = {"run by": said["section run by"]}
        said = section | said
        if unknown := said.keys() - _WORDS:
            raise ValueError(f"line {line}: unknown comment {', '.join(sorted(unknown))}")
        prose = _COMMENT.sub("", between).rstrip()
        named = _FILE.search(prose)
        file = named[1] if named and language not in COMMANDS else ""
        found.append(Block(line, headings[-1] if headings else "", language, body, said, file))
    return found


def matches(expected: str, output: str) -> bool:
    """Whether that was printed; ``…`` stands for any text, as a line of its own for any lines.

    How wide the space between columns is does not matter.
    """
    pattern = "\n".join(
        "(?:.*\n)*?.*?" if line == "…" else ".*?".join(map(re.escape, line.split("…")))
        for line in (" ".join(line.split()) for line in expected.splitlines())
    )
    printed = "\n".join(" ".join(line.split()) for line in output.splitlines())
    return re.fullmatch(pattern, printed) is not None
