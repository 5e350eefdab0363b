"""A plan for people and for programs: ``crunw plan``."""

from __future__ import annotations

from crunw.plan import flags
from crunw.plan.op_fields import FIELDS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from crunw.plan.encode import Field, Step

_MOUNT_NAMES = {value: name[3:].lower() for name, value in vars(flags).items() if name[:3] == "MS_"}
_CLONE_NAMES = {
    value: name[9:].lower() for name, value in vars(flags).items() if name[:6] == "CLONE_"
}
_MOUNT_FIELDS = (("mount", "flags"), ("bind_idmapped", "flags"))
_CAPABILITY_SETS = ("bounding", "effective", "permitted", "inheritable", "ambient")


def documents(steps: Iterable[Step]) -> list[dict[str, Any]]:
    """Return each step as a dict: ``op`` and its fields by name."""
    return [_document(step) for step in steps]


def lines(steps: list[dict[str, Any]]) -> list[str]:
    """Return the result of :func:`documents` as lines; what is empty or 0 is left out."""
    width = max(len(step["op"]) for step in steps)
    return [
        f"{number:3}  {step['op']:<{width}}  {_fields(step)}".rstrip()
        for number, step in enumerate(steps, 1)
    ]


def _document(step: Step) -> dict[str, Any]:
    names = FIELDS.get(step.op, "").split()
    fields = zip(names, step.fields, strict=True)
    return {"op": step.op, **{name: _readable(step.op, name, value) for name, value in fields}}


def _readable(op: str, name: str, value: Field) -> Field:
    if isinstance(value, bytes):
        return f"{len(value)} bytes"
    if not isinstance(value, int):
        return value
    return _readable_number(op, name, value)


def _readable_number(op: str, name: str, value: int) -> Field:
    if name in ("types", "type"):
        return _bits(value, _CLONE_NAMES)
    if name == "propagation" or (op, name) in _MOUNT_FIELDS:
        return _bits(value, _MOUNT_NAMES)
    if name in _CAPABILITY_SETS:
        return [cap for bit, cap in enumerate(flags.CAPABILITIES) if value >> bit & 1]
    if name == "resource":
        return flags.RLIMITS[value]
    return f"{value:#o}" if name in ("mode", "mask") else value


def _bits(value: int, names: dict[int, str]) -> list[str]:
    return [name for bit, name in sorted(names.items()) if value & bit]


def _fields(step: dict[str, Any]) -> str:
    shown = []
    for name, value in step.items():
        if name == "op" or value in ("", 0, []):
            continue
        text = ",".join(map(str, value)) if isinstance(value, list) else str(value)
        shown.append(f"{name}={text if text.isprintable() else repr(text)}")
    return " ".join(shown)
