"""Who closes a descriptor is seen in the C sources: ``csrc/owned.h``, or a comment says why."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HEADER = ROOT / "csrc" / "owned.h"
SOURCES = sorted(path for path in (ROOT / "csrc").rglob("*.[ch]") if path != HEADER)
MOST_CLOSED_BY_HAND = 35

CLOSE = re.compile(r"(?<![\w>.])close(_now)?\(")
COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)
FUNCTION_END = "\n}\n"
OWNED = re.compile(r"^ *OWNED\w* [^;=]*?(?P<name>\w+)(\[\d*\])?(?P<value> =[^;]*)?;", re.MULTILINE)


def closed_by_hand(text: str) -> list[tuple[int, bool]]:
    """Return the line of each close, and whether a comment is on it, or above it and the like."""
    lines = text.splitlines()
    code = COMMENT.sub(lambda match: re.sub(r"[^\n]", " ", match[0]), text).splitlines()
    found: dict[int, bool] = {}
    for at, line in enumerate(code):
        if CLOSE.search(line):
            found[at] = "/*" in lines[at] or "*/" in lines[at - 1] or found.get(at - 1, False)
    return [(at + 1, reason) for at, reason in found.items()]


def misused(text: str) -> list[str]:
    """Return what is owned but begins without a value, or is handed over by its bare number."""
    found = []
    for function in COMMENT.sub("", text).split(FUNCTION_END):
        for match in OWNED.finditer(function):
            name = match["name"]
            if match["value"] is None:
                found.append(f"{match[0].strip()} what would its scope's end close?")
            if re.search(rf"(return|[=?:])\s*{name}(\[\d\])?\s*[;:,]", function):
                found.append(f"{name}: closed when it gets there: take_fd(&{name})")
    return found


def test_a_close_by_hand_has_its_reason() -> None:
    closes = {path: closed_by_hand(path.read_text()) for path in SOURCES}
    assert 0 < sum(len(found) for found in closes.values()) <= MOST_CLOSED_BY_HAND
    without = [f"{path}:{line}" for path in SOURCES for line, reason in closes[path] if not reason]
    assert not without, "own the descriptor (csrc/owned.h), or say why not"


def test_what_is_owned_begins_with_a_value_and_is_handed_over_by_take_fd() -> None:
    assert not [f"{path}: {what}" for path in SOURCES for what in misused(path.read_text())]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("close(fd);", [(2, False)]),
        ("close_now(&fd); /* first */", [(2, True)]),
        ("/* both */\n    close(fd);\n    close(other);", [(3, True), (4, True)]),
        ("engine->close(engine);", []),
        ("wasmtime_module_close(module);", []),
    ],
)
def test_closes_are_found(line: str, expected: list[tuple[int, bool]]) -> None:
    assert closed_by_hand(f"void f(int fd) {{\n    {line}\n}}\n") == expected


@pytest.mark.parametrize(
    ("lines", "count"),
    [
        ("OWNED int fd = 3;\n    return take_fd(&fd);", 0),
        ("OWNED int fd = 3;\n    return use(fd);", 0),
        ("OWNED int fd = 3;\n    return fd;", 1),
        ("OWNED int fd = 3;\n    return good ? fd : -1;", 1),
        ("OWNED int fd = 3;\n    init->root = fd;", 1),
        ("OWNED int fd;\n    return open_it(&fd);", 1),
        ("OWNED_PAIR int ends[2];\n    return ends[0];", 2),
    ],
)
def test_misuse_is_found(lines: str, count: int) -> None:
    assert len(misused(f"int f(void) {{\n    {lines}\n}}\n")) == count
