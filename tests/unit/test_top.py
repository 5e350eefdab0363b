"""The table of ``crunw top``."""

from __future__ import annotations

from typing import Any

import pytest

from crunw import notices
from crunw.cli import usage


def row(name: str, **known: Any) -> dict[str, Any]:
    unknown = dict.fromkeys(
        ("engine", "execution", "cpu", "memory", "memoryLimit", "pids", "instructions")
    )
    return {"id": name, "kind": "native", "status": "running", "ready": False, **unknown, **known}


@pytest.mark.parametrize(
    ("order", "expected"),
    [("cpu", "cab"), ("memory", "bac"), ("pids", "abc"), ("instructions", "acb"), ("id", "abc")],
)
def test_order(order: str, expected: str) -> None:
    rows = [
        row("b", memory=9, cpu=0.5, instructions=None),
        row("a", memory=3, cpu=0.7, instructions=5),
        row("c", cpu=250.0, instructions=4),
    ]
    assert "".join(found["id"] for found in usage.ordered(rows, order)) == expected


def test_table() -> None:
    rows = [
        row("web", kind="wasm", engine="wasmedge", execution="interpreted", ready=True, cpu=99.96,
            memory=12 << 20, memoryLimit=64 << 20, pids=2, instructions=48172283),
        row("db", status="stopped"),
    ]  # fmt: skip
    header, *lines = usage.text(rows).splitlines()
    assert header.split() == usage._HEADER
    assert lines == [
        "web  wasm    wasmedge  interpreted (ready)  running  100.0  12.0M   64.0M  2     48.2M",
        "db   native  -         -                    stopped  -      -       -      -     -",
    ]


def test_no_containers() -> None:
    assert usage.text([]).split() == usage._HEADER


@pytest.mark.parametrize(
    ("number", "base", "expected"),
    [(None, 1024, "-"), (0, 1024, "0"), (1023, 1024, "1023"), (1024, 1024, "1.0K"),
     (999_999, 1000, "1000.0K"), (1_000_000, 1000, "1.0M"), (5 << 40, 1024, "5.0T"),
     (5 << 50, 1024, "5120.0T")],
)  # fmt: skip
def test_amount(number: int | None, base: int, expected: str) -> None:
    assert usage._amount(number, base) == expected


def test_notices_wait_for_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notices, "_channel", notices._Channel())
    shown: list[str] = []
    notices.show_by(lambda level, text: shown.append(text), notices.WARNING)
    release = notices.hold()
    notices.degraded("a", "b")
    assert shown == []
    release()
    assert shown == ["a: b"]
    notices.degraded("c", "d")
    assert shown == ["a: b", "c: d"]
