"""``linux.intelRdt``, on a directory in the place of the resctrl file system."""

from __future__ import annotations

from pathlib import Path

import pytest

from crunw.effects import rdt
from crunw.errors import SpecError


@pytest.fixture
def top(tmp_path: Path) -> Path:
    """A resctrl with a class of its administrator's."""
    for directory in (tmp_path, tmp_path / "gold"):
        (directory / "mon_groups").mkdir(parents=True)
        for file in ("tasks", "schemata"):
            (directory / file).write_text("")
    return tmp_path


def test_class_and_monitoring(top: Path) -> None:
    wanted = {"closID": "gold", "l3CacheSchema": "L3:0=f", "schemata": ["MB:0=50"],
              "enableMonitoring": True}  # fmt: skip
    group = rdt.Group(wanted, "id", str(top))
    made = group.make()
    assert made == [f"{top}/gold/mon_groups/id"]
    assert (top / "gold/schemata").read_text() == "L3:0=f\nMB:0=50\n"
    (top / "gold/mon_groups/id/tasks").write_text("")
    group.join(7)
    assert (top / "gold/tasks").read_text() == "7"
    assert (top / "gold/mon_groups/id/tasks").read_text() == "7"


def test_new_class_is_named_after_the_container(top: Path) -> None:
    group = rdt.Group({"memBwSchema": "MB:0=50"}, "id", str(top))
    with pytest.raises(SpecError):  # there is no kernel that makes the files of a class
        group.make()
    assert not (top / "id").exists()


def test_class_that_is_not_there(top: Path) -> None:
    with pytest.raises(SpecError) as caught:
        rdt.Group({"closID": "silver"}, "id", str(top))
    assert caught.value.field == "linux.intelRdt.closID"


@pytest.mark.parametrize("name", ["..", "a/b"])
def test_class_that_is_no_name(top: Path, name: str) -> None:
    with pytest.raises(SpecError) as caught:
        rdt.Group({"closID": name, "schemata": ["L3:0=f"]}, "id", str(top))
    assert caught.value.field == "linux.intelRdt.closID"


def test_default_class(top: Path) -> None:
    group = rdt.Group({"enableMonitoring": True}, "id", str(top))
    made = group.make()
    assert made == [f"{top}/mon_groups/id"]
    rdt.remove(made)
    rdt.remove(made)
    assert not (top / "mon_groups/id").exists()


def test_host_without_resctrl() -> None:
    with pytest.raises(SpecError) as caught:
        rdt.Group({"closID": "a"}, "id", "")
    assert caught.value.field == "linux.intelRdt"
