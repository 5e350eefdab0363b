"""Mount options beyond flags: mapped ids, attributes cleared and recursive, copies, propagation."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.containers import Runtime, join_user_namespace, skip_without_root

FIRST = 100000
MAPS = [{"containerID": 0, "hostID": FIRST, "size": 1000}]


@pytest.fixture
def volume(tmp_path: Path) -> Iterator[Path]:
    """A tmpfs with a file of uid 3, and a tmpfs in it."""
    skip_without_root("to mount")
    path = tmp_path / "volume"
    path.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "nosuid,nodev", "tmpfs", path], check=True)
    (path / "below").mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", path / "below"], check=True)
    for file in (path / "file", path / "below/file"):
        file.write_text("content")
        os.chown(file, 3, 3)
    yield path
    subprocess.run(["umount", "-R", path], check=True)


def bind(source: Path, *options: str, **more: Any) -> dict[str, Any]:
    return {"destination": "/v", "type": "bind", "source": str(source), "options": list(options),
            **more}  # fmt: skip


def with_mount(bundle, command: str, *mounts: dict[str, Any]):
    made = bundle("sh", "-c", command)
    made.config["mounts"] += mounts
    return made.write()


def attributes(output: str, point: str) -> set[str]:
    """The options of the mount on ``point`` in mountinfo."""
    return set(
        [line.split()[5] for line in output.splitlines() if line.split()[4] == point][-1].split(",")
    )


MOUNTINFO = "cat /proc/self/mountinfo"
OWNERS = "stat -c %u /v/file /v/below/file"


@pytest.mark.parametrize(
    ("option", "owners"), [("idmap", [FIRST + 3, 3]), ("ridmap", [FIRST + 3, FIRST + 3])]
)  # fmt: skip
def test_mapped_ids(crunw: Runtime, bundle, volume: Path, option: str, owners: list[int]) -> None:
    mount = bind(volume, "rbind", option, uidMappings=MAPS, gidMappings=MAPS)
    output = crunw.run(with_mount(bundle, OWNERS, mount)).ok()
    assert [int(word) for word in output.split()] == owners


def test_ids_mapped_as_the_user_namespace(crunw: Runtime, bundle, volume: Path) -> None:
    """The volume looks in the container as it does on the host."""
    made = with_mount(bundle, OWNERS, bind(volume, "rbind", "ridmap"))
    linux = made.config["linux"]
    linux["namespaces"].append({"type": "user"})
    linux["uidMappings"] = linux["gidMappings"] = MAPS
    for path in [made.rootfs, *made.rootfs.rglob("*")]:
        os.chown(path, FIRST, FIRST, follow_symlinks=False)
    assert crunw.run(made.write()).ok().split() == ["3", "3"]


def test_mapped_ids_of_nothing_to_map(crunw: Runtime, bundle, volume: Path) -> None:
    error = crunw.run(with_mount(bundle, "true", bind(volume, "idmap", "bind"))).error()
    assert error == "mounts[7].uidMappings: is required, as there is no user namespace"
    tmpfs = {"destination": "/v", "type": "tmpfs", "source": "tmpfs", "options": ["idmap"]}
    error = crunw.run(with_mount(bundle, "true", tmpfs)).error()
    assert error == "mounts[7].uidMappings: ids can only be mapped for a bind mount"


def test_explicit_options_clear_what_the_source_has(crunw: Runtime, bundle, volume: Path) -> None:
    kept = crunw.run(with_mount(bundle, MOUNTINFO, bind(volume, "bind"))).ok()
    assert {"nosuid", "nodev"} <= attributes(kept, "/v")
    output = crunw.run(with_mount(bundle, MOUNTINFO, bind(volume, "bind", "suid", "dev"))).ok()
    assert attributes(output, "/v") & {"nosuid", "nodev", "ro"} == set()


def test_read_only_source_bound_writable(crunw: Runtime, bundle, volume: Path) -> None:
    subprocess.run(["mount", "-o", "remount,bind,ro", volume], check=True)
    output = crunw.run(with_mount(bundle, MOUNTINFO, bind(volume, "bind", "rw"))).ok()
    assert "rw" in attributes(output, "/v")


@pytest.mark.parametrize(
    ("option", "shown"),
    [("rro", "ro"), ("rnosuid", "nosuid"), ("rnodev", "nodev"), ("rnoexec", "noexec"),
     ("rnoatime", "noatime"), ("rnodiratime", "nodiratime"), ("rnosymfollow", "nosymfollow")],
)  # fmt: skip
def test_recursive_attribute(crunw: Runtime, bundle, volume: Path, option: str, shown: str) -> None:
    output = crunw.run(with_mount(bundle, MOUNTINFO, bind(volume, "rbind", option))).ok()
    assert shown in attributes(output, "/v")
    assert shown in attributes(output, "/v/below")


def test_recursive_attribute_cleared(crunw: Runtime, bundle, volume: Path) -> None:
    output = crunw.run(with_mount(bundle, MOUNTINFO, bind(volume, "rbind", "rsuid", "rdev"))).ok()
    assert attributes(output, "/v") & {"nosuid", "nodev"} == set()


def test_copy_up(crunw: Runtime, bundle) -> None:
    tmpfs = {"destination": "/data", "type": "tmpfs", "source": "tmpfs", "options": ["tmpcopyup"]}
    made = with_mount(bundle, "cat /data/file; echo new > /data/file; stat -c %a,%u /data", tmpfs)
    (made.rootfs / "data").mkdir(mode=0o750)
    (made.rootfs / "data/file").write_text("image\n")
    assert crunw.run(made).ok().split() == ["image", "750,0"]
    assert (made.rootfs / "data/file").read_text() == "image\n"


def tags(output: str, point: str) -> set[str]:
    """How the mount on ``point`` propagates, by mountinfo."""
    line = [line for line in output.splitlines() if line.split()[4] == point][-1]
    optional = {field.partition(":")[0] for field in line.partition(" - ")[0].split()[6:]}
    return optional & {"shared", "master", "unbindable"}


@pytest.mark.parametrize(
    ("propagation", "root", "bound"),
    [
        ("shared", {"shared"}, {"shared"}),
        ("rshared", {"shared"}, {"shared"}),
        ("slave", set(), {"shared"}),
        ("rslave", set(), {"master"}),
        ("private", set(), {"shared"}),
        ("rprivate", set(), set()),
        ("unbindable", {"unbindable"}, {"shared"}),
        ("runbindable", {"unbindable"}, {"unbindable"}),
        ("", set(), {"master"}),
    ],
)
def test_rootfs_propagation(
    crunw: Runtime, bundle, volume: Path, propagation: str, root: set[str], bound: set[str]
) -> None:
    """The root itself has no master: its parent is made private, so that nothing gets out."""
    subprocess.run(["mount", "--make-shared", volume], check=True)
    made = with_mount(bundle, MOUNTINFO, bind(volume, "bind"))
    made.config["linux"]["rootfsPropagation"] = propagation
    output = crunw.run(made.write()).ok()
    assert tags(output, "/") == root
    assert tags(output, "/v") == bound


@pytest.mark.parametrize("kind", ["time", "cgroup"])
def test_new_namespace(crunw: Runtime, bundle, kind: str) -> None:
    made = bundle("sh", "-c", f"readlink /proc/self/ns/{kind}; cat /proc/uptime /proc/self/cgroup")
    made.config["linux"]["namespaces"].append({"type": kind})
    if kind == "time":
        made.config["linux"]["timeOffsets"] = {
            "boottime": {"secs": 10**7},
            "monotonic": {"secs": 5},
        }
    namespace, uptime, _, *groups = crunw.run(made.write()).ok().split()
    assert namespace != os.readlink(f"/proc/self/ns/{kind}")
    if kind == "time":
        assert float(uptime) > 10**7
    else:
        assert {group.rpartition(":")[2] for group in groups} == {"/"}


def test_namespaces_joined(crunw: Runtime, bundle) -> None:
    kinds = {"time": "time", "cgroup": "cgroup", "network": "net", "ipc": "ipc", "uts": "uts"}
    first = bundle("sleep", "60")
    first.config["linux"]["namespaces"] += [{"type": "time"}, {"type": "cgroup"}]
    pid = crunw.state(crunw.start(first.write()))["pid"]
    script = "".join(f"readlink /proc/self/ns/{file};" for file in kinds.values())
    second = bundle("sh", "-c", script)
    del second.config["hostname"]
    second.config["linux"]["namespaces"] = [
        {"type": "mount"}, {"type": "pid"},
        *({"type": kind, "path": f"/proc/{pid}/ns/{file}"} for kind, file in kinds.items()),
    ]  # fmt: skip
    join_user_namespace(second, pid)
    expected = [os.readlink(f"/proc/{pid}/ns/{file}") for file in kinds.values()]
    assert crunw.run(second.write()).ok().split() == expected


def test_read_only_root_gets_its_working_directory(crunw: Runtime, bundle) -> None:
    made = bundle("sh", "-c", "pwd; touch here", process__cwd="/new/deep", root__readonly=True)
    result = crunw.run(made)
    assert result.out == "/new/deep\n"
    assert "Read-only file system" in result.err


def test_read_only_tmpfs_with_a_mount_in_it(crunw: Runtime, bundle) -> None:
    made = bundle("sh", "-c", "touch /data/inner/file; touch /data/file")
    made.config["mounts"] += [
        {"destination": "/data", "type": "tmpfs", "source": "tmpfs", "options": ["ro"]},
        {"destination": "/data/inner", "type": "tmpfs", "source": "tmpfs"},
    ]
    error = crunw.run(made.write()).err
    assert error.count("Read-only file system") == 1
    assert "/data/file" in error
