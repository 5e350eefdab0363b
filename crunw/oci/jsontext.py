"""JSON text without the ``json`` package, whose import takes longer than reading a config.

``_json`` is the C half of CPython's ``json``, a builtin module: its scanner decodes, given an
object with the decoder's settings; its ``encode_basestring_ascii`` quotes strings. Where an
interpreter has no ``_json``, ``json`` itself does the work.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, NoReturn

_SPACE = " \t\n\r"
_HOLE_TEXT = "\0"  # in no JSON text: quoted strings have no control characters


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON number")


class _Settings:
    """What ``make_scanner`` reads: the settings of a plain ``json.JSONDecoder``."""

    strict = True
    object_hook = None
    object_pairs_hook = None
    array_hook = None
    parse_float = float
    parse_int = int
    parse_constant = staticmethod(_no_constant)


_scan: Callable[[str, int], tuple[Any, int]]
quote: Callable[[str], str]
try:
    from _json import encode_basestring_ascii as quote
    from _json import make_scanner

    # typeshed gives the settings the type of the scanner.
    _scan = make_scanner(_Settings)  # type: ignore[arg-type]
except ImportError:
    import json

    _scan = json.JSONDecoder(parse_constant=_no_constant).scan_once  # type: ignore[attr-defined]
    quote = json.encoder.encode_basestring_ascii


def loads(text: str) -> Any:
    """Decode one JSON document, as ``json.loads`` does, but without NaN and Infinity.

    Raises ValueError with line and column (both from 1) of the first error.
    """
    start = len(text) - len(text.lstrip(_SPACE))
    try:
        value, end = _scanned(text, start)
    except StopIteration as stop:
        raise _error(text, stop.value, "a value is missing") from None
    except RecursionError:
        raise ValueError("invalid JSON: nested too deep") from None
    except ValueError as error:
        problem = str(error).partition(": ")[0].removesuffix(" at")
        position = getattr(error, "pos", None)
        if position is None:
            # A constant, or a number with more digits than Python converts.
            raise ValueError(f"invalid JSON: {problem}") from None
        raise _error(text, position, problem[:1].lower() + problem[1:]) from None
    rest = text[end:].lstrip(_SPACE)
    if rest:
        raise _error(text, len(text) - len(rest), "text after the document's end")
    return value


def _scanned(text: str, start: int) -> tuple[Any, int]:
    """One value and where it ends.

    Before CPython 3.12 the scanner takes the error that it is to raise from ``json.decoder``, and
    fails with SystemError where nobody has imported that.
    """
    try:
        return _scan(text, start)
    except SystemError:
        import json.decoder  # noqa: F401

        return _scan(text, start)


def _error(text: str, position: int, problem: str) -> ValueError:
    line = text.count("\n", 0, position) + 1
    column = position - text.rfind("\n", 0, position)
    return ValueError(f"invalid JSON at line {line}, column {column}: {problem}")


HOLE: Any = object()  # a value whose text others will put in: see dumps_around


def dumps_around(value: Any, indent: int | None = None) -> list[str]:
    """The text that :func:`dumps` gives, cut at each :data:`HOLE`, in the order of the text."""
    return dumps(value, indent).split(_HOLE_TEXT)


def dumps(value: Any, indent: int | None = None) -> str:
    """The text ``json.dumps(value, indent=indent)`` gives.

    For what JSON documents are made of: None, bool, int, finite float, str, list, tuple, and dict
    with str keys; anything else raises TypeError.
    """
    return _dump(value, "\n", " " * indent if indent is not None else None)


def _dump(value: Any, newline: str, step: str | None) -> str:
    if isinstance(value, str):
        return quote(value)
    if value is None or value is HOLE:
        return "null" if value is None else _HOLE_TEXT
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return repr(value)
    inner = newline if step is None else newline + step
    if isinstance(value, (list, tuple)):
        return _join("[", "]", [_dump(item, inner, step) for item in value], newline, step)
    if isinstance(value, dict):
        members = [f"{quote(key)}: {_dump(item, inner, step)}" for key, item in value.items()]
        return _join("{", "}", members, newline, step)
    raise TypeError(f"{type(value).__name__} has no JSON form")


def _join(opening: str, closing: str, items: list[str], newline: str, step: str | None) -> str:
    if not items:
        return opening + closing
    if step is None:
        return opening + ", ".join(items) + closing
    return opening + newline + step + f",{newline}{step}".join(items) + newline + closing
