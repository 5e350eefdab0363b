"""The list of ``ci/real-programs`` names everything that it needs."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from real_programs import inputs, sources, table
from real_programs.judging import judge
from real_programs.running import PROJECT, Outcome

HERE = PROJECT / "tests/real_programs"
PROGRAMS = sources.listed()
HASHES = {"go": r"h1:[A-Za-z0-9+/]{43}="}  # the others: SHA-256


def test_names_are_used_once() -> None:
    names = [one["name"] for one in PROGRAMS]
    assert sorted(names) == sorted(set(names))


def test_quick_has_ten() -> None:
    assert sum(one.get("quick", False) for one in PROGRAMS) == 10


@pytest.mark.parametrize("entry", PROGRAMS, ids=lambda entry: entry["name"])
def test_it_is_pinned(entry: dict[str, Any]) -> None:
    (kind,) = (kind for kind in sources.KINDS if kind in entry)
    assert re.fullmatch(HASHES.get(kind, "[0-9a-f]{64}"), entry["hash"])
    assert re.search(r"==|.@v?\d", entry[kind])


@pytest.mark.parametrize("entry", PROGRAMS, ids=lambda entry: entry["name"])
def test_its_files_are_there(entry: dict[str, Any]) -> None:
    for name in entry.get("own", ()):
        assert (HERE / "sources" / name).exists()
    for name in entry.get("inputs", ()):
        kind, _, path = name.partition("=")[0].rpartition(":")
        place = {"": HERE / "inputs", "project": PROJECT}.get(kind)
        assert path in inputs.MADE or place is None or (place / path).exists()
    assert entry.get("stdin", entry.get("inputs", [""])[0]) in entry.get("inputs", [""])


def test_outcomes_are_compared_by_status_and_files() -> None:
    first = Outcome(0, 1.0, 1, {"": b"a"})
    assert first.is_like(Outcome(0, 2.0, 2, {"": b"a"}))
    assert not first.is_like(Outcome(1, 1.0, 1, {"": b"a"}))
    assert not first.is_like(Outcome(0, 1.0, 1, {"": b"b"}))
    assert not first.is_like(Outcome(0, 1.0, 1, {"": b"a", "more": b""}))


COMPILED = {"execution": "compiled"}
INTERPRETED = {"execution": "interpreted", "reason": "not compiled yet"}
WASMTIME = {"engine": "wasmtime"}


def outcome(how: dict[str, str], out: bytes = b"a", status: int = 0, seconds: float = 0) -> Outcome:
    return Outcome(status, seconds, 1, {"": out}, how=how)


@pytest.mark.parametrize(
    ("name", "run", "entry"),
    [
        ("interpreted", outcome(INTERPRETED), {}),
        (
            "interpreted",
            outcome(INTERPRETED, b"", status=152, seconds=10),
            {},
        ),  # ended by its limit
        ("tier 0", outcome(COMPILED), {}),
        ("tier 1", outcome(COMPILED | WASMTIME), WASMTIME),
        ("interpreted", outcome(INTERPRETED | WASMTIME), WASMTIME),
    ],
)
def test_what_is_as_it_must_be(name: str, run: Outcome, entry: dict[str, str]) -> None:
    assert judge(entry, name, run, outcome({})) == ""


@pytest.mark.parametrize(
    ("name", "run", "entry", "words"),
    [
        ("tier 0", outcome(COMPILED, b"b"), {}, "other standard output"),
        ("tier 0", outcome(COMPILED, status=1), {}, "status 1"),
        ("tier 0", outcome(INTERPRETED), {}, "not used"),
        ("tier 0", outcome({}), {}, "not used"),
        ("tier 1", outcome(COMPILED, b"", status=152, seconds=10), {}, "status 152"),
        ("interpreted", outcome(COMPILED), {}, "no code for it"),
        ("interpreted", outcome({"execution": "interpreted"}), {}, "without a reason"),
        ("interpreted", outcome(INTERPRETED, b"b"), {}, "other standard output"),
        ("tier 1", outcome(COMPILED), WASMTIME, "another engine"),
        ("tier 1", outcome(COMPILED | WASMTIME), {}, "another engine"),
    ],
)
def test_what_is_wrong_with_a_run(
    name: str, run: Outcome, entry: dict[str, str], words: str
) -> None:
    assert words in judge(entry, name, run, outcome({}))


def test_what_is_made_is_always_the_same() -> None:
    for name, make in inputs.MADE.items():
        if Path(name).suffix not in (".bin", ".xz"):  # large
            assert make() == make()


def test_the_mean_is_of_what_takes_time() -> None:
    def figures(native: float, tier: float, **more: str) -> dict[str, Any]:
        engine = {"engine": "native", "seconds": native}
        runs = {"tier 1": {"seconds": tier}}
        return {"name": "x", "start": 0.5, "reference": engine, "runs": runs, **more}

    some = [figures(1.0, 2.5), figures(1.0, 1.0), figures(0.01, 1.0), figures(1.0, 9.0, refused="")]
    assert "2 programs" in table.summary(some)
    assert table.summary(some).endswith(": 1.00")
