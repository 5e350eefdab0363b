"""``checkpoint`` and ``restore``: what runs is written to files and goes on from there, by CRIU."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
from pathlib import Path

import pytest
from support.commands import wait_for
from support.containers import Bundle, Runtime, expect, in_user_namespace, receive_master

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root, as CRIU does"),
    pytest.mark.skipif(not shutil.which("criu"), reason="criu is not installed"),
]

# Says how far it has counted, in memory alone; ends with 7 when it is told to.
COUNT = "trap 'exit 7' TERM; i=0; while :; do i=$((i+1)); echo $i >/count; sleep 0.1; done"


@pytest.fixture
def images(tmp_path: Path) -> Path:
    return tmp_path / "images"


def counted(bundle: Bundle) -> int:
    try:
        return int((bundle.rootfs / "count").read_text() or 0)
    except FileNotFoundError:
        return 0


def wait_counted(bundle: Bundle, beyond: int = 2) -> int:
    wait_for(lambda: counted(bundle) > beyond, f"a count beyond {beyond}")
    return counted(bundle)


def checkpoint(crunw: Runtime, made: Bundle, images: Path, *options: str | Path) -> None:
    crunw("checkpoint", "--image-path", images, *options, made.id).ok()


def restore(crunw: Runtime, made: Bundle, images: Path, *options: str | Path) -> None:
    words = ("--detach", "--bundle", made.path, "--image-path", images)
    crunw("restore", *words, *options, made.id).ok()


def test_it_goes_on_where_it_was(crunw: Runtime, bundle, images: Path, tmp_path: Path) -> None:
    made = crunw.start(bundle("sh", "-c", COUNT))
    wait_counted(made)
    checkpoint(crunw, made, images)
    assert crunw.status(made) == "stopped"
    stopped_at = counted(made)
    assert stopped_at > 2
    pid_file = tmp_path / "pid"
    restore(crunw, made, images, "--pid-file", pid_file)
    state = crunw.state(made)
    assert state["status"] == "running"
    assert state["pid"] == int(pid_file.read_text())
    assert json.loads(crunw("list", "--format", "json").ok())[0]["status"] == "running"
    assert wait_counted(made, stopped_at) < stopped_at + 100
    assert crunw("exec", made.id, "hostname").ok() == "crunw\n"
    crunw("pause", made.id).ok()
    crunw("resume", made.id).ok()
    crunw("kill", made.id, "TERM").ok()
    crunw.wait_status(made, "stopped")
    crunw("delete", made.id).ok()


def test_leave_running(crunw: Runtime, bundle, images: Path) -> None:
    made = crunw.start(bundle("sh", "-c", COUNT))
    wait_counted(made)
    checkpoint(crunw, made, images, "--leave-running")
    assert crunw.status(made) == "running"
    wait_counted(made, counted(made) + 2)
    twin = bundle("sh", "-c", COUNT)
    restore(crunw, twin, images)
    wait_counted(twin)
    assert [crunw.status(made), crunw.status(twin)] == ["running", "running"]


def test_streams_and_exit_status(crunw: Runtime, bundle, images: Path) -> None:
    script = "trap 'echo restored; exit 7' TERM; echo begun; while :; do sleep 0.1; done"
    made = bundle("sh", "-c", script)
    first = crunw.spawn("run", "--keep", "--bundle", made.path, made.id)
    assert first.stdout.readline() == "begun\n"
    checkpoint(crunw, made, images)
    assert first.wait() == 137
    again = crunw.spawn("restore", "--bundle", made.path, "--image-path", images, made.id)
    crunw.wait_status(made, "running")
    crunw("kill", made.id, "TERM").ok()
    out, err = again.communicate()
    assert (again.returncode, out, err) == (7, "restored\n", "")
    assert crunw.status(made) == ""


def test_terminal(crunw: Runtime, bundle, images: Path, tmp_path: Path) -> None:
    made = bundle("sh", "-c", "while read -r word; do echo got-$word; done", process__terminal=True)

    def listener(name: str) -> socket.socket:
        listening = socket.socket(socket.AF_UNIX)
        listening.bind(str(tmp_path / name))
        listening.listen()
        return listening

    with listener("first") as listening:
        crunw.create(made, "--console-socket", str(tmp_path / "first")).ok()
        first = receive_master(listening)
    crunw("start", made.id).ok()
    os.write(first, b"one\n")
    expect(first, "", "got-one")
    checkpoint(crunw, made, images)
    os.close(first)
    with listener("second") as listening:
        restore(crunw, made, images, "--console-socket", tmp_path / "second")
        second = receive_master(listening)
    os.write(second, b"two\n")
    expect(second, "", "got-two")
    os.close(second)


def test_mounts(crunw: Runtime, bundle, images: Path, tmp_path: Path) -> None:
    """A source of the new bundle, through a link, below another mount; a tmpfs with its content."""
    made = bundle("sh", "-c", f"echo kept >/tmpfs/file; {COUNT}")
    (made.rootfs / "real").mkdir()
    (made.rootfs / "link").symlink_to("/real")
    sources = {name: tmp_path / name for name in ("old", "new", "inner")}
    for path in sources.values():
        path.mkdir()
        (path / "name").write_text(path.name)

    def mounts(volume: str) -> list[dict]:
        return [
            {"destination": "/tmpfs", "type": "tmpfs", "source": "tmpfs"},
            {"destination": "/link/volume", "source": str(sources[volume]), "options": ["bind"]},
            {"destination": "/link/volume/in", "source": str(sources["inner"]),
             "options": ["bind", "ro"]},
        ]  # fmt: skip

    before = list(made.config["mounts"])
    made.change(mounts=before + mounts("old"))
    crunw.start(made)
    wait_counted(made)
    checkpoint(crunw, made, images)
    twin = bundle("true")
    shutil.rmtree(twin.rootfs)
    shutil.copytree(made.rootfs, twin.rootfs, symlinks=True)
    shutil.rmtree(twin.rootfs / "real")
    (twin.rootfs / "real").mkdir()
    twin.change(mounts=before + mounts("new"), process=made.process)
    restore(crunw, twin, images)
    files = ("/tmpfs/file", "/real/volume/name", "/link/volume/in/name")
    assert crunw("exec", twin.id, "cat", *files).ok() == "kept\nnewinner"
    assert crunw("exec", twin.id, "touch", "/real/volume/in/x").status == 1


def test_mounts_in_a_bind_mount(crunw: Runtime, bundle, images: Path, tmp_path: Path) -> None:
    """What the host has mounted in the source is shared afterwards as before."""
    volume = tmp_path / "a volume"
    inner = volume / "in"
    inner.mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "inner", inner], check=True)
    try:
        made = bundle("sh", "-c", COUNT)
        made.config["mounts"] += [
            {"destination": "/volume", "source": str(volume), "options": ["rbind"]},
            {"destination": "/volume/in/own", "type": "tmpfs", "source": "own"},
        ]
        crunw.start(made.write())
        wait_counted(made)
        crunw("exec", made.id, "touch", "/volume/in/own/kept").ok()
        checkpoint(crunw, made, images)
        restore(crunw, made, images)
        (inner / "file").write_text("shared\n")
        script = "cat /volume/in/file; ls /volume/in/own"
        assert crunw("exec", made.id, "sh", "-c", script).ok() == "shared\nkept\n"
        crunw("delete", "--force", made.id).ok()
    finally:
        subprocess.run(["umount", inner], check=True)


def test_joined_network_namespace(crunw: Runtime, bundle, images: Path) -> None:
    name = f"crunw-{os.getpid()}"
    subprocess.run(["ip", "netns", "add", name], check=True)
    try:
        made = bundle("sh", "-c", COUNT)
        for namespace in made.config["linux"]["namespaces"]:
            if namespace["type"] == "network":
                namespace["path"] = f"/run/netns/{name}"
        crunw.start(made.write())
        wait_counted(made)
        checkpoint(crunw, made, images)
        restore(crunw, made, images)
        pid = crunw.state(made)["pid"]
        inside = os.stat(f"/proc/{pid}/ns/net").st_ino
        assert inside == os.stat(f"/run/netns/{name}").st_ino
        crunw("delete", "--force", made.id).ok()
    finally:
        subprocess.run(["ip", "netns", "delete", name], check=True)


def test_restored_into_another_pod(crunw: Runtime, bundle, images: Path) -> None:
    """The namespaces of one container are joined before, those of another one after."""
    kinds = {"ipc": "ipc", "uts": "uts", "pid": "pid", "network": "net"}

    def join(made: Bundle, pid: int) -> None:
        for namespace in made.config["linux"]["namespaces"]:
            if namespace["type"] in kinds:
                namespace["path"] = f"/proc/{pid}/ns/{kinds[namespace['type']]}"
        made.write()

    # They start no processes: a restored one has its old number, which must be free.
    pods = [crunw.start(bundle("sleep", "1000")) for _ in range(2)]
    first, second = (crunw.state(pod)["pid"] for pod in pods)
    made = bundle("sh", "-c", COUNT)
    del made.config["hostname"]
    join(made, first)
    crunw.start(made)
    stopped_at = wait_counted(made)
    started = crunw.state(made)["pid"]
    checkpoint(crunw, made, images)
    os.waitpid(started, 0)  # its pid namespace does not end before
    join(made, second)
    restore(crunw, made, images)
    pid = crunw.state(made)["pid"]
    for name in kinds.values():
        assert os.readlink(f"/proc/{pid}/ns/{name}") == os.readlink(f"/proc/{second}/ns/{name}")
    wait_counted(made, stopped_at)
    crunw("delete", "--force", made.id).ok()
    os.waitpid(pid, 0)


def test_user_namespace(crunw: Runtime, bundle, images: Path, tmp_path: Path) -> None:
    """CRIU reads the images as the root of the namespace, which must be able to."""
    for path in [tmp_path, *tmp_path.parents][:3]:
        path.chmod(0o711)
    images.mkdir(0o711)
    made = in_user_namespace(bundle("sh", "-c", COUNT))
    crunw.spawn("run", "--keep", "--bundle", made.path, made.id)
    stopped_at = wait_counted(made)
    checkpoint(crunw, made, images)
    crunw.spawn("restore", "--bundle", made.path, "--image-path", images, made.id)
    wait_counted(made, stopped_at)
    crunw.wait_status(made, "running")
    script = "cat /proc/self/uid_map; echo >/dev/null; head -c 1 /dev/zero | wc -c"
    assert crunw("exec", made.id, "sh", "-c", script).ok().split() == ["0", "100000", "65536", "1"]


@pytest.mark.skipif(
    bool(shutil.which("criu"))
    and subprocess.run(
        ["criu", "check", "--feature", "mem_dirty_track"], capture_output=True, check=False
    ).returncode
    != 0,
    reason="the kernel does not track changes of memory",
)
def test_pre_dump(crunw: Runtime, bundle, images: Path, tmp_path: Path) -> None:
    made = crunw.start(bundle("sh", "-c", COUNT))
    stopped_at = wait_counted(made)
    earlier = tmp_path / "earlier"
    checkpoint(crunw, made, earlier, "--pre-dump")
    assert crunw.status(made) == "running"
    checkpoint(crunw, made, images, "--parent-path", "../earlier")
    assert (images / "parent").samefile(earlier)
    restore(crunw, made, images)
    wait_counted(made, stopped_at)


def test_a_paused_container(crunw: Runtime, bundle, images: Path) -> None:
    """As containerd asks for it."""
    made = crunw.start(bundle("sh", "-c", COUNT))
    wait_counted(made)
    crunw("pause", made.id).ok()
    checkpoint(crunw, made, images, "--leave-running")
    assert crunw.status(made) == "paused"
    twin = bundle("sh", "-c", COUNT)
    restore(crunw, twin, images)
    assert crunw.status(twin) == "running"
    wait_counted(twin)
    crunw("resume", made.id).ok()
    wait_counted(made, counted(made) + 1)


def test_cgroups_of_others(crunw: Runtime, bundle, images: Path, tmp_path: Path) -> None:
    """What is in a hierarchy that the container has no cgroup in is none of its business."""
    place = tmp_path / "cgroup2"
    place.mkdir()
    subprocess.run(["mount", "-t", "cgroup2", "cgroup2", place], check=True)
    unified = os.open(place, os.O_RDONLY | os.O_DIRECTORY)
    subprocess.run(["umount", "--lazy", place], check=True)  # a node with v1 alone
    name = f"another-{os.getpid()}"
    os.mkdir(name, dir_fd=unified)
    made = crunw.start(bundle("sh", "-c", COUNT))
    wait_counted(made)
    checkpoint(crunw, made, images)
    os.rmdir(name, dir_fd=unified)
    assert name.encode() not in (images / "cgroup.img").read_bytes()
    restore(crunw, made, images)
    assert name not in os.listdir(unified)
    crunw("delete", "--force", made.id).ok()
    assert made.id not in os.listdir(unified)
    os.close(unified)


def test_hooks_of_a_restore(crunw: Runtime, bundle, images: Path, tmp_path: Path) -> None:
    def hook(name: str) -> list[dict]:
        script = f"cat >{tmp_path}/{name}"
        return [{"path": shutil.which("sh"), "args": ["sh", "-c", script]}]

    made = crunw.start(bundle("sh", "-c", COUNT))
    wait_counted(made)
    checkpoint(crunw, made, images)
    made.change(hooks={name: hook(name) for name in ("createRuntime", "poststart", "poststop")})
    restore(crunw, made, images)
    pid = crunw.state(made)["pid"]
    for name, status in (("createRuntime", "creating"), ("poststart", "running")):
        state = json.loads((tmp_path / name).read_text())
        assert (state["status"], state["pid"], state["id"]) == (status, pid, made.id)
    crunw("delete", "--force", made.id).ok()
    assert json.loads((tmp_path / "poststop").read_text())["status"] == "stopped"


def connected(bundle) -> Bundle:
    """Two processes that are connected; the third says so in /net."""
    talk = "talk() { while :; do sleep 0.1; done; }; talk | busybox nc -l -p 7 & sleep 0.5"
    watch = "while :; do busybox netstat -tn >/net; sleep 0.1; done"
    return bundle("sh", "-c", f"{talk}; talk | busybox nc 127.0.0.1 7 & {watch}")


def wait_connected(made: Bundle) -> None:
    seen = made.rootfs / "net"
    wait_for(lambda: seen.exists() and "ESTABLISHED" in seen.read_text(), "a connection")


def criu_can_ask_sockets() -> bool:
    """Whether each socket has the options that CRIU 4.1 asks it for."""
    with socket.socket() as some:
        try:
            some.getsockopt(socket.SOL_SOCKET, 16)  # SO_PASSCRED
        except OSError:
            return False
    return True


def test_what_criu_refuses(crunw: Runtime, bundle, images: Path, tmp_path: Path) -> None:
    """The error names its log, and the container goes on."""
    made = crunw.start(connected(bundle))
    wait_connected(made)
    work = tmp_path / "work"
    words = ("checkpoint", "--image-path", images, "--work-path", work)
    error = crunw(*words, made.id).error()
    assert error.startswith(f"checkpoint {made.id}: ")
    # Otherwise it depends on the socket that CRIU looks at first.
    assert "--tcp-established" in error or not criu_can_ask_sockets()
    assert error.endswith(f"; see {work}/dump.log")
    assert (work / "dump.log").exists()
    assert crunw.status(made) == "running"
    (made.rootfs / "net").unlink()
    wait_connected(made)


def test_connections(crunw: Runtime, bundle, images: Path) -> None:
    if not criu_can_ask_sockets():
        pytest.skip("CRIU 4.1 asks sockets for what Linux 6.16 tells of unix sockets alone")
    made = crunw.start(connected(bundle))
    wait_connected(made)
    checkpoint(crunw, made, images, "--tcp-established")
    # Not removed: what is checkpointed may just have it open.
    os.utime(made.rootfs / "net", (0, 0))
    restore(crunw, made, images, "--tcp-established")
    wait_for(lambda: (made.rootfs / "net").stat().st_mtime > 0, "what is seen now")
    wait_connected(made)


def test_a_failed_restore_leaves_nothing(crunw: Runtime, bundle, images: Path) -> None:
    made = crunw.start(bundle("sh", "-c", COUNT))
    wait_counted(made)
    checkpoint(crunw, made, images)
    for image in images.glob("core-*.img"):
        image.write_bytes(bytes(100))
    mounted = Path("/proc/self/mountinfo").read_text()
    words = ("restore", "--detach", "--bundle", made.path, "--image-path", images)
    error = crunw(*words, made.id).error()
    assert error.endswith(f"; see {images}/restore.log")
    assert crunw.status(made) == ""
    assert Path("/proc/self/mountinfo").read_text() == mounted


def test_wasm_is_refused(crunw: Runtime, wasm_bundle, images: Path) -> None:
    made = crunw.start(wasm_bundle("sleep"))
    error = crunw("checkpoint", "--image-path", images, made.id).error()
    assert error == f"checkpoint {made.id}: not possible for WebAssembly containers"
    assert crunw.status(made) == "running"
    assert not images.exists()


def test_without_criu(crunw: Runtime, bundle, images: Path, tmp_path: Path) -> None:
    made = crunw.start(bundle("sleep", "1000"))
    programs = tmp_path / "programs"
    programs.mkdir()
    (programs / "crunw").symlink_to(str(shutil.which("crunw")))
    bare = {**os.environ, "PATH": str(programs)}
    error = crunw("checkpoint", "--image-path", images, made.id, env=bare).error()
    assert error == f"checkpoint {made.id}: criu is not installed"
    for environment, found in ((bare, "false"), (None, "true")):
        annotations = json.loads(crunw("features", env=environment).ok())["annotations"]
        assert annotations["org.opencontainers.runc.checkpoint.enabled"] == found
    assert crunw.status(made) == "running"
    words = ("restore", "--bundle", made.path, "--image-path", images, "other")
    assert crunw(*words, env=bare).error() == "restore other: criu is not installed"
    assert not images.exists()


def test_in_the_wrong_status(crunw: Runtime, bundle, images: Path) -> None:
    made = bundle("sh", "-c", COUNT)
    crunw.create(made).ok()
    words = ("checkpoint", "--image-path", images, made.id)
    assert "the container is created, must be running or paused" in crunw(*words).error()
    crunw("start", made.id).ok()
    checkpoint(crunw, made, images, "--leave-running")
    again = ("restore", "--bundle", made.path, "--image-path", images, made.id)
    assert crunw(*again).error() == f"container {made.id} already exists"
    crunw("kill", made.id, "KILL").ok()
    crunw.wait_status(made, "stopped")
    assert "the container is stopped" in crunw(*words).error()
    assert crunw(*again).error() == f"container {made.id} already exists"


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["checkpoint", "--lazy", "a"], "unknown option --lazy; see --help"),
        (["checkpoint", "--manage-cgroups-mode", "hard", "a"],
         "--manage-cgroups-mode: 'hard' is none of ignore, soft, full, strict"),
        (["checkpoint", "--parent-path", "/a", "a"],
         "--parent-path: '/a' is not relative to --image-path"),
        (["checkpoint", "--empty-ns", "pid", "a"], "--empty-ns: 'pid' is not network"),
        (["checkpoint", "--network-lock", "x", "a"],
         "--network-lock: 'x' is none of iptables, nftables, skip"),
        (["restore", "--leave-running", "a"], "unknown option --leave-running; see --help"),
        # podman asks so whether containers can be restored into a pod, and reads these words.
        (["restore", "--lsm-mount-context"], "--lsm-mount-context requires an argument: CONTEXT"),
    ],
)  # fmt: skip
def test_bad_command_line(crunw: Runtime, words: list[str], problem: str) -> None:
    assert crunw(*words).error() == problem


def test_no_images(crunw: Runtime, bundle, images: Path) -> None:
    made = bundle("true")
    words = ("restore", "--bundle", made.path, "--image-path", images, made.id)
    expected = f"restore {made.id}: there is no checkpoint in {images}"
    assert crunw(*words).error() == expected
