"""A module of any size, as compilers make them: many functions of some 200 bytes.

Its ``_start`` calls the first of them, so a run is little more than loading it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

_MAGIC = b"\0asm\1\0\0\0"
_TYPE, _IMPORT, _FUNCTION, _CODE = 1, 2, 3, 10  # sections
_I32, _EMPTY = 0x7F, 0x40
_TYPES = bytes([2, 0x60, 1, _I32, 1, _I32, 0x60, 0, 0])  # (i32) → i32, () → ()
_ROUNDS = 8  # like statements in each function


def write(path: Path, size: int) -> None:
    """Write a module of about ``size`` bytes."""
    bodies = _bodies(size, 0)
    count = len(bodies)
    bodies.append(_sized(bytes([0, 0x41, 7, 0x10, 0, 0x1A, 0x0B])))  # drop(function 0 of 7)
    sections = (
        (_TYPE, _TYPES),
        (_FUNCTION, _unsigned(count + 1) + bytes(count) + b"\1"),
        (5, bytes([1, 0, 1])),  # a memory of one page
        (7, b"\1\6_start\0" + _unsigned(count)),
        (_CODE, _unsigned(count + 1) + b"".join(bodies)),
    )
    path.write_bytes(_module(sections))


def with_custom_section(module: bytes, content: bytes) -> bytes:
    """The same module to every engine, another file to every cache."""
    return module + b"\0" + _sized(b"\5bench" + content)


def with_functions(module: bytes, size: int) -> bytes:
    """The same module with about ``size`` bytes more of functions, which nothing calls.

    It imports functions alone, and has a memory.
    """
    sections = list(_sections(module))
    known = dict(sections)
    types, _ = _number(known[_TYPE], 0)
    own, _ = _number(known[_FUNCTION], 0)
    bodies = _bodies(size, _imported_functions(known.get(_IMPORT, b"\0")) + own)
    more = {
        _TYPE: [bytes([0x60, 1, _I32, 1, _I32])],
        _FUNCTION: [_unsigned(types)] * len(bodies),
        _CODE: bodies,
    }
    return _module(
        (number, _extended(content, more[number]) if number in more else content)
        for number, content in sections
    )


def _module(sections: Iterable[tuple[int, bytes]]) -> bytes:
    return _MAGIC + b"".join(bytes([number]) + _sized(content) for number, content in sections)


def _extended(section: bytes, entries: list[bytes]) -> bytes:
    count, at = _number(section, 0)
    return _unsigned(count + len(entries)) + section[at:] + b"".join(entries)


def _sections(module: bytes) -> Iterator[tuple[int, bytes]]:
    at = len(_MAGIC)
    while at < len(module):
        size, start = _number(module, at + 1)
        yield module[at], module[start : start + size]
        at = start + size


def _imported_functions(content: bytes) -> int:
    """How many functions an import section has. Raises ValueError if there is something else."""
    count, at = _number(content, 0)
    for _ in range(count):
        for _ in range(2):  # the names of the module and the function
            length, at = _number(content, at)
            at += length
        if content[at] != 0:
            raise ValueError("the module imports what is no function")
        _, at = _number(content, at + 1)
    return count


def _bodies(size: int, first: int) -> list[bytes]:
    """About ``size`` bytes of functions, of which ``first`` is the number of the first."""
    bodies: list[bytes] = []
    written = 0
    while written < size:
        bodies.append(_sized(_body(first + len(bodies), first)))
        written += len(bodies[-1])
    return bodies


def _body(number: int, first: int) -> bytes:
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
    code += _unsigned(max(number - 1, first)) + b"\x0f\x0b\x20\0\x0b"
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


def _number(data: bytes, at: int) -> tuple[int, int]:
    """An unsigned LEB128 number, and where it ends."""
    value = shift = 0
    while True:
        value |= (data[at] & 0x7F) << shift
        shift, at = shift + 7, at + 1
        if data[at - 1] < 0x80:
            return value, at


def _signed(value: int) -> bytes:
    """Signed LEB128 of a number that is not negative."""
    encoded = bytearray()
    while value > 0x3F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)
