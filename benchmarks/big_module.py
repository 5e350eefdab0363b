"""A module of any size, as compilers make them: many functions of some 200 bytes.

Its ``_start`` calls the first of them, so a run is little more than loading it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_I32, _EMPTY = 0x7F, 0x40
_TYPES = bytes([2, 0x60, 1, _I32, 1, _I32, 0x60, 0, 0])  # (i32) → i32, () → ()
_ROUNDS = 8  # like statements in each function


def write(path: Path, size: int) -> None:
    """Write a module of about ``size`` bytes."""
    bodies: list[bytes] = []
    written = 0
    while written < size:
        bodies.append(_sized(_body(len(bodies))))
        written += len(bodies[-1])
    count = len(bodies)
    bodies.append(_sized(bytes([0, 0x41, 7, 0x10, 0, 0x1A, 0x0B])))  # drop(function 0 of 7)
    sections = (
        (1, _TYPES),
        (3, _unsigned(count + 1) + bytes(count) + b"\1"),
        (5, bytes([1, 0, 1])),  # a memory of one page
        (7, b"\1\6_start\0" + _unsigned(count)),
        (10, _unsigned(count + 1) + b"".join(bodies)),
    )
    with path.open("wb") as file:
        file.write(b"\0asm\1\0\0\0")
        for number, content in sections:
            file.write(bytes([number]) + _sized(content))


def with_custom_section(module: bytes, content: bytes) -> bytes:
    """The same module to every engine, another file to every cache."""
    return module + b"\0" + _sized(b"\5bench" + content)


def _body(number: int) -> bytes:
    """``(i32) → i32``: loads, stores, arithmetic, a loop, a call that is never made."""
    code = bytearray([1, 1, _I32])  # one local, an i32
    seed = number + 1
    for round_ in range(_ROUNDS):
        factor = _signed((seed * 2654435761 + round_ * 40503) % 0x7FFFFFFF | 1)
        # the local times the factor, xor what memory has at (local & 0xfff8)
        code += b"\x20\0\x41" + factor + b"\x6c\x20\0\x41\xf8\xff\3\x71\x28\2\0\x73\x21\0"
    # store the local in memory, three times
    code += b"\3\x40\x41\x08\x20\0\x36\2\0\x20\1\x41\1\x6a\x22\1\x41\3\x49\x0d\0\x0b"
    # if it is a certain number, return what the function before makes of it
    code += b"\x20\0\x41" + _signed(seed) + bytes([0x46, 0x04, _EMPTY, 0x20, 0, 0x10])
    code += _unsigned(max(number - 1, 0)) + b"\x0f\x0b\x20\0\x0b"
    return bytes(code)


def _sized(content: bytes) -> bytes:
    return _unsigned(len(content)) + content


def _unsigned(value: int) -> bytes:
    """LEB128."""
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)


def _signed(value: int) -> bytes:
    """Signed LEB128 of a number that is not negative."""
    encoded = bytearray()
    while value > 0x3F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)
