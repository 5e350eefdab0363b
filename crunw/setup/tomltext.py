"""Edits of a TOML text (toml.io, 1.0) that leave all else as it is: comments, order, layout."""

from __future__ import annotations

import json
import re
import tomllib
from typing import TYPE_CHECKING, Any, NamedTuple

from crunw.errors import CrunwError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

Path = tuple[str, ...]


class UnsafeError(CrunwError):
    """The text is written in a way that can't be edited line by line."""


class _Statement(NamedTuple):
    """Some whole lines. ``table``: where they stand. ``key``: what they set; empty: nothing."""

    text: str
    table: Path
    key: Path
    header: bool = False


def parse(path: str, text: str) -> dict[str, Any]:
    """The settings of a file's text. Raises :class:`CrunwError`, which names ``path``."""
    try:
        return tomllib.loads(text)
    except RecursionError:
        raise CrunwError(f"{path}: is not valid TOML: nested too deep") from None
    except ValueError as error:  # of the interpreter's limits, too
        raise CrunwError(f"{path}: is not valid TOML: {error}") from None


def lookup(settings: Any, path: Path) -> Any:
    """The value at ``path``; None where there is none."""
    for name in path:
        settings = settings.get(name) if isinstance(settings, dict) else None
    return settings


def check_tables(path: str, settings: Any, place: Path) -> None:
    """Raise :class:`CrunwError` where what should be a table, if it is there, is something else."""
    for length in range(1, len(place) + 1):
        found = lookup(settings, place[:length])
        if found is not None and not isinstance(found, dict):
            raise CrunwError(f"{path}: {'.'.join(place[:length])} is not a table")


def merge(text: str, settings: Mapping[str, Any]) -> str:
    """The valid ``text`` with the values of ``settings``, a tree of tables, in it.

    Raises :class:`UnsafeError` where that is not what the edited text means.
    """
    wanted = tomllib.loads(text)
    for path, value in _leaves(settings):
        _put(wanted, path, value)
        text = _set(text, path, value)
    try:
        understood = tomllib.loads(text) == wanted
    except tomllib.TOMLDecodeError:
        understood = False
    if not understood:
        raise UnsafeError("can't be edited safely")
    return text


def remove(text: str, *paths: Path) -> str:
    """The valid ``text`` without what is at ``paths``, and without tables left empty."""
    kept = [
        statement
        for statement in _statements(text)
        if not any(_place(statement)[: len(path)] == path for path in paths)
    ]
    emptied = {path[:length] for path in paths for length in range(1, len(path))}
    used = {statement.table for statement in kept if statement.key}
    return "".join(
        statement.text
        for statement in kept
        if not (statement.header and statement.table in emptied - used)
    )


def _put(tree: dict[str, Any], path: Path, value: Any) -> None:
    for name in path[:-1]:
        inner = tree.setdefault(name, {})
        if not isinstance(inner, dict):
            raise UnsafeError(f"{'.'.join(path[:-1])} is not a table")
        tree = inner
    tree[path[-1]] = value


def _leaves(settings: Mapping[str, Any], above: Path = ()) -> Iterator[tuple[Path, Any]]:
    for name, value in settings.items():
        if isinstance(value, dict):
            yield from _leaves(value, (*above, name))
        else:
            yield (*above, name), value


def _set(text: str, path: Path, value: Any) -> str:
    statements = list(_statements(text))
    line = f"{_name(path[-1])} = {_value(value)}"
    after = None
    for number, statement in enumerate(statements):
        if statement.key and _place(statement) == path:
            if lookup(tomllib.loads(statement.text), statement.key) != value:
                statements[number] = statement._replace(text=f"{_indent(statement.text)}{line}\n")
            return "".join(statement.text for statement in statements)
        if statement.table == path[:-1] and (statement.header or statement.key):
            after = number
    if after is None:
        gap = "" if not text or text.endswith("\n\n") else "\n"
        end = "" if not text or text.endswith("\n") else "\n"
        return f"{text}{end}{gap}[{'.'.join(map(_name, path[:-1]))}]\n{line}\n"
    last = statements[after].text
    end = "" if last.endswith("\n") else "\n"
    statements[after] = statements[after]._replace(text=f"{last}{end}{_indent(last)}{line}\n")
    return "".join(statement.text for statement in statements)


def _place(statement: _Statement) -> Path:
    return (*statement.table, *statement.key)


def _indent(text: str) -> str:
    return text[: len(text) - len(text.lstrip(" \t"))]


def _statements(text: str) -> Iterator[_Statement]:
    """The lines of a valid text, those of one value together."""
    table: Path = ()
    part = ""
    for line in re.findall(r"[^\n]*\n|[^\n]+", text):
        part += line
        try:
            meant = tomllib.loads(part)
        except tomllib.TOMLDecodeError:
            continue  # the value goes on
        if part.lstrip().startswith("["):
            table = _header(meant)
            yield _Statement(part, table, (), header=True)
        else:
            yield _Statement(part, table, _key(part) if meant else ())
        part = ""


def _header(meant: Any) -> Path:
    """The names in the header of a table or of an element of an array."""
    names = []
    while isinstance(meant, dict) and meant:
        name, meant = next(iter(meant.items()))
        names.append(name)
    return (*names, "[]") if meant == [{}] else tuple(names)


def _key(text: str) -> Path:
    """The names before the equals sign; a name in quotes may hold such a sign."""
    at = -1
    while True:
        at = text.index("=", at + 1)
        try:
            meant: Any = tomllib.loads(f"{text[:at]}= 0")
        except tomllib.TOMLDecodeError:
            continue
        names = []
        while isinstance(meant, dict):
            name, meant = next(iter(meant.items()))
            names.append(name)
        return tuple(names)


def _name(name: str) -> str:
    bare = name.isascii() and name.replace("-", "").replace("_", "").isalnum()
    return name if bare else json.dumps(name)


def _value(value: Any) -> str:
    if isinstance(value, dict):
        pairs = (f"{_name(key)} = {_value(inner)}" for key, inner in value.items())
        return "{" + ", ".join(pairs) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_value, value)) + "]"
    return json.dumps(value, ensure_ascii=False)
