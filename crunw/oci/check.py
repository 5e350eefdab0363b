"""Walk a JSON document beside a table of ``crunw.oci.schema``."""

from __future__ import annotations

from crunw.errors import SpecError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    Node = tuple[Any, ...]

DIGITS = frozenset("0123456789")


def check(value: Any, node: Node) -> None:
    """Check ``value`` against ``node``.

    Members that are ``null`` (Go's encoders write that for an empty slice or map) are dropped, in
    place. Raises SpecError with the path from ``value`` to what is wrong.
    """
    KINDS[node[0]](value, node)


def below(step: str, error: SpecError) -> SpecError:
    """``error``, found one step further down: ``args[0]`` of ``process`` is ``process.args[0]``.

    Paths are put together on the way out, so that a document without errors pays nothing.
    """
    dot = "." if error.field and not error.field.startswith("[") else ""
    return SpecError(step + dot + error.field, error.problem)


def show(value: Any) -> str:
    """``value`` for an error: one line, not long."""
    if isinstance(value, str):
        return repr(value) if len(value) <= 80 else repr(value[:77]) + "…"
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list):
        return "an array"
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)[:40]


def _object(value: Any, node: Node) -> None:
    if type(value) is not dict:
        raise SpecError("", f"must be an object, is {show(value)}")
    _, members, required = node
    absent = []
    for key, item in value.items():
        if item is None:
            absent.append(key)
        elif key in members:
            member = members[key]
            try:
                KINDS[member[0]](item, member)
            except SpecError as error:
                raise below(key, error) from None
    for key in absent:
        del value[key]
    for key in required:
        if key not in value:
            raise SpecError(key, "is required")


def _map(value: Any, node: Node) -> None:
    if type(value) is not dict:
        raise SpecError("", f"must be an object, is {show(value)}")
    member = node[1]
    absent = []
    for key, item in value.items():
        if item is None:
            absent.append(key)
            continue
        try:
            _text(key, node)
            KINDS[member[0]](item, member)
        except SpecError as error:
            raise below(f"[{show(key)}]", error) from None
    for key in absent:
        del value[key]


def _list(value: Any, node: Node) -> None:
    if type(value) is not list:
        raise SpecError("", f"must be an array, is {show(value)}")
    if len(node) > 2 and len(value) < node[2]:
        raise SpecError("", "must not be empty")
    member = node[1]
    kind = KINDS[member[0]]
    index = 0
    try:
        for item in value:
            kind(item, member)
            index += 1
    except SpecError as error:
        raise below(f"[{index}]", error) from None


def _strings(value: Any, _node: Node) -> None:
    _list(value, ("list", ("string",)))


def _string(value: Any, _node: Node) -> None:
    if type(value) is not str:
        raise SpecError("", f"must be a string, is {show(value)}")
    if "\0" in value:
        raise SpecError("", f"must not contain a NUL character, is {show(value)}")
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:
            # JSON can spell half of a UTF-16 pair; no file name or argument can be made of it.
            raise SpecError("", f"must be valid Unicode text, is {show(value)}") from None


def _text(value: Any, node: Node) -> None:
    _string(value, node)
    if not value:
        raise SpecError("", "must not be empty")


def _path(value: Any, node: Node) -> None:
    _string(value, node)
    if not value.startswith("/"):
        raise SpecError("", f"must be an absolute path, is {show(value)}")


def _path_or_empty(value: Any, node: Node) -> None:
    if value != "":
        _path(value, node)


def _bool(value: Any, _node: Node) -> None:
    if type(value) is not bool:
        raise SpecError("", f"must be true or false, is {show(value)}")


def _int(value: Any, node: Node) -> None:
    _, low, high = node
    if type(value) is not int or not low <= value <= high:
        raise SpecError("", f"must be an integer from {low} to {high}, is {show(value)}")


def _enum(value: Any, node: Node) -> None:
    _, noun, names = node
    if value not in names:
        _string(value, node)
        raise SpecError("", f"unknown {noun} {show(value)}")


def _variable(value: Any, node: Node) -> None:
    _string(value, node)
    if value.find("=") < 1:
        raise SpecError("", f"must be NAME=value, is {show(value)}")


def _is_number(text: str) -> bool:
    """Decimal digits, few enough for a CPU, a node or a page size."""
    return 0 < len(text) < 10 and DIGITS.issuperset(text)


def _cpus(value: Any, node: Node) -> None:
    """The list format of cpuset(7): ``0-4,9``; the empty list is allowed."""
    _string(value, node)
    for part in value.strip().split(","):
        if not part:
            continue
        first, dash, last = part.strip().partition("-")
        if not (_is_number(first) and (not dash or _is_number(last))):
            raise SpecError("", f"must be a list such as '0-3,7', is {show(value)}")
        if dash and int(first) > int(last):
            raise SpecError("", f"has a range that runs backwards, is {show(value)}")


def _access(value: Any, node: Node) -> None:
    _string(value, node)
    if value.strip("rwm"):
        raise SpecError("", f"must be made of the letters r, w and m, is {show(value)}")


def _page_size(value: Any, node: Node) -> None:
    _string(value, node)
    if value[-2:] not in ("KB", "MB", "GB") or not _is_number(value[:-2]):
        raise SpecError("", f"must be a size such as '2MB', is {show(value)}")


KINDS: dict[str, Callable[[Any, Node], None]] = {
    "object": _object,
    "map": _map,
    "list": _list,
    "strings": _strings,
    "string": _string,
    "text": _text,
    "path": _path,
    "path?": _path_or_empty,
    "bool": _bool,
    "int": _int,
    "enum": _enum,
    "variable": _variable,
    "cpus": _cpus,
    "access": _access,
    "page size": _page_size,
}
