"""Some inputs of each Python target of ``ci/fuzz``, always the same; and that it finds faults."""

from __future__ import annotations

import pytest
from fuzz import readers
from fuzz.mutate import Mutator

RUNS = 200


@pytest.mark.parametrize("name", readers.TARGETS)
def test_target(name):
    runs, _ = readers.fuzz(name, lambda runs: runs < RUNS, "unit")
    assert runs == RUNS


def test_a_fault_is_found(monkeypatch):
    def run(data: bytes) -> None:
        if data[:1] == b"\xff":
            raise KeyError(data)

    monkeypatch.setitem(readers.TARGETS, "faulty", lambda: readers.Target(run, [b"one", b"two"]))
    with pytest.raises(readers.Crash, match="KeyError"):
        readers.fuzz("faulty", lambda runs: runs < 10000, "unit")


def test_inputs_are_the_same_for_a_seed():
    seeds = readers.configurations()
    first, second = (Mutator("seed", seeds) for _ in range(2))
    assert [first.document(seeds[0]) for _ in range(20)] == [
        second.document(seeds[0]) for _ in range(20)
    ]
