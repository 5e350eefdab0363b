"""How long compiling a module will take, by the size of its code section.

Learnt from processor time: how busy the node was when another module was compiled says nothing.
"""

from __future__ import annotations

import posix

from crunw.aot.options import FAST
from crunw.workload import WASMEDGE, WASMTIME

MAX_MODULE = (1 << 32) - 1  # bytes: what the engine can load
_CODE, _TAG = 10, 13  # the sections' numbers (WebAssembly core specification, 5.5.2)
_HEADER = 8
_MANY = 10_000  # sections; a module with more of them is made to do harm
_PART = 11  # a section's number and length
_START = {False: 0.2, True: 0.1}  # s, before the first byte of code is compiled
_RATES = {False: 60e-6, True: 4e-6}  # s a byte, where nothing has been learnt; True: FAST
_ALIKE = 4  # modules that are larger or smaller by this factor teach nothing


def code_size(module: int, engine: str = WASMEDGE) -> int:
    """Bytes of the code section of an open module; of what is damaged, and of what wasmtime is to
    compile, a component perhaps, the size of the file.
    """
    size = posix.fstat(module).st_size
    return size if engine != WASMEDGE else min(_section(module, _CODE, size), size)


def has_tags(module: int) -> bool:
    """Whether an open core module has a tag section: without one it throws no exceptions."""
    return _section(module, _TAG, 0) > 0


def _section(module: int, wanted: int, damaged: int) -> int:
    """The length of a section that is not after the code; 0: there is none."""
    size = posix.fstat(module).st_size
    at = _HEADER
    for _ in range(_MANY):
        if at >= size:
            return 0
        part = posix.pread(module, _PART, at)
        length, used = _number(part[1:])
        if not used:
            return damaged
        if part[0] in (wanted, _CODE):
            return length if part[0] == wanted else 0
        at += 1 + used + length
    return damaged


def _number(data: bytes) -> tuple[int, int]:
    """An unsigned LEB128 number of 32 bits, and how many bytes it takes; 0: it is damaged."""
    value = 0
    for index, byte in enumerate(data[:5]):
        value |= (byte & 0x7F) << 7 * index
        if byte < 0x80:
            return value, index + 1
    return 0, 0


def seconds(code: int, level: str) -> float:
    """How long compiling as much code will take, learnt from what this node has compiled."""
    from crunw.aot import store

    fast = level == FAST
    rates = [
        (entry.meta.seconds - _START[fast]) / entry.meta.code
        for entry in store.entries()
        if entry.meta.options.startswith(f"native-O{level}")
        and not entry.meta.platform.startswith(WASMTIME)
        and code < entry.meta.code * _ALIKE
        and entry.meta.code < code * _ALIKE
    ]
    rate = max(rates, default=_RATES[fast])
    return _START[fast] + max(rate, 0.0) * code


def is_beyond(module: int, limit: int) -> str:
    """Why a module is too large to be compiled; ``""``: it is not."""
    size = posix.fstat(module).st_size
    if size > limit:
        return f"the module is larger than aot.max-module, {limit} bytes"
    return ""
