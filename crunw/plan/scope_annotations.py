"""``org.systemd.property.NAME`` annotations: properties of a systemd scope, as in runc and crun.

A value is in the text form of GVariant: ``true``, ``'text'``, ``uint64 5``, ``['a', 'b']``.
"""

from __future__ import annotations

from crunw.errors import SpecError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crunw.plan.scope import Property, Value

PREFIX = "org.systemd.property."
_DECIDED = ("Delegate", "PIDs", "Slice")
_TYPES = {"byte": "y", "int16": "n", "uint16": "q", "int32": "i", "uint32": "u"}
_TYPES |= {"int64": "x", "uint64": "t"}
_BITS = {"y": 8, "n": 16, "q": 16, "i": 32, "u": 32, "x": 64, "t": 64}


def annotated_properties(annotations: dict[str, str]) -> list[Property]:
    """The properties that annotations ask for. Raises :class:`SpecError`."""
    found: list[Property] = []
    for key, text in annotations.items():
        if not key.startswith(PREFIX):
            continue
        name = key.removeprefix(PREFIX)
        field = f"annotations[{key!r}]"
        if not (name.isascii() and name.isalpha()) or name in _DECIDED:
            raise SpecError(field, "is not a property that an annotation can set")
        value = _value(text.strip(), field)
        found.append(_in_microseconds(name, value, field))
    return found


def _in_microseconds(name: str, value: tuple[str, Value], field: str) -> Property:
    """D-Bus knows ``TimeoutStopUSec``; unit files, and engines, say ``TimeoutStopSec``."""
    if not name.endswith("Sec") or name.endswith("USec"):
        return name, value
    seconds = value[1]
    if not isinstance(seconds, int) or seconds < 0:
        raise SpecError(field, "is not a number of seconds")
    return f"{name.removesuffix('Sec')}USec", ("t", seconds * 1_000_000)


def _value(text: str, field: str) -> tuple[str, Value]:
    if text in ("true", "false"):
        return "b", text == "true"
    if text[:1] in ("'", '"'):
        return "s", _string(text, field)
    if text.startswith("[") and text.endswith("]"):
        items = text[1:-1].strip()
        return "as", [_string(item.strip(), field) for item in items.split(",")] if items else []
    word, _, number = text.rpartition(" ")
    kind = _TYPES.get(word.strip(), "") if word else "i"
    digits = number.removeprefix("-")
    if kind in _BITS and digits.isascii() and digits.isdecimal() and _fits(kind, int(number)):
        return kind, int(number)
    raise SpecError(
        field, f"{text!r} is not a value of a property such as true, 'text' or uint64 5"
    )


def _fits(kind: str, number: int) -> bool:
    bits = _BITS[kind]
    if kind in "nix":
        return -(1 << (bits - 1)) <= number < 1 << (bits - 1)
    return 0 <= number < 1 << bits


def _string(text: str, field: str) -> str:
    """A quoted string. What has an escape in it no engine sends."""
    inside = text[1:-1]
    if len(text) < 2 or text[0] not in "'\"" or text[-1] != text[0] or {text[0], "\\"} & {*inside}:
        raise SpecError(field, f"{text!r} is not quoted text")
    return inside
