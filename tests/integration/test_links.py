"""Mount options that say what becomes of a symbolic link: `copy-symlink`, `src-nofollow`,
`dest-nofollow`.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from support.containers import Bundle, Runtime, in_user_namespace, skip_without_root

MakeBundle = Callable[..., Bundle]

ATTRIBUTES = "rbind,rprivate,nosuid,rw,rnodev"  # as engines add them: steps that follow the mount


@pytest.fixture
def volume(tmp_path: Path) -> Path:
    """A directory with files, a directory, and links to them and to nothing."""
    path = tmp_path / "volume"
    (path / "directory").mkdir(parents=True)
    (path / "directory/inside").touch()
    (path / "file").write_text("of the volume\n")
    for name, target in (("link", "file"), ("dangling", "/nowhere"), ("to-directory", "directory")):
        (path / name).symlink_to(target)
    return path


def bound(
    bundle: MakeBundle, line: str, source: Path, destination: str, options: str, *, user: bool
) -> Bundle:
    made = bundle("sh", "-c", line)
    (made.rootfs / "file").write_text("of the container\n")
    (made.rootfs / "to-file").symlink_to("file")
    (made.rootfs / "to-proc").symlink_to("proc/self")
    (made.rootfs / "out").symlink_to("../../../../etc/passwd")
    mount = {"destination": destination, "type": "bind", "source": str(source)}
    made.config["mounts"].append({**mount, "options": f"{ATTRIBUTES},{options}".split(",")})
    if user:
        skip_without_root("to map ids")
        in_user_namespace(made)
    return made.write()


BOTH = pytest.mark.parametrize("user", [False, True], ids=["", "user-namespace"])
MOUNTED = "; grep -c ' {0} ' /proc/self/mountinfo"


@BOTH
@pytest.mark.parametrize("name", ["link", "dangling", "to-directory"])
def test_a_link_is_copied(
    crunw: Runtime, bundle: MakeBundle, volume: Path, name: str, user: bool
) -> None:
    """A link to nothing, too; nothing is mounted, what else is asked for falls away."""
    line = "readlink /new/d; grep /new /proc/self/mountinfo"
    made = bound(bundle, line, volume / name, "/new/d", "copy-symlink", user=user)
    output = crunw.run(made).out
    assert output == f"{(volume / name).readlink()}\n"
    assert (made.rootfs / "new/d").readlink() == (volume / name).readlink()
    assert crunw.run(made).out == output  # the same link is fine


@BOTH
def test_what_is_no_link_is_bound(
    crunw: Runtime, bundle: MakeBundle, volume: Path, user: bool
) -> None:
    for options in ("copy-symlink", "src-nofollow", "dest-nofollow"):
        line = "cat /d" + MOUNTED.format("/d")
        made = bound(bundle, line, volume / "file", "/d", options, user=user)
        assert crunw.run(made).ok() == "of the volume\n1\n"


@pytest.mark.parametrize("destination", ["/file", "/to-file"])
def test_a_copied_link_replaces_nothing(
    crunw: Runtime, bundle: MakeBundle, volume: Path, destination: str
) -> None:
    made = bound(bundle, "true", volume / "dangling", destination, "copy-symlink", user=False)
    error = crunw.run(made).error()
    assert error == f"copy-symlink {destination}: something else is there already"


@BOTH
def test_a_link_is_bound_itself(
    crunw: Runtime, bundle: MakeBundle, volume: Path, user: bool
) -> None:
    """What follows the mount is about the link, not about where it leads in the container."""
    line = "readlink /d" + MOUNTED.format("/d") + "; cat /d"
    made = bound(bundle, line, volume / "link", "/d", "src-nofollow", user=user)
    assert crunw.run(made).ok() == "file\n1\nof the container\n"
    made = bound(bundle, "readlink /d", volume / "dangling", "/d", "src-nofollow", user=user)
    assert crunw.run(made).ok() == "/nowhere\n"


@BOTH
def test_a_link_is_covered(crunw: Runtime, bundle: MakeBundle, volume: Path, user: bool) -> None:
    line = "cat /to-file /file" + MOUNTED.format("/to-file")
    made = bound(bundle, line, volume / "file", "/to-file", "dest-nofollow", user=user)
    assert crunw.run(made).ok() == "of the volume\nof the container\n1\n"
    line = "readlink /out" + MOUNTED.format("/out")
    both = "src-nofollow,dest-nofollow"
    made = bound(bundle, line, volume / "dangling", "/out", both, user=user)
    assert crunw.run(made).ok() == "/nowhere\n1\n"


def test_a_directory_does_not_cover_a_link(
    crunw: Runtime, bundle: MakeBundle, volume: Path
) -> None:
    made = bound(bundle, "true", volume / "directory", "/to-file", "dest-nofollow", user=False)
    error = crunw.run(made).error()
    assert error == "mount /to-file: a directory cannot be mounted on a symbolic link"


def test_no_link_of_procfs_is_covered(crunw: Runtime, bundle: MakeBundle, volume: Path) -> None:
    made = bound(bundle, "true", volume / "file", "/to-proc/exe", "dest-nofollow", user=False)
    assert "leads into /proc" in crunw.run(made).error()


def test_mapped_ids_of_a_link(crunw: Runtime, bundle: MakeBundle, volume: Path) -> None:
    skip_without_root("to map ids")
    idmap = "idmap=uids=0-7-1;gids=0-8-1"
    line = "readlink /d; ls -ln /d | tr -s ' ' | cut -d' ' -f3,4"
    made = bound(bundle, line, volume / "dangling", "/d", f"src-nofollow,{idmap}", user=True)
    assert crunw.run(made).ok() == "/nowhere\n65534 65534\n"
    made = bound(bundle, "readlink /d", volume / "link", "/d", f"copy-symlink,{idmap}", user=True)
    assert crunw.run(made).ok() == "file\n"


EXCLUDES = "copy-symlink excludes src-nofollow and dest-nofollow"


@pytest.mark.parametrize(
    ("kind", "options", "error"),
    [
        ("bind", "rbind,copy-symlink,src-nofollow", EXCLUDES),
        ("bind", "rbind,dest-nofollow,copy-symlink", EXCLUDES),
        ("tmpfs", "copy-symlink", "copy-symlink: is for bind mounts"),
        ("tmpfs", "src-nofollow", "src-nofollow: is for bind mounts"),
        ("cgroup", "dest-nofollow", "dest-nofollow: is not for cgroup mounts"),
    ],
)
def test_what_makes_no_sense(
    crunw: Runtime, bundle: MakeBundle, kind: str, options: str, error: str
) -> None:
    made = bundle("true")
    mount = {"destination": "/d", "type": kind, "source": "/", "options": options.split(",")}
    made.config["mounts"].append(mount)
    index = len(made.config["mounts"]) - 1
    assert crunw.run(made.write()).error() == f"mounts[{index}].options: {error}"


def test_a_module_lies_behind_a_copied_link(
    crunw: Runtime, wasm_bundle: MakeBundle, volume: Path
) -> None:
    """The link leads to a file of the container's, also when the kind of program is looked for."""
    made = wasm_bundle("exit3")
    (volume / "program").symlink_to("/exit3.wasm")
    source = {"type": "bind", "source": str(volume / "program")}
    mount = {"destination": "/program", **source, "options": ["rbind", "copy-symlink"]}
    made.config["mounts"].append(mount)
    made.process["args"] = ["/program"]
    assert crunw.run(made.write()).status == 3


def test_a_link_is_added_to_a_running_container(
    crunw: Runtime, bundle: MakeBundle, volume: Path
) -> None:
    skip_without_root("to copy a mount of the host's")
    made = crunw.start(bundle("sleep", "60"))
    for name, options in (("copied", "copy-symlink"), ("bound", "src-nofollow")):
        mount = {"destination": f"/{name}", "type": "bind", "source": str(volume / "dangling")}
        mounts = [{**mount, "options": ["rbind", "rprivate", options]}]
        crunw("mounts", "add", made.id, "-", stdin=json.dumps(mounts)).ok()
    line = "readlink /copied; readlink /bound; cut -d' ' -f5 /proc/self/mountinfo"
    output = crunw("exec", made.id, "sh", "-c", line).ok().splitlines()
    assert output[:2] == ["/nowhere", "/nowhere"]
    assert "/bound" in output
    assert "/copied" not in output
