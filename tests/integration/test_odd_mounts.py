"""Mounts that the specification allows and few configurations have: on "/", twice, on links."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.commands import wait_for
from support.containers import MAPPED, Bundle, Runtime, in_user_namespace

MakeBundle = Callable[..., Bundle]

LIST = ("sh", "-c", "ls /; cat /proc/self/mountinfo")


def tmpfs(destination: str, *options: str) -> dict[str, Any]:
    return {"destination": destination, "type": "tmpfs", "source": "tmpfs", "options": [*options]}


def other_root(bundle: Bundle) -> dict[str, Any]:
    """A mount of a second root directory beside the bundle's, which has a file ``/other``."""
    shutil.copytree(bundle.rootfs, bundle.path / "second", symlinks=True)
    (bundle.path / "second/other").touch()
    return {"destination": "/", "type": "bind", "source": "second", "options": ["rbind"]}


def add(bundle: Bundle, *mounts: dict[str, Any], first: bool = False) -> Bundle:
    """Add mounts before or after those that the bundle has."""
    own = bundle.config["mounts"]
    bundle.config["mounts"] = [*mounts, *own] if first else [*own, *mounts]
    return bundle.write()


def points(text: str) -> list[str]:
    """The mount points of a mountinfo."""
    return [line.split()[4] for line in text.splitlines() if " - " in line]


@pytest.mark.parametrize("destination", ["/", "//", "/.", "/..", "/../..", "/tmp/../.."])
def test_a_mount_on_the_root_is_the_root(
    crunw: Runtime, bundle: MakeBundle, destination: str
) -> None:
    """As with runc: what is mounted later lies in it, and the program is one of its files."""
    made = bundle(*LIST)
    out = crunw.run(add(made, {**other_root(made), "destination": destination}, first=True)).ok()
    assert out.splitlines()[:4] == ["bin", "dev", "other", "proc"]
    assert points(out).count("/") == 1
    assert not (made.rootfs / "proc").exists()


def test_a_link_may_lead_a_mount_to_the_root(crunw: Runtime, bundle: MakeBundle) -> None:
    made = bundle(*LIST)
    (made.rootfs / "link").symlink_to("/")
    mount = {**other_root(made), "destination": "/link"}
    assert "other" in crunw.run(add(made, mount, first=True)).ok().splitlines()


def test_the_last_mount_on_the_root_counts(crunw: Runtime, bundle: MakeBundle) -> None:
    made = bundle(*LIST)
    out = crunw.run(add(made, tmpfs("/"), other_root(made), first=True)).ok()
    assert "other" in out.splitlines()
    assert points(out).count("/") == 1


def test_a_mount_on_the_root_covers_what_came_before(crunw: Runtime, bundle: MakeBundle) -> None:
    made = bundle("ls", "/")
    (made.rootfs / "first").mkdir()
    second = other_root(made)
    out = crunw.run(add(made, second)).ok()
    assert "other" in out.splitlines()
    assert "sys" not in out.splitlines()


def test_a_read_only_root_is_the_one_mounted(crunw: Runtime, bundle: MakeBundle) -> None:
    made = bundle("touch", "/file", root__readonly=True)
    result = crunw.run(add(made, other_root(made), first=True))
    assert (result.status, "Read-only file system" in result.err) == (1, True)


def test_a_tmpfs_on_the_root_is_made_read_only_at_the_end(
    crunw: Runtime, bundle: MakeBundle
) -> None:
    made = bundle("/b/busybox", "sh", "-c", "/b/busybox touch /x; /b/busybox cat /proc/mounts")
    shutil.copytree(made.rootfs / "bin", made.path / "bin", symlinks=True)
    binaries = {"destination": "/b", "type": "bind", "source": "bin", "options": ["bind"]}
    add(made, tmpfs("/", "ro"), first=True)
    result = crunw.run(add(made, binaries))
    assert "Read-only file system" in result.err
    assert "tmpfs / tmpfs ro" in result.out


def test_a_mount_on_the_root_in_a_user_namespace(crunw: Runtime, bundle: MakeBundle) -> None:
    made = bundle(*LIST)
    in_user_namespace(add(made, other_root(made), first=True))
    os.chown(made.path / "second", MAPPED, MAPPED)
    out = crunw.run(made).ok()
    assert "other" in out.splitlines()


def test_a_running_container_keeps_its_root(
    crunw: Runtime, bundle: MakeBundle, tmp_path: Path
) -> None:
    """Also where a link in it leads there: the mount would be seen by nobody."""
    made = bundle("sh", "-c", "ln -s / /link; touch /ready; sleep 1000")
    crunw.start(made)
    wait_for((made.rootfs / "ready").exists)
    mounts = tmp_path / "mounts.json"
    mounts.write_text('[{"destination": "/link", "type": "tmpfs", "source": "tmpfs"}]')
    error = crunw("mounts", "add", made.id, mounts).error()
    assert error == "mount /link: the path leads to the root directory"


def test_two_mounts_of_one_destination(crunw: Runtime, bundle: MakeBundle) -> None:
    """The second covers the first."""
    out = crunw.run(
        add(bundle("cat", "/proc/self/mountinfo"), tmpfs("/d"), tmpfs("/d/./", "ro"))
    ).ok()
    assert points(out).count("/d") == 2
    assert [line.split()[5][:2] for line in out.splitlines() if " /d " in line] == ["rw", "ro"]


@pytest.mark.parametrize(
    ("mount", "error"),
    [
        (tmpfs("/d/file"), "mount /d/file: a directory cannot be mounted on a file"),
        (tmpfs("/d/link"), "mount /d/link: a directory cannot be mounted on a file"),
        (tmpfs("/d/file/x"), "openat2 /d/file/x: Not a directory"),
        (
            {"destination": "/d", "type": "bind", "source": "config.json", "options": ["bind"]},
            "mount /d: a file cannot be mounted on a directory",
        ),
    ],
)
def test_what_can_not_be_mounted_is_named(
    crunw: Runtime, bundle: MakeBundle, mount: dict[str, Any], error: str
) -> None:
    made = bundle()
    (made.rootfs / "d").mkdir()
    (made.rootfs / "d/file").touch()
    (made.rootfs / "d/link").symlink_to("file")
    assert crunw.run(add(made, mount)).error() == error


def test_a_file_is_bound_where_a_link_leads(crunw: Runtime, bundle: MakeBundle) -> None:
    made = bundle("cat", "/d/file")
    (made.rootfs / "d").mkdir()
    (made.rootfs / "d/file").touch()
    (made.rootfs / "link").symlink_to("d/file")
    (made.path / "text").write_text("bound\n")
    mount = {"destination": "/link", "type": "bind", "source": "text", "options": ["bind"]}
    assert crunw.run(add(made, mount)).ok() == "bound\n"


def test_a_remount_sets_and_clears_flags(crunw: Runtime, bundle: MakeBundle) -> None:
    """What the options of the remount do not name stays as it was."""
    made = bundle("cat", "/proc/self/mountinfo")
    again = tmpfs("/d", "remount", "rw", "suid", "noexec")
    out = crunw.run(add(made, tmpfs("/d", "nosuid", "nodev", "ro"), again)).ok()
    [line] = [line for line in out.splitlines() if " /d " in line]
    assert line.split()[5] == "rw,nodev,noexec,relatime"
