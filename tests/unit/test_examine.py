"""``crunw inspect`` on modules that are made to exhaust the engine."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from crunw.aot import examine as subject
from crunw.errors import CrunwError

HEADER = b"\0asm\1\0\0\0"


def leb128(number: int) -> bytes:
    data = b""
    while True:
        number, low = number >> 7, number & 0x7F
        data += bytes([low | 0x80 if number else low])
        if not number:
            return data


def section(number: int, content: bytes) -> bytes:
    return bytes([number]) + leb128(len(content)) + content


def module(*, tables: bytes = b"", locals_: bytes = b"\0") -> bytes:
    """A module with one function, ``_start``, with these tables and local variables."""
    body = locals_ + b"\x0b"
    return b"".join(
        (
            HEADER,
            section(1, b"\1\x60\0\0"),
            section(3, b"\1\0"),
            section(4, tables) if tables else b"",
            section(7, b"\1\6_start\0\0"),
            section(10, b"\1" + leb128(len(body)) + body),
        )
    )


MANY = leb128(2**32 - 1)
VALUE = b"\xd0\x70\x0b"  # ref.null func
BOMBS = {
    "a function with 4294967295 local": module(locals_=b"\1" + MANY + b"\x7f"),
    "a function with 50001 local": module(locals_=b"\2" + leb128(50000) + b"\x7f\1\x7e"),
    "a function with 60001 local": module(
        locals_=b"\2\1\x63\x6f" + leb128(60000) + b"\x7f"
    ),  # after one of a type of two parts
    "a table of 4294967295 elements": module(tables=b"\1\x70\0" + MANY),
    "a table of 10000001 elements": module(tables=b"\2\x70\0\1\x6f\1" + leb128(10**7 + 1) + MANY),
    "a table of 4294967293 elements": module(
        tables=b"\2\x40\0\x6c\0\1\x41\1\xfb\x1c\x0b\x70\0" + leb128(2**32 - 3)
    ),  # after one whose initial value takes two instructions
    "a table of 4294967294 elements": module(
        tables=b"\2\x40\0\x70\0\1" + VALUE + b"\x70\0" + leb128(2**32 - 2)
    ),
}


@pytest.mark.parametrize("problem", BOMBS)
def test_what_would_exhaust_the_engine_is_refused(problem: str, tmp_path: Path) -> None:
    path = tmp_path / "bomb.wasm"
    path.write_bytes(BOMBS[problem])
    with pytest.raises(CrunwError, match=problem):
        subject.examine(str(path))


def test_what_is_within_the_limits(tmp_path: Path) -> None:
    path = tmp_path / "module.wasm"
    path.write_bytes(
        module(tables=b"\1\x70\0" + leb128(10**5), locals_=b"\1" + leb128(50000) + b"\x7f")
    )
    assert subject.examine(str(path))["kind"] == "command"


@pytest.mark.parametrize("act", ["end", "loop", "leave"])
def test_an_engine_that_fails_is_one_error(
    act: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    acts = {
        "end": lambda: os.kill(os.getpid(), signal.SIGKILL),
        "leave": lambda: os._exit(3),
        "loop": lambda: [None for _ in iter(int, 1)],
    }
    monkeypatch.setattr(subject, "_SECONDS", 1)
    monkeypatch.setattr(subject, "_examine", lambda _: acts[act]())
    path = tmp_path / "module.wasm"
    path.write_bytes(module())
    with pytest.raises(CrunwError, match="the engine has not come to an end with this module: "):
        subject.examine(str(path))
