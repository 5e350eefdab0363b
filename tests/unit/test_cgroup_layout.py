"""Finding the hierarchies in mountinfo; paths of cgroups."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from crunw.effects.cgroups import group
from crunw.effects.cgroups.layout import UNIFIED, Layout, _tops, group_path
from crunw.errors import SpecError

V1 = """\
31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,nosuid shared:5 - cgroup cgroup rw,cpu,cpuacct
33 31 0:30 / /sys/fs/cgroup/memory rw,relatime - cgroup memory rw,memory
34 31 0:37 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,xattr,release_agent=/x,name=systemd
35 31 0:30 / /mnt/again\\040and\\134again rw,relatime - cgroup memory rw,memory
36 31 0:40 / /proc rw,relatime - proc proc rw
"""
V2 = "41 31 0:38 / /sys/fs/cgroup rw,relatime - cgroup2 cgroup2 rw,nsdelegate\n"


def test_v1() -> None:
    layout = Layout(_tops(V1))
    assert layout.mode == "v1"
    assert layout.tops == {
        "cpu,cpuacct": "/sys/fs/cgroup/cpu,cpuacct",
        "memory": "/sys/fs/cgroup/memory",
        "name=systemd": "/sys/fs/cgroup/systemd",
    }
    assert {layout.version(name) for name in ("cpu", "cpuacct", "devices", "hugetlb")} == {1}


def test_v2() -> None:
    layout = Layout(_tops(V2))
    assert layout.mode == "v2"
    assert layout.tops == {UNIFIED: "/sys/fs/cgroup"}
    assert {layout.version(name) for name in ("cpu", "devices", "hugetlb")} == {2}


def test_hybrid(tmp_path: Path) -> None:
    (tmp_path / "cgroup.controllers").write_text("hugetlb io\n")
    layout = Layout({"memory": "/sys/fs/cgroup/memory", UNIFIED: str(tmp_path)})
    assert layout.mode == "hybrid"
    versions = {"memory": 1, "hugetlb": 2, "blkio": 2, "devices": 2, "cpu": 1}
    assert {name: layout.version(name) for name in versions} == versions


def test_none() -> None:
    assert Layout(_tops("36 31 0:40 / /proc rw,relatime - proc proc rw\n")).mode == "none"


def test_escaped_mount_points() -> None:
    escaped = V1.splitlines()[4] + "\n"
    assert _tops(escaped) == {"memory": "/mnt/again and\\again"}


@pytest.mark.parametrize(
    ("cgroups_path", "expected"),
    [
        ("/kubepods/pod1/c", "/kubepods/pod1/c"),
        ("//a/./b//", "/a/b"),
        ("a/b", "/a/b"),
        ("", "/id"),
        ("machine.slice:libpod:abc", "/machine.slice:libpod:abc"),
    ],
)
def test_group_path(cgroups_path: str, expected: str) -> None:
    assert group_path(cgroups_path, "id") == expected


@pytest.mark.parametrize("cgroups_path", ["/", "/.", "a/../b", "..", "a\nb"])
def test_bad_group_paths(cgroups_path: str) -> None:
    with pytest.raises(SpecError, match=r"^linux\.cgroupsPath: "):
        group_path(cgroups_path, "id")


# --- Controllers that are not handed down ---------------------------------------------------------


@pytest.mark.parametrize("processes", ["", "17\n"])
def test_controllers_that_are_not_handed_down(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, processes: str
) -> None:
    """It is a detail: only a limit that needs one of them is an error."""
    top = tmp_path / "top"
    (top / "a").mkdir(parents=True)
    (top / "cgroup.controllers").write_text("cpu pids\n")
    for directory in (top, top / "a"):
        (directory / "cgroup.subtree_control").write_text("")
        (directory / "cgroup.procs").write_text(processes if directory != top else "")
        (directory / "cgroup.type").write_text("domain\n")
    told: list[str] = []

    def put(path: str, value: str) -> None:
        if "pids" in value:
            raise OSError(errno.EBUSY, "Device or resource busy")

    monkeypatch.setattr(group, "put", put)
    monkeypatch.setattr(group.notices, "detail", told.append)
    group._enable_controllers(str(top), "/a/b", None)
    control = f"{top}/cgroup.subtree_control"
    assert told[0] == f"{control}: pids: not enabled: Device or resource busy"
    if processes:
        below = f"{top}/a/cgroup.subtree_control"
        assert told[1:] == [f"{below}: cpu: not enabled: there are processes"]
