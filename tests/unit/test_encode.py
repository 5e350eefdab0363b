"""Plans of random fields come back from a decoder that knows only ``csrc/contract.h``."""

from __future__ import annotations

import random
import re
import struct
from pathlib import Path
from typing import Any

import pytest

from crunw.plan import ops
from crunw.plan.encode import Step, decode_fields, encode
from crunw.plan.render import documents, lines

HEADER = (Path(__file__).parents[2] / "csrc" / "contract.h").read_text()
SIGNATURES = {
    int(number): (name.lower(), signature)
    for name, number, signature in re.findall(r'X\((\w+), (\d+), "(\w*)"\)', HEADER)
}
U64 = 2**64
NUMBERS = (0, 1, -1, 255, 2**31, 2**32 - 1, 2**32, 2**63 - 1, 2**63, U64 - 1, -(2**31), -(2**63))
CHARACTERS = "ab/. ,:=\"'\\\n\t\x7fä€😀\udc80\udcff"


class Reader:
    """The bytes that are left of a plan."""

    def __init__(self, data: bytes) -> None:
        self.data = data

    def take(self, size: int) -> bytes:
        assert len(self.data) >= size, "cut short"
        head, self.data = self.data[:size], self.data[size:]
        return head

    def number(self, form: str) -> int:
        (value,) = struct.unpack(form, self.take(struct.calcsize(form)))
        assert isinstance(value, int)
        return value

    def field(self, kind: str) -> Any:
        if kind == "u":
            return self.number("<Q")
        count = self.number("<I")
        if kind == "b":
            return self.take(count)
        if kind == "s":
            text = self.take(count)
            assert b"\0" not in text
            assert self.take(1) == b"\0"
            return text
        return [self.field(kind.lower()) for _ in range(count)]


def decode(plan: bytes) -> list[tuple[str, list[Any]]]:
    reader = Reader(plan)
    assert reader.take(4) == b"CRWP"
    assert reader.number("<I") == ops.VERSION
    count = reader.number("<I")
    assert reader.number("<I") == len(reader.data) - 4
    assert reader.number("<I") == 0
    steps = []
    for _ in range(count):
        name, signature = SIGNATURES[reader.number("<H")]
        assert reader.number("<H") == 0
        payload = Reader(reader.take(reader.number("<I")))
        steps.append((name, [payload.field(kind) for kind in signature]))
        assert payload.data == b""
    assert reader.data == b""
    return steps


def random_field(source: random.Random, kind: str) -> Any:
    if kind == "u":
        return source.choice([*NUMBERS, source.randrange(U64)])
    if kind == "b":
        return source.randbytes(source.choice([0, 1, 8, 1000]))
    if kind == "s":
        return "".join(source.choices(CHARACTERS, k=source.choice([0, 1, 5, 300])))
    return [random_field(source, kind.lower()) for _ in range(source.choice([0, 1, 2, 20]))]


def as_sent(value: Any) -> Any:
    """What the decoder is to find: two's complement, and file names as the bytes they are."""
    if isinstance(value, int):
        return value % U64
    if isinstance(value, str):
        return value.encode("utf-8", "surrogateescape")
    return [as_sent(item) for item in value] if isinstance(value, list) else value


@pytest.mark.parametrize("seed", range(100))
def test_round_trip(seed: int) -> None:
    source = random.Random(seed)  # noqa: S311
    steps = [
        Step(name, *(random_field(source, kind) for kind in signature))
        for name, signature in source.choices(list(SIGNATURES.values()), k=source.randrange(60))
    ]
    expected = [(step.op, [as_sent(value) for value in step.fields]) for step in steps]
    assert decode(encode(steps)) == expected


@pytest.mark.parametrize(("name", "signature"), SIGNATURES.values())
def test_each_operation_alone(name: str, signature: str) -> None:
    source = random.Random(name)  # noqa: S311
    step = Step(name, *(random_field(source, kind) for kind in signature))
    assert decode(encode([step])) == [(name, [as_sent(value) for value in step.fields])]


def test_empty_plan() -> None:
    assert decode(encode([])) == []


@pytest.mark.parametrize("seed", range(20))
def test_report_round_trip(seed: int) -> None:
    """Reports are read by ``decode_fields``: what was sent as a step's fields comes back."""
    source = random.Random(seed)  # noqa: S311
    fields = [random_field(source, kind) for kind in "sssusu"]
    # bytes that are no UTF-8 come back as surrogates; a run of such that is UTF-8 does not
    expected = [
        value % U64 if isinstance(value, int)
        else value.encode("utf-8", "surrogateescape").decode("utf-8", "surrogateescape")
        for value in fields
    ]  # fmt: skip
    payload = encode([Step("mount", *fields)])[20 + 8 :]
    assert decode_fields("sssusu", payload) == expected


@pytest.mark.parametrize(
    "step",
    [
        Step("umask"),
        Step("umask", 1, 2),
        Step("umask", "1"),
        Step("umask", None),
        Step("hostname", b"x"),
        Step("seccomp", "", 0, 0, []),
        Step("process", ("a",), []),
        Step("process", ["a", 1], []),
        Step("process", ["a", b"b"], []),
        Step("credentials", 0, 0, ["5"], 0, 0, 0, 0, 0, 0),
    ],
    ids=repr,
)
def test_wrong_fields(step: Step) -> None:
    with pytest.raises(TypeError):
        encode([step])


def test_control_characters_do_not_reach_the_terminal() -> None:
    (line,) = lines(documents([Step("hostname", "a\x1b[2J\nb")]))
    assert line.isprintable()
