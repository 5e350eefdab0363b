"""The cgroups that ``exec --cgroup`` names."""

from __future__ import annotations

from pathlib import Path

import pytest

from crunw.effects.cgroups.group import Cgroup
from crunw.effects.cgroups.layout import UNIFIED
from crunw.errors import CrunwError


@pytest.fixture
def group(tmp_path: Path) -> Cgroup:
    """One of two hierarchies of v1, and v2; the latter has nothing below."""
    directories = {}
    for key, name in (("cpu,cpuacct", "cpu"), ("pids", "pids"), (UNIFIED, "unified")):
        (tmp_path / name).mkdir()
        directories[key] = str(tmp_path / name)
    for name in ("cpu/a", "pids/a", "pids/b"):
        (tmp_path / name).mkdir()
    return Cgroup("hybrid", "/group", directories)


@pytest.mark.parametrize(
    ("words", "names"),
    [
        (["a"], ["cpu/a", "pids/a", "unified"]),
        (["/a/"], ["cpu/a", "pids/a", "unified"]),
        (["b"], ["cpu", "pids/b", "unified"]),
        (["pids:a"], ["cpu", "pids/a", "unified"]),
        (["cpu:a", "pids:b"], ["cpu/a", "pids/b", "unified"]),
        (["cpuacct,pids:a"], ["cpu/a", "pids/a", "unified"]),
    ],
)
def test_found(group: Cgroup, tmp_path: Path, words: list[str], names: list[str]) -> None:
    assert group.below(words).directories() == [str(tmp_path / name) for name in names]


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["c"], "there is no such cgroup"),
        (["cpu:b"], "there is no such cgroup"),
        (["a/../../other"], "there is no such cgroup"),
        (["memory:a"], "no hierarchy of cgroup v1 has that controller"),
        ([":a"], "there is no such cgroup"),  # cgroup v2
        (["a", "pids:b"], "one of several needs its CONTROLLER"),
    ],
)
def test_not_found(group: Cgroup, words: list[str], problem: str) -> None:
    with pytest.raises(CrunwError, match=problem):
        group.below(words)
