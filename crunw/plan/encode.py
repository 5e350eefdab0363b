"""Steps as the bytes that ``crunw-init`` reads (``csrc/plan.h``)."""

from __future__ import annotations

from crunw.plan.ops import MAGIC, OPS, VERSION

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    Field = int | str | bytes | list[str] | list[int]

_U64 = (1 << 64) - 1


class Step:
    """One operation of the plan: its name and its fields, in the order of the signature."""

    __slots__ = ("fields", "op")

    def __init__(self, op: str, *fields: Field) -> None:
        self.op = op
        self.fields = fields

    def __repr__(self) -> str:
        return f"Step({self.op!r}, {', '.join(map(repr, self.fields))})"


def encode(steps: Iterable[Step], *, more: bool = False) -> bytes:
    """Return the plan as bytes, or a part of it, which ``more`` follows.

    A field that doesn't fit its signature is a programming error.
    """
    records = [record(step) for step in steps]
    body = b"".join(records)
    header = (MAGIC, _u32(VERSION), _u32(len(records)), _u32(len(body)), _u32(more))
    return b"".join((*header, body))


def decode_fields(signature: str, payload: bytes) -> list[int | str]:
    """Read the fields of a report's payload (only ``u`` and ``s`` occur there)."""
    fields: list[int | str] = []
    at = 0
    for kind in signature:
        if kind == "u":
            fields.append(int.from_bytes(payload[at : at + 8], "little"))
            at += 8
        else:
            length = int.from_bytes(payload[at : at + 4], "little")
            fields.append(os_text(payload[at + 4 : at + 4 + length]))
            at += 4 + length + 1
    return fields


def os_text(data: bytes) -> str:
    """File names are bytes: undecodable ones survive as surrogates, as in ``os.fsdecode``."""
    return data.decode("utf-8", "surrogateescape")


def record(step: Step) -> bytes:
    """Return one step as it is in a plan."""
    number, signature = OPS[step.op]
    if len(signature) != len(step.fields):
        raise TypeError(f"{step!r}: {len(signature)} fields expected")
    payload = b"".join(map(field, signature, step.fields))
    return b"".join((number.to_bytes(2, "little"), b"\0\0", _u32(len(payload)), payload))


def field(kind: str, value: Field) -> bytes:
    """Return a value as a field of that kind (``csrc/plan.h``)."""
    if isinstance(value, int) and kind == "u":
        return (value & _U64).to_bytes(8, "little")
    if isinstance(value, str) and kind == "s":
        return _string(value)
    if isinstance(value, bytes) and kind == "b":
        return _u32(len(value)) + value
    if isinstance(value, list) and kind in "SU":
        inner = kind.lower()
        return _u32(len(value)) + b"".join(field(inner, item) for item in value)
    raise TypeError(f"{value!r} is not of kind {kind}")


def _string(value: str) -> bytes:
    data = value.encode("utf-8", "surrogateescape")
    return b"".join((_u32(len(data)), data, b"\0"))


def _u32(value: int) -> bytes:
    return value.to_bytes(4, "little")
