"""What an update changes, and what the container's resources are afterwards."""

from __future__ import annotations

from typing import Any

import pytest

from crunw.plan.resources import writes
from crunw.plan.update import completed, merged

COMPLETED = [
    # before, asked, completed
    ({}, {"pids": {"limit": 7}}, {"pids": {"limit": 7}}),
    ({"pids": {"limit": 7}}, {"memory": {"limit": 1}}, {"memory": {"limit": 1}}),
    (
        {"memory": {"limit": 5, "swap": 9}},
        {"memory": {"limit": 4}},
        {"memory": {"limit": 4, "swap": 9}},
    ),
    (
        {"memory": {"limit": 5, "swap": 9}},
        {"memory": {"limit": -1}},
        {"memory": {"limit": -1, "swap": -1}},
    ),
    ({"memory": {"limit": 5}}, {"memory": {"swap": 6}}, {"memory": {"limit": 5, "swap": 6}}),
    ({"memory": {"limit": 5}}, {"memory": {"reservation": 3}}, {"memory": {"reservation": 3}}),
    (
        {"cpu": {"quota": 5, "period": 9}},
        {"cpu": {"period": 4}},
        {"cpu": {"quota": 5, "period": 4}},
    ),
    ({"cpu": {"quota": 5, "period": 9}}, {"cpu": {"shares": 4}}, {"cpu": {"shares": 4}}),
    ({"cpu": {"idle": 1}}, {"cpu": {"idle": 0}}, {"cpu": {"idle": 0}}),
    ({"cpu": {"burst": 5}}, {"cpu": {"burst": 0}}, {"cpu": {"burst": 0}}),
    (
        {"cpu": {"realtimeRuntime": 5}},
        {"cpu": {"realtimeRuntime": 0}},
        {"cpu": {"realtimeRuntime": 0}},
    ),
    ({"network": {"classID": 5}}, {"network": {"classID": 0}}, {"network": {"classID": 0}}),
    ({"cpu": {"cpus": "1"}}, {"cpu": {"cpus": "", "shares": 0}}, {}),
    ({}, {"memory": {"disableOOMKiller": False}}, {"memory": {"disableOOMKiller": False}}),
]


@pytest.mark.parametrize(("before", "asked", "expected"), COMPLETED)
def test_completed(before: Any, asked: Any, expected: Any) -> None:
    assert completed(before, asked) == expected


def test_merged() -> None:
    before: Any = {"memory": {"limit": 5, "swap": 9}, "devices": [1], "pids": {"limit": 1}}
    changes: Any = {"memory": {"limit": 6}, "devices": [2], "cpu": {"quota": 3}}
    assert merged(before, changes) == {
        "memory": {"limit": 6, "swap": 9},
        "devices": [2],
        "pids": {"limit": 1},
        "cpu": {"quota": 3},
    }
    assert before["memory"]["limit"] == 5


def test_a_quota_stays_when_the_period_changes_on_v2() -> None:
    before: Any = {"cpu": {"quota": 50000, "period": 100000}}
    changes = completed(before, {"cpu": {"period": 20000}})
    found = writes(changes, lambda controller: 2)
    assert [(write.file, write.value) for write in found] == [("cpu.max", "50000 20000")]
