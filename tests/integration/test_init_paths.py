"""Paths in a hostile rootfs: whatever it contains, the host's files stay as they are."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import itertools
import os
import shutil
import stat
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support import weakened
from support.initplan import BUSYBOX, DEV, NULL, PROC, Rootfs, mount_step

from crunw.plan.encode import Step
from crunw.plan.flags import MS_BIND, MS_RDONLY

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root"),
    pytest.mark.skipif(not Path(BUSYBOX).exists(), reason="busybox-static is not installed"),
]

SHOW = "cat /proc/self/mountinfo"


def snapshot(directory: Path) -> list[tuple[str, int, int, int, bytes]]:
    """Every file below: name, inode, mode, time of change, content."""
    found = []
    for path in sorted([directory, *directory.rglob("*")]):
        status = path.lstat()
        content = path.read_bytes() if stat.S_ISREG(status.st_mode) else b""
        found.append((str(path), status.st_ino, status.st_mode, status.st_ctime_ns, content))
    return found


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Path]:
    """A directory of the host that no container may touch; no mount may be left."""
    directory = tmp_path / "host"
    (directory / "etc").mkdir(parents=True)
    (directory / "secret").write_text("secret")
    before = snapshot(directory)
    yield directory
    assert snapshot(directory) == before
    assert str(tmp_path) not in Path("/proc/self/mountinfo").read_text()


@pytest.fixture
def rootfs(tmp_path: Path) -> Rootfs:
    return Rootfs(tmp_path / "rootfs")


def absolute(host: Path) -> str:
    return str(host)


def relative(host: Path) -> str:
    return "../" * 30 + str(host).lstrip("/")


def chained(host: Path) -> str:
    return f"./bin/../../..{host}/etc/.."


LINKS = pytest.mark.parametrize("target", [absolute, relative, chained])


@LINKS
def test_link_out_of_the_rootfs_ends_in_it(
    host: Path, rootfs: Rootfs, target: Callable[[Path], str]
) -> None:
    (rootfs.path / "etc").symlink_to(target(host))
    inside = rootfs.path / str(host).lstrip("/")
    (inside / "etc").mkdir(parents=True)
    result = rootfs.run([mount_step("t", "/etc/new", "tmpfs"), PROC]).ok()
    assert result.mount(f"{host}/new").type == "tmpfs"
    assert (inside / "new").is_dir()


@LINKS
def test_dangling_link_is_made_to_point_to_something(
    host: Path, rootfs: Rootfs, target: Callable[[Path], str]
) -> None:
    (rootfs.path / "etc").symlink_to("/run/etc" if target is chained else target(host))
    (rootfs.path / "bin/data").symlink_to("../etc/deep/file")
    result = rootfs.run(
        [mount_step(host / "secret", "/bin/data", bits=MS_BIND | MS_RDONLY), PROC],
        "cat /etc/deep/file",
    ).ok()
    assert result.output == "secret"


def test_link_over_the_target_itself(host: Path, rootfs: Rootfs) -> None:
    (rootfs.path / "etc").mkdir()
    (rootfs.path / "etc/resolv.conf").symlink_to(host / "secret")
    source = host.parent / "resolv.conf"
    source.write_text("nameserver ::1")
    result = rootfs.run(
        [mount_step(source, "/etc/resolv.conf", bits=MS_BIND), PROC], "cat /etc/resolv.conf"
    ).ok()
    assert result.output == "nameserver ::1"


@pytest.mark.usefixtures("host")
@pytest.mark.parametrize("links", [{"a": "a"}, {"a": "b", "b": "/a"}, {"a": "a/missing"}])
def test_link_loops_end(rootfs: Rootfs, links: dict[str, str]) -> None:
    for name, target in links.items():
        (rootfs.path / name).symlink_to(target)
    error = rootfs.run([mount_step("t", "/a/b", "tmpfs")]).failed()
    assert (error.stage, error.errno) == ("mount", errno.ELOOP)


@pytest.mark.usefixtures("host")
def test_links_that_grow_are_refused(rootfs: Rootfs) -> None:
    long = "x/" * 2000
    (rootfs.path / "a").symlink_to(long + "b")
    assert rootfs.run([mount_step("t", "/a/" + long, "tmpfs")]).failed().errno == errno.ENAMETOOLONG


def test_dots_stay_inside(host: Path, rootfs: Rootfs) -> None:
    result = rootfs.run([mount_step("t", f"/../../bin/../..{host}/x", "tmpfs"), PROC]).ok()
    assert result.mount(f"{host}/x").type == "tmpfs"


@pytest.mark.usefixtures("host")
def test_modes_do_not_depend_on_the_umask(rootfs: Rootfs) -> None:
    rootfs.umask = 0o077
    rootfs.run(
        [mount_step("t", "/a/b/c", "tmpfs"), mount_step(BUSYBOX, "/a/d/file", bits=MS_BIND), PROC]
    ).ok()
    modes = {name: (rootfs.path / name).stat().st_mode for name in ("a", "a/b/c", "a/d/file")}
    assert modes == {"a": 0o040755, "a/b/c": 0o040755, "a/d/file": 0o100644}


@pytest.mark.usefixtures("host")
def test_deep_path(rootfs: Rootfs) -> None:
    deep = "/d" * 200
    assert rootfs.run([mount_step("t", deep, "tmpfs"), PROC]).ok().mount(deep).type == "tmpfs"


@pytest.mark.usefixtures("host")
def test_file_in_the_way(rootfs: Rootfs) -> None:
    (rootfs.path / "file").touch()
    assert rootfs.run([mount_step("t", "/file/x", "tmpfs")]).failed().errno == errno.ENOTDIR


@pytest.mark.parametrize("kind", ["proc", "sysfs"])
@pytest.mark.parametrize("where", ["/k", "/k/deeper"])
def test_kernel_file_systems_go_on_real_directories_only(
    host: Path, rootfs: Rootfs, kind: str, where: str
) -> None:
    (rootfs.path / "real").mkdir()
    for target in ("/real", str(host), "missing"):
        (rootfs.path / "k").unlink(missing_ok=True)
        (rootfs.path / "k").symlink_to(target)
        error = rootfs.run([mount_step(kind, where, kind)]).failed()
        assert (error.operation, error.path, error.errno) == ("mount", where, errno.ELOOP)
        assert error.message == f"{kind} must be mounted on a directory, not on a symbolic link"


@pytest.mark.usefixtures("host")
def test_link_into_proc_is_refused(rootfs: Rootfs) -> None:
    (rootfs.path / "innocent").symlink_to("/proc/sys/kernel")
    error = rootfs.run([PROC, mount_step("t", "/innocent", "tmpfs")]).failed()
    assert (error.path, error.errno) == ("/innocent", errno.ELOOP)
    assert error.message == "a symbolic link in the path leads into /proc"


def test_plain_path_into_proc_is_the_plans_affair(host: Path, rootfs: Rootfs) -> None:
    uptime = mount_step(host / "secret", "/proc/uptime", bits=MS_BIND)
    assert rootfs.run([PROC, uptime], "cat /proc/uptime").ok().output == "secret"


@pytest.mark.usefixtures("host")
@pytest.mark.parametrize("target", ["/proc/self/root/tmp", "/proc/self/cwd", "/proc/self/fd/0"])
def test_magic_links_are_not_followed(rootfs: Rootfs, target: str) -> None:
    (rootfs.path / "x").symlink_to(target)
    assert rootfs.run([PROC, mount_step("t", "/x/y", "tmpfs")]).failed().errno == errno.ELOOP


def test_nodes_and_links_stay_inside(host: Path, rootfs: Rootfs) -> None:
    (rootfs.path / "dev").symlink_to(host)
    rootfs.run([NULL, Step("symlink", "x", "/dev/link"), PROC]).ok()
    inside = rootfs.path / str(host).lstrip("/")
    assert stat.S_ISCHR((inside / "null").stat().st_mode)
    assert (inside / "link").readlink() == Path("x")


def test_node_is_not_made_through_a_link(host: Path, rootfs: Rootfs) -> None:
    (rootfs.path / "dev").mkdir()
    (rootfs.path / "dev/null").symlink_to(host / "secret")
    error = rootfs.run([NULL]).failed()
    assert (error.stage, error.path, error.errno) == ("mknod", "/dev/null", errno.EEXIST)


def test_console_is_not_bound_through_a_link(host: Path, rootfs: Rootfs) -> None:
    devpts = mount_step("devpts", "/dev/pts", "devpts", 0, "newinstance,ptmxmode=0666,mode=0620")
    link = Step("symlink", "/proc/sys/kernel/core_pattern", "/dev/console")
    error = rootfs.run([PROC, DEV, devpts, link], late=[Step("console", 0, 0, 0, 1)]).failed()
    assert (error.stage, error.errno) == ("console", errno.ELOOP)
    assert host.exists()


def test_mask_needs_the_null_device(host: Path, rootfs: Rootfs) -> None:
    mask = [Step("mask", "/bin/busybox")]
    fakes = [
        ([Step("symlink", str(host / "secret"), "/dev/null")], errno.ENOENT),
        ([Step("symlink", "/bin/busybox", "/dev/null")], errno.EINVAL),
        ([Step("mknod", "/dev/null", 0o020666, 1, 5, 0, 0)], errno.EINVAL),
        ([mount_step(host / "secret", "/dev/null", bits=MS_BIND)], errno.EINVAL),
        ([], errno.ENOENT),
    ]
    for steps, number in fakes:
        error = rootfs.run([DEV, *steps], late=mask).failed()
        assert (error.stage, error.path, error.errno) == ("mask", "/dev/null", number)


def exchange(first: Path, second: Path) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    libc.renameat2(-100, os.fsencode(first), -100, os.fsencode(second), 2)  # RENAME_EXCHANGE


RACED = {
    "mount": mount_step("t", "/vol/a/b", "tmpfs"),
    "bind": mount_step(BUSYBOX, "/vol/a/file", bits=MS_BIND),
    "proc": mount_step("proc", "/vol/a", "proc"),
    "mknod": Step("mknod", "/vol/a/null", 0o020666, 1, 3, 0, 0),
    "symlink": Step("symlink", "x", "/vol/a/link"),
}


@pytest.mark.parametrize("name", RACED)
def test_target_exchanged_by_a_neighbour(host: Path, rootfs: Rootfs, name: str) -> None:
    """CVE-2021-30465, CVE-2023-27561: someone in a shared volume swaps a directory for a link."""
    volume = rootfs.path / "vol"
    (volume / "a").mkdir(parents=True)
    (volume / "b").symlink_to(host)
    stop = threading.Event()

    def attack() -> None:
        while not stop.wait(0.0001):
            exchange(volume / "a", volume / "b")

    attacker = threading.Thread(target=attack)
    attacker.start()
    try:
        results = [rootfs.run([RACED[name], PROC], SHOW) for _ in range(30)]
    finally:
        stop.set()
        attacker.join()
    for result in results:
        if result.error is None:
            assert result.status == 0
            assert all(not mount.point.startswith("//") for mount in result.mounts)
        else:
            assert result.error.errno in {errno.ELOOP, errno.EAGAIN, errno.ENOENT, errno.EEXIST}


def test_directory_moved_out_by_a_neighbour(host: Path, rootfs: Rootfs) -> None:
    """CVE-2024-45310: what is created meanwhile stays where the neighbour may write."""
    volume = rootfs.path / "vol"
    elsewhere = host.parent / "elsewhere"
    elsewhere.mkdir()
    (volume / "a/b").mkdir(parents=True)
    stop = threading.Event()

    def attack() -> None:
        while not stop.wait(0.0001):
            os.rename(volume / "a", elsewhere / "a")
            shutil.rmtree(volume / "a", ignore_errors=True)  # created in the meantime
            with contextlib.suppress(OSError):
                os.rename(elsewhere / "a", volume / "a")
            (volume / "a/b").mkdir(parents=True, exist_ok=True)
            shutil.rmtree(elsewhere / "a", ignore_errors=True)

    attacker = threading.Thread(target=attack)
    attacker.start()
    try:
        steps = [mount_step("t", "/vol/a/../../vol/a/b/../../../new/dir", "tmpfs"), PROC]
        results = [rootfs.run(steps) for _ in range(30)]
    finally:
        stop.set()
        attacker.join()
    assert sorted(path.name for path in host.parent.iterdir()) == ["elsewhere", "host", "rootfs"]
    for result in results:
        if result.error is not None:
            assert result.error.errno in {errno.EAGAIN, errno.ENOENT}


# --- The working directory ------------------------------------------------------------------------

DESCRIPTORS = range(3, 16)  # one of them is procfs of the host, while crunw-init prepares


def by_descriptor(number: int, directory: Path) -> str:
    """A directory of the host, as a link in the image would name it."""
    return f"/proc/self/fd/{number}/{os.getpid()}/root{directory}"


def create_outside(rootfs: Rootfs, target: Path) -> None:
    """Have a working directory created by way of a link into procfs: a missing component makes the
    whole path look as if it did not exist.
    """
    link = rootfs.path / "link"
    for number in DESCRIPTORS:
        link.unlink(missing_ok=True)
        link.symlink_to(by_descriptor(number, target))
        for path in ("/link/new", f"/{target.name}{number}/../link/new"):
            rootfs.run([PROC], "pwd", late=[Step("cwd", path, 1)])


def test_working_directory_is_not_created_outside(
    host: Path, rootfs: Rootfs, tmp_path: Path
) -> None:
    create_outside(rootfs, host)
    target = tmp_path / "target"
    target.mkdir()
    rootfs.program = weakened.program("CWD")
    create_outside(rootfs, target)
    assert [path.name for path in target.iterdir()] == ["new"]


def test_working_directory_is_created_where_links_lead(rootfs: Rootfs) -> None:
    """Inside: an absolute and a dangling link, "..", more than there is above."""
    (rootfs.path / "volume").mkdir()
    (rootfs.path / "absolute").symlink_to("/volume")
    (rootfs.path / "dangling").symlink_to("../../volume/gone")
    for path, expected in (
        ("/absolute/a/b", "/volume/a/b"),
        ("/dangling/c", "/volume/gone/c"),
        ("/../../../d", "/d"),
        ("/volume/missing/../e", "/volume/e"),
    ):
        result = rootfs.run([], "pwd", late=[Step("cwd", path, 1)]).ok()
        assert result.output == f"{expected}\n"
        assert (rootfs.path / expected[1:]).stat().st_mode & 0o777 == 0o755


def test_working_directory_exchanged_by_a_neighbour(host: Path, rootfs: Rootfs) -> None:
    """A directory of a volume is now there, now gone, now a link to the host."""
    volume = rootfs.path / "volume"
    volume.mkdir()
    numbers = itertools.cycle(DESCRIPTORS)
    stop = threading.Event()

    def attack() -> None:
        while not stop.wait(0.0001):
            shutil.rmtree(volume / "a", ignore_errors=True)  # created in the meantime
            with contextlib.suppress(OSError):
                (volume / "a").symlink_to(by_descriptor(next(numbers), host))
                (volume / "a").unlink()

    attacker = threading.Thread(target=attack)
    attacker.start()
    try:
        plan = [Step("cwd", "/volume/a", 1), Step("cwd", "/volume/a/new", 1)]
        results = [rootfs.run([PROC], "pwd", late=plan) for _ in range(500)]
    finally:
        stop.set()
        attacker.join()
    for result in results:
        if result.error is not None:
            assert result.error.errno in {errno.ELOOP, errno.EAGAIN, errno.ENOENT, errno.EEXIST}


def test_links_that_lead_through_too_many_directories(rootfs: Rootfs) -> None:
    """All of them missing: the links of the image would have them made."""
    for number in range(30):
        (rootfs.path / f"l{number}").symlink_to("/d" * 800 + "/.." * 800 + f"/l{number + 1}")
    failure = rootfs.run([mount_step("t", "/l0/x", "tmpfs")]).failed()
    assert failure.errno == errno.ELOOP
    assert failure.message == "its links lead through too many directories"
