"""Ending what is in a cgroup that goes meanwhile, as systemd removes that of an empty scope."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from crunw.effects.cgroups import freezer, group
from crunw.effects.cgroups.group import Cgroup
from crunw.effects.cgroups.layout import UNIFIED
from crunw.errors import KernelError


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    (tmp_path / "scope").mkdir()
    return tmp_path / "scope"


def test_a_cgroup_that_goes_meanwhile(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def vanish(_path: str) -> bool:
        directory.rmdir()
        return False

    monkeypatch.setattr(group, "exists", vanish)
    Cgroup("v2", "/scope", {UNIFIED: str(directory)}).kill()
    assert not directory.exists()


def test_one_that_stays_is_an_error(directory: Path) -> None:
    with pytest.raises(KernelError, match=r"^freeze .*/scope: No such file or directory$"):
        Cgroup("v2", "/scope", {UNIFIED: str(directory)}).kill()


def test_thawing_one_that_has_gone(directory: Path) -> None:
    """SIGKILL to the last process of a paused container, which needs no thawing on cgroup v2."""
    directory.rmdir()
    Cgroup("v2", "/scope", {UNIFIED: str(directory)}).thaw()


def test_thawing_one_that_is_going(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its files say so while its directory can still be seen."""

    def going(_directory: str, _frozen: bool) -> None:
        raise OSError(errno.ENODEV, "No such device")

    monkeypatch.setattr(freezer, "freeze_v2", going)
    Cgroup("v2", "/scope", {UNIFIED: str(directory)}).thaw()


def test_thawing_what_is_no_cgroup(directory: Path) -> None:
    with pytest.raises(KernelError, match=r"^thaw .*/scope: No such file or directory$"):
        Cgroup("v2", "/scope", {UNIFIED: str(directory)}).thaw()
