"""``tests/notices.toml`` and ``docs/messages.md`` know every notice in the sources."""

from __future__ import annotations

import ast
import re
import tomllib
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LISTED: dict[str, dict[str, list[str]]] = tomllib.loads((ROOT / "tests/notices.toml").read_text())
MESSAGES = " ".join((ROOT / "docs/messages.md").read_text().split())
PYTHON_CALLS = ("degraded", "detail")
C_FUNCTION = re.compile(r"^(?:[\w ]+[ *])?(\w+)\([^;{]*\)\s*\{", re.MULTILINE)
C_CALL = re.compile(r"report_notice\(\s*init,\s*NOTICE_\w+,\s*([^;]*?)\);", re.DOTALL)


class Calls(ast.NodeVisitor):
    """Function → texts of its calls of the channel, each the constant parts of a message."""

    def __init__(self) -> None:
        self.found: list[tuple[str, list[str]]] = []
        self._function = ""

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        outer, self._function = self._function, node.name
        self.generic_visit(node)
        self._function = outer

    def visit_Call(self, node: ast.Call) -> None:
        name = node.func.attr if isinstance(node.func, ast.Attribute) else ""
        name = node.func.id if isinstance(node.func, ast.Name) else name
        if name in PYTHON_CALLS:
            parts = [part for argument in node.args for part in constants(argument)]
            self.found.append((self._function, parts))
        self.generic_visit(node)


def constants(node: ast.expr) -> list[str]:
    """The text in an argument, cut where values go."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return [node.value]
    if isinstance(node, ast.JoinedStr):
        return [part for value in node.values for part in constants(value)]
    return []


def python_calls() -> list[tuple[str, list[str]]]:
    calls = []
    for path in sorted((ROOT / "crunw").rglob("*.py")):
        if path == ROOT / "crunw/notices.py":
            continue
        visitor = Calls()
        visitor.visit(ast.parse(path.read_text()))
        where = path.relative_to(ROOT)
        calls += [(f"{where}:{function}", parts) for function, parts in visitor.found]
    return calls


def c_calls() -> list[tuple[str, list[str]]]:
    calls = []
    for path in sorted((ROOT / "csrc").rglob("*.c")):
        text = path.read_text()
        functions = [(match.start(), match.group(1)) for match in C_FUNCTION.finditer(text)]
        for call in C_CALL.finditer(text):
            name = [name for start, name in functions if start < call.start()][-1]
            texts = re.sub(r'"\s*"', "", call.group(1))  # adjacent ones are one
            literals = re.findall(r'"((?:[^"\\]|\\.)*)"', texts)
            parts = [part for text in literals for part in re.split(r"%[#.\d]*l*[sudoxfm]", text)]
            calls.append((f"{path.relative_to(ROOT)}:{name}", parts))
    return calls


CALLS = [*python_calls(), *c_calls()]


def test_every_call_is_listed() -> None:
    found = Counter(where for where, _ in CALLS)
    listed = {where: entry.get("calls", 1) for where, entry in LISTED.items()}
    assert dict(found) == listed, "see the head of tests/notices.toml"


@pytest.mark.parametrize("where", LISTED)
def test_the_test_is_there(where: str) -> None:
    tests = LISTED[where]["tests"]
    assert tests
    for test in tests:
        path, _, name = test.partition("::")
        name, _, case = name.partition("[")
        text = (ROOT / path).read_text()
        assert f"def {name}(" in text
        assert not case or f"def {case.removesuffix(']')}(" in text


@pytest.mark.parametrize(("where", "parts"), CALLS, ids=[where for where, _ in CALLS])
def test_the_message_is_documented(where: str, parts: list[str]) -> None:
    for part in parts:
        words = " ".join(part.strip(" :(").replace('\\"', '"').split())
        assert not re.search(r"\w{3}", words) or words in MESSAGES, words
