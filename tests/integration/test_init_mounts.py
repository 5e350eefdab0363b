"""Mounts as the container sees them: mountinfo, flags, propagation, masks, nodes."""

from __future__ import annotations

import errno
import os
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.initplan import BUSYBOX, DEV, NULL, PROC, Mount, Rootfs, mount_step

from crunw.plan import flags
from crunw.plan.encode import Step
from crunw.plan.flags import (
    CLONE_NEWIPC,
    CLONE_NEWNET,
    CLONE_NEWNS,
    CLONE_NEWPID,
    MS_BIND,
    MS_NODEV,
    MS_NOEXEC,
    MS_NOSUID,
    MS_RDONLY,
    MS_REC,
    MS_REMOUNT,
    MS_SHARED,
)
from crunw.plan.ops import MOUNT_COPY_UP, MOUNT_OPTIONAL

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root"),
    pytest.mark.skipif(not Path(BUSYBOX).exists(), reason="busybox-static is not installed"),
]

# Where the kernel's controllers belong to cgroup v2 there is nothing of v1 to mount.
CGROUPS_V1 = [
    ("cgroup", f"/sys/fs/cgroup/{name}", data)
    for name, data in (("pids", "pids"), ("systemd", "name=systemd"))
    if f":{data}:" in Path("/proc/self/cgroup").read_text()
]

ATTR_RDONLY = 1
ATTR_NOSUID = 2
GUARDED = {"nosuid", "nodev", "noexec"}


@pytest.fixture
def rootfs(tmp_path: Path) -> Rootfs:
    return Rootfs(tmp_path / "rootfs")


@pytest.fixture
def source(tmp_path: Path) -> Iterator[Path]:
    """A directory with a file, in a mount without flags."""
    directory = tmp_path / "source"
    directory.mkdir()
    subprocess.run(["mount", "--make-private", "-t", "tmpfs", "source", directory], check=True)
    (directory / "file").write_text("content")
    yield directory
    subprocess.run(["umount", directory], check=True)


def mounted(rootfs: Rootfs, *steps: Step, point: str = "/m") -> Mount:
    return rootfs.run([PROC, *steps]).ok().mount(point)


# --- the root -------------------------------------------------------------------------------------


@pytest.mark.parametrize("pivot", [0, 1])
def test_nothing_of_the_host_is_left(rootfs: Rootfs, source: Path, pivot: int) -> None:
    rootfs.pivot = pivot
    result = rootfs.run(
        [PROC], f"cat /proc/self/mountinfo; ls {source} /proc/1/cwd/{source} 2>&1; echo done"
    ).ok()
    assert [mount.point for mount in result.mounts] == ["/", "/proc"]
    assert result.output.count("No such file") == 2


def test_without_pivot_no_other_procfs_is_left(rootfs: Rootfs) -> None:
    """An unmasked procfs or sysfs of the host would allow new ones in a user namespace."""
    rootfs.pivot = 1
    shell = "ls -d /host/proc/1 /host/sys/kernel /bin/busybox 2>&1; true"
    result = rootfs.run([mount_step("/", "/host", bits=MS_BIND)], shell).ok()
    assert result.output.splitlines()[-1] == "/bin/busybox"
    assert result.output.count("No such file") == 2


@pytest.mark.parametrize(("name", "number"), [("missing", errno.ENOENT), ("file", errno.ENOTDIR)])
def test_rootfs_that_is_none(tmp_path: Path, rootfs: Rootfs, name: str, number: int) -> None:
    (tmp_path / "file").touch()
    rootfs.path = tmp_path / name
    error = rootfs.run([]).failed()
    assert (error.stage, error.operation) == ("rootfs", "open root filesystem")
    assert (error.path, error.errno) == (str(tmp_path / name), number)


def test_root_read_only(rootfs: Rootfs) -> None:
    late = [Step("root_readonly")]
    result = rootfs.run([PROC], "cat /proc/self/mountinfo; touch /x 2>&1; true", late).ok()
    assert "ro" in result.mount("/").options
    assert "Read-only file system" in result.output


@pytest.mark.parametrize(("name", "optional"), [("rshared", "shared:"), ("rprivate", "")])
def test_root_propagation(rootfs: Rootfs, name: str, optional: str) -> None:
    late = [Step("root_propagation", flags.PROPAGATION[name])]
    found = rootfs.run([PROC], late=late).ok().mount("/").optional
    assert [entry[: len(optional)] for entry in found] == ([optional] if optional else [])


def test_mounts_in_a_shared_rootfs_stay_inside(rootfs: Rootfs) -> None:
    """Even where the plan wants a shared tree from the beginning."""
    rootfs.before = [Step("root_propagation", MS_SHARED | MS_REC)]
    rootfs.run([PROC]).ok()
    assert str(rootfs.path) not in Path("/proc/self/mountinfo").read_text()


# --- file systems ---------------------------------------------------------------------------------

FLAGS = [
    (0, {"rw", "relatime"}),
    (MS_RDONLY, {"ro", "relatime"}),
    (MS_NOSUID | MS_NODEV | MS_NOEXEC, {"rw", "relatime"} | GUARDED),
    (flags.MS_NOATIME, {"rw", "noatime"}),
    (flags.MS_STRICTATIME, {"rw"}),
    (flags.MS_RELATIME | flags.MS_NODIRATIME, {"rw", "relatime", "nodiratime"}),
    (flags.MS_NOSYMFOLLOW, {"rw", "relatime", "nosymfollow"}),
    (flags.MS_NOATIME | flags.MS_STRICTATIME, {"rw"}),
]


@pytest.mark.parametrize(("bits", "options"), FLAGS)
def test_flags_of_a_new_file_system(rootfs: Rootfs, bits: int, options: set[str]) -> None:
    """The same through fsmount(2) and, as MS_SILENT wants it, through mount(2)."""
    new = mounted(rootfs, mount_step("src", "/m", "tmpfs", bits, "size=4k,mode=700"))
    old = mounted(rootfs, mount_step("src", "/m", "tmpfs", bits | flags.MS_SILENT, "size=4k"))
    assert new.options == old.options == options
    assert (new.type, new.source) == ("tmpfs", "src")
    assert {"size=4k", "mode=700", "rw"} <= new.super_options  # "ro" is the mount's, as in runc


@pytest.mark.parametrize("bits", [flags.MS_SYNCHRONOUS, flags.MS_DIRSYNC, flags.MS_LAZYTIME])
def test_flags_of_the_super_block(rootfs: Rootfs, bits: int) -> None:
    name = {16: "sync", 128: "dirsync", 1 << 25: "lazytime"}[bits]
    assert name in mounted(rootfs, mount_step("t", "/m", "tmpfs", bits)).super_options


@pytest.mark.parametrize(
    ("kind", "target", "data"),
    [
        ("sysfs", "/sys", ""),
        ("mqueue", "/dev/mqueue", ""),
        ("devpts", "/dev/pts", "newinstance,ptmxmode=0666,mode=0620,gid=5"),
        ("tmpfs", "/dev/shm", "mode=1777,size=65536k"),
        ("cgroup2", "/cgroup", ""),
        *CGROUPS_V1,
    ],
)
def test_kernel_file_systems(rootfs: Rootfs, kind: str, target: str, data: str) -> None:
    rootfs.namespaces |= flags.CLONE_NEWCGROUP
    guarded = MS_NOSUID | MS_NODEV | MS_NOEXEC
    mount = mounted(rootfs, DEV, mount_step(kind, target, kind, guarded, data), point=target)
    assert mount.type == kind
    assert mount.options == {"rw", "relatime"} | GUARDED
    if kind != "devpts":
        assert set(filter(None, data.split(","))) - {"mode=1777"} <= mount.super_options


def test_overlay_with_long_names(rootfs: Rootfs, tmp_path: Path) -> None:
    """fsconfig(2) takes 255 bytes, layers are longer."""
    lower = tmp_path / ("l" * 200) / ("l" * 200)
    layers = {"lowerdir": lower, "upperdir": tmp_path / "upper", "workdir": tmp_path / "work"}
    for directory in layers.values():
        directory.mkdir(parents=True)
    (lower / "file").write_text("below")
    data = ",".join(f"{key}={value}" for key, value in layers.items())
    steps = [mount_step("t", "/m", "overlay", 0, data), PROC]
    assert rootfs.run(steps, "cat /m/file").ok().output == "below"


def test_tmpfs_keeps_the_mode_of_the_directory(rootfs: Rootfs) -> None:
    (rootfs.path / "m").mkdir(mode=0o750)
    (rootfs.path / "m").chmod(0o1750)
    assert "mode=1750" in mounted(rootfs, mount_step("t", "/m", "tmpfs")).super_options
    step = mount_step("t", "/m", "tmpfs", 0, "mode=711")
    assert "mode=711" in mounted(rootfs, step).super_options


@pytest.mark.parametrize(
    ("kind", "data", "number", "words"),
    [
        ("nosuchfs", "", errno.ENODEV, "no file system of type nosuchfs"),
        ("tmpfs", "nonsense", errno.EINVAL, "nonsense"),
        ("tmpfs", "size=much", errno.EINVAL, "size"),
        ("ext4", "", errno.EINVAL, ""),
    ],
)
def test_errors_of_a_file_system(
    rootfs: Rootfs, kind: str, data: str, number: int, words: str
) -> None:
    error = rootfs.run([mount_step("t", "/m", kind, 0, data)]).failed()
    assert (error.stage, error.operation, error.path) == ("mount", "mount", "/m")
    assert words in error.message
    assert error.errno == number or kind == "ext4"


def test_remount(rootfs: Rootfs) -> None:
    tmpfs = mount_step("t", "/m", "tmpfs", MS_NOSUID)
    again = mount_step("t", "/m", "tmpfs", MS_REMOUNT | MS_RDONLY, "size=8k")
    mount = mounted(rootfs, tmpfs, again)
    assert {"ro", "nosuid"} <= mount.options
    assert {"ro", "size=8k"} <= mount.super_options


# --- tmpcopyup ------------------------------------------------------------------------------------


def test_copy_up(rootfs: Rootfs) -> None:
    etc = rootfs.path / "m"
    (etc / "deep/er").mkdir(parents=True)
    (etc / "deep").chmod(0o2751)
    (etc / "deep/er/file").write_bytes(b"x" * 3_000_000)
    (etc / "suid").write_text("s")
    os.chown(etc / "suid", 12, 34)
    (etc / "suid").chmod(0o4755)
    (etc / "link").symlink_to("/etc/shadow")
    os.mkfifo(etc / "fifo", 0o640)
    os.mknod(etc / "zero", stat.S_IFCHR | 0o666, os.makedev(1, 5))
    show = "cd /m; find . | sort | while read f; do stat -c '%n %f %u:%g %s %N' $f; done"
    inside = rootfs.run([PROC], show).ok().output
    step = mount_step("tmpfs", "/m", "tmpfs", MS_RDONLY, "", MOUNT_COPY_UP)
    copied = rootfs.run([PROC, step], f"grep ' /m ' /proc/self/mountinfo; {show}").ok()
    assert "ro" in copied.mount("/m").options
    lines = [line for line in copied.output.splitlines() if " - " not in line]
    drop = [line for line in inside.splitlines() if "4 directories" not in line]

    def without_directory_sizes(found: list[str]) -> list[str]:
        return [
            " ".join(word for index, word in enumerate(line.split()) if index != 3)
            if line.split()[1].startswith("4") else line
            for line in found
        ]  # fmt: skip

    assert without_directory_sizes(lines) == without_directory_sizes(drop)


def test_copy_up_into_too_little_room(rootfs: Rootfs) -> None:
    (rootfs.path / "m").mkdir()
    (rootfs.path / "m/big").write_bytes(b"x" * 100_000)
    step = mount_step("tmpfs", "/m", "tmpfs", 0, "size=8k", MOUNT_COPY_UP)
    error = rootfs.run([step]).failed()
    assert (error.operation, error.path, error.errno) == ("tmpcopyup", "/m", errno.ENOSPC)
    assert "big" in error.message


# --- binds ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("bits", "options"), FLAGS[:6])
def test_flags_of_a_bind(rootfs: Rootfs, source: Path, bits: int, options: set[str]) -> None:
    assert mounted(rootfs, mount_step(source, "/m", bits=MS_BIND | bits)).options == options


def test_bind_keeps_what_its_source_has(rootfs: Rootfs) -> None:
    inside = rootfs.path / "src"
    base = mount_step("t", "/src", "tmpfs", MS_NOSUID | MS_NODEV | flags.MS_NOATIME)
    mount = mounted(rootfs, base, mount_step(inside, "/m", bits=MS_BIND | MS_RDONLY))
    assert mount.options == {"ro", "nosuid", "nodev", "noatime"}
    again = mount_step("", "/m", bits=MS_BIND | MS_REMOUNT | MS_NOEXEC)
    mount = mounted(rootfs, base, mount_step(inside, "/m", bits=MS_BIND), again)
    assert mount.options == {"rw", "nosuid", "nodev", "noexec", "noatime"}


@pytest.mark.parametrize("recursive", [True, False])
def test_recursion_of_a_bind(rootfs: Rootfs, recursive: bool) -> None:
    steps = [
        mount_step("t", "/src", "tmpfs"),
        mount_step("below", "/src/below", "tmpfs"),
        mount_step(rootfs.path / "src", "/m", bits=MS_BIND | MS_RDONLY | MS_REC * recursive),
        Step("mount_setattr", "/m", ATTR_NOSUID, 0, 1),
    ]
    result = rootfs.run([PROC, *steps]).ok()
    assert result.mount("/m").options == {"ro", "nosuid", "relatime"}
    below = [mount.options for mount in result.mounts if mount.point == "/m/below"]
    assert below == ([{"rw", "nosuid", "relatime"}] if recursive else [])


def test_attributes_are_set_and_cleared(rootfs: Rootfs) -> None:
    step = mount_step("t", "/m", "tmpfs", MS_RDONLY | MS_NODEV)
    change = Step("mount_setattr", "/m", ATTR_NOSUID, ATTR_RDONLY, 0)
    assert mounted(rootfs, step, change).options == {"rw", "nosuid", "nodev", "relatime"}


def test_file_and_directory_do_not_mix(rootfs: Rootfs, source: Path) -> None:
    (rootfs.path / "file").touch()
    over_directory = rootfs.run([mount_step(source / "file", "/bin", bits=MS_BIND)]).failed()
    over_file = rootfs.run([mount_step(source, "/file", bits=MS_BIND)]).failed()
    tmpfs = rootfs.run([mount_step("t", "/file", "tmpfs")]).failed()
    assert over_directory.errno == errno.EISDIR
    assert over_file.errno == tmpfs.errno == errno.ENOTDIR


def test_missing_source(rootfs: Rootfs, source: Path) -> None:
    missing = str(source / "missing")
    error = rootfs.run([mount_step(missing, "/m", bits=MS_BIND)]).failed()
    assert (error.stage, error.path, error.errno) == ("mount", missing, errno.ENOENT)
    rootfs.run([PROC, mount_step(missing, "/m", bits=MS_BIND, extra=MOUNT_OPTIONAL)]).ok()
    assert not (rootfs.path / "m").exists()


@pytest.mark.parametrize(
    ("name", "tag"),
    [("private", ""), ("shared", "shared:"), ("unbindable", "unbindable"), ("rslave", "")],
)
def test_propagation_of_a_mount(rootfs: Rootfs, source: Path, name: str, tag: str) -> None:
    step = Step("mount_propagation", "/m", flags.PROPAGATION[name])
    mount = mounted(rootfs, mount_step(source, "/m", bits=MS_BIND), step)
    assert [entry[: len(tag)] for entry in mount.optional] == ([tag] if tag else [])


# --- masked and read-only paths -------------------------------------------------------------------


def test_mask(rootfs: Rootfs, source: Path) -> None:
    shell = "cat /m/file; ls -A /secret | wc -l; touch /secret/x 2>&1; cat /proc/self/mountinfo"
    (rootfs.path / "secret").mkdir()
    (rootfs.path / "secret/key").touch()
    late = [Step("mask", path) for path in ("/m/file", "/secret", "/missing", "/m/missing/x")]
    bind = mount_step(source, "/m", bits=MS_BIND)
    result = rootfs.run([PROC, DEV, NULL, bind], shell, late).ok()
    assert result.output.startswith("0\n")
    assert "Read-only file system" in result.output
    assert result.mount("/secret").options == {"ro", "relatime"}
    assert result.mount("/m/file").root == "/null"


def test_read_only_paths(rootfs: Rootfs, source: Path) -> None:
    late = [Step("readonly", path) for path in ("/m", "/m/file", "/missing")]
    bind = mount_step(source, "/m", bits=MS_BIND | MS_NOEXEC)
    show = "cat /proc/self/mountinfo; echo x 2>&1 > /m/file; true"
    result = rootfs.run([PROC, bind], show, late).ok()
    assert result.mount("/m").options == {"ro", "noexec", "relatime"}
    assert result.mount("/m/file").options == {"ro", "noexec", "relatime"}
    assert (source / "file").read_text() == "content"


# --- nodes and links ------------------------------------------------------------------------------


def test_nodes(rootfs: Rootfs) -> None:
    rootfs.umask = 0o777
    nodes = [
        Step("mknod", "/dev/zero", 0o020666, 1, 5, 12, 34),
        Step("mknod", "/dev/zero", 0o020600, 1, 5, 0, 0),
        Step("mknod", "/dev/disk/loop", 0o060640, 7, 4095, 0, 0),
        Step("mknod", "/dev/pipe", 0o010604, 0, 0, 0, 0),
        Step("symlink", "/proc/self/fd", "/dev/fd"),
        Step("symlink", "elsewhere", "/dev/fd"),
    ]
    show = "cd /dev; stat -c '%n %f %t:%T %u:%g' zero disk/loop pipe; readlink fd"
    result = rootfs.run([DEV, *nodes, PROC], show).ok()
    assert result.output.splitlines() == [
        "zero 21b6 1:5 12:34",
        "disk/loop 61a0 7:fff 0:0",
        "pipe 1184 0:0 0:0",
        "/proc/self/fd",
    ]


def test_path_without_a_name(rootfs: Rootfs) -> None:
    for path in ("/", "/dev/..", "/dev/"):
        error = rootfs.run([Step("mknod", path, 0o020666, 1, 3, 0, 0)]).failed()
        assert (error.path, error.errno) == (path, errno.EINVAL)


# --- in a user namespace --------------------------------------------------------------------------


@pytest.fixture
def userns(rootfs: Rootfs) -> Rootfs:
    rootfs.in_user_namespace()
    rootfs.namespaces = CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC
    return rootfs


def test_userns_binds_the_hosts_nodes(userns: Rootfs) -> None:
    shell = "echo x > /dev/null; cat /proc/self/mountinfo"
    assert userns.run([DEV, NULL, PROC], shell).ok().mount("/dev/null").root == "/null"


def test_userns_does_not_bind_another_file(userns: Rootfs) -> None:
    error = userns.run([DEV, Step("mknod", "/dev/null", 0o020666, 200, 77, 0, 0)]).failed()
    assert (error.path, error.errno) == ("/dev/null", errno.EPERM)


def test_userns_keeps_locked_flags(userns: Rootfs, source: Path) -> None:
    """The kernel locks what the namespace inherits; read-only is added to it."""
    subprocess.run(["mount", "-t", "tmpfs", "-o", "nosuid,noatime", "t", source], check=True)
    try:
        mount = mounted(userns, mount_step(source, "/m", bits=MS_BIND | MS_RDONLY))
        step = mount_step(source, "/m", bits=MS_BIND)
        error = userns.run([step, Step("mount_setattr", "/m", 0, ATTR_NOSUID, 0)]).failed()
    finally:
        subprocess.run(["umount", source], check=True)
    assert mount.options == {"ro", "nosuid", "noatime"}
    assert (error.path, error.errno) == ("/m", errno.EPERM)


@pytest.mark.parametrize("own", [True, False])
def test_userns_gets_a_sysfs(userns: Rootfs, own: bool) -> None:
    userns.namespaces |= CLONE_NEWNET if own else 0
    guarded = MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC
    mount = mounted(userns, mount_step("sysfs", "/sys", "sysfs", guarded), point="/sys")
    assert mount.type == "sysfs"
    assert {"ro"} | GUARDED <= mount.options
