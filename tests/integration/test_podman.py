"""podman with crunw as its runtime: the same flags for a WebAssembly image and a native one."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from support import run_again, terminal
from support.aot import WORDS
from support.commands import PATIENCE, Result, wait_for
from support.containers import last_number, processes

pytestmark = pytest.mark.podman

PROJECT = Path(__file__).parents[2]
CGROUPS = Path("/sys/fs/cgroup")
PARENT = f"crunw-podman-{os.getpid()}"  # of the containers' cgroups


class Podman:
    """podman with storage of its own. Calls return the result; see :meth:`ok`."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        storage = f'graphroot = "{directory}/root"\nrunroot = "{directory}/run"\n'
        (directory / "storage.conf").write_text(f'[storage]\ndriver = "overlay"\n{storage}')
        # What watches an exec that one has detached from would stay for five minutes.
        settings = Path(os.environ["CONTAINERS_CONF_OVERRIDE"]).read_text()
        delay = "[engine]\nexit_command_delay = 1\n"
        (directory / "containers.conf").write_text(settings.replace("[engine]\n", delay))
        self.environment = {
            **os.environ,
            "CONTAINERS_CONF_OVERRIDE": str(directory / "containers.conf"),
            "CONTAINERS_STORAGE_CONF": str(directory / "storage.conf"),
            "PODMAN_IGNORE_CGROUPSV1_WARNING": "1",
        }
        self.program = [
            "podman", "--runtime", str(shutil.which("crunw")),
            "--cgroup-manager", "cgroupfs", "--tmpdir", str(directory / "tmp"),
        ]  # fmt: skip

    def __call__(self, *words: str, stdin: str = "") -> Result:
        done = subprocess.run(
            [*self.program, *self.in_parent(words)], env=self.environment, input=stdin,
            capture_output=True, text=True, check=False, timeout=3 * PATIENCE,
        )  # fmt: skip
        return Result(done.returncode, done.stdout, done.stderr)

    def spawn(self, *words: str, **options) -> subprocess.Popen:
        command = [*self.program, *self.in_parent(words)]
        return subprocess.Popen(command, env=self.environment, **options)

    @staticmethod
    def in_parent(words: tuple[str, ...]) -> list[str]:
        """Put what is made into a cgroup of this process's own, so that others' are not seen."""
        if words[:2] == ("pod", "create"):
            place = 2
        elif words[0] in ("run", "create") and "--pod" not in words:
            place = 1
        else:
            return list(words)
        return [*words[:place], "--cgroup-parent", f"/{PARENT}", *words[place:]]

    def run(self, *words: str, stdin: str = "") -> Result:
        network = [] if "--network" in words else ["--network", "none"]
        result = self("run", "--rm", *network, *words, stdin=stdin)
        if (result.status, result.out, result.err) == (0, "", ""):
            # On a busy machine conmon may hand the output on before it has looked who is attached.
            run_again.note("podman run that printed nothing")
            return self("run", "--rm", *network, *words, stdin=stdin)
        return result

    def start(self, name: str, *words: str) -> None:
        self("run", "--detach", "--network", "none", "--name", name, *words).ok()

    def inspect(self, name: str, field: str) -> str:
        return self("inspect", "--format", f"{{{{.{field}}}}}", name).ok().strip()

    def wait(self, name: str) -> int:
        return int(self("wait", name).ok())


def running(*words: bytes) -> list[Path]:
    """The processes with one of these words in the command line."""
    found = []
    for path in processes():
        with contextlib.suppress(OSError):  # it has ended meanwhile
            line = (path / "cmdline").read_bytes()
            found += [path] if any(word in line for word in words) else []
    return found


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory, modules: Path) -> Iterator[Podman]:
    if os.geteuid() != 0:
        pytest.skip("needs root")
    podman = Podman(tmp_path_factory.mktemp("podman"))
    environment = {**podman.environment, "CRUNW_EXAMPLES": str(modules)}
    images = PROJECT / "examples" / "images"
    subprocess.run([images, "--test-images"], env=environment, check=True)
    build = ["buildah", "build", "--quiet", "--isolation", "chroot", "--tag", "localhost/modules"]
    subprocess.run(
        [*build, "--file", "-", str(modules)], input="FROM scratch\nCOPY *.wasm /\n", text=True,
        check=True, stdout=subprocess.DEVNULL, env=podman.environment,
    )  # fmt: skip
    yield podman
    watching = f"{podman.directory}/".encode()
    # That of an exec ends after what it has left to it: a compiler.
    wait_for(lambda: not running(*WORDS[:3]), "the last compiler's end")
    wait_for(lambda: not running(watching), "the last conmon's end")
    for group in CGROUPS.glob(f"**/{PARENT}"):
        conmon = group / "conmon/cgroup.procs"
        wait_for(
            lambda conmon=conmon: not conmon.exists() or not conmon.read_text(), "conmon's end"
        )
        for directory, _, _ in os.walk(group, topdown=False):
            os.rmdir(directory)
    storage = podman.directory / "root" / "overlay"
    if storage.is_mount():
        subprocess.run(["umount", "--lazy", storage], check=True)


@pytest.fixture
def podman(engine: Podman) -> Iterator[Podman]:
    """podman without containers; after the test nothing of them is left."""
    yield engine
    engine("rm", "--all", "--force", "--time", "0").ok()
    assert list(CGROUPS.glob(f"**/{PARENT}/**/libpod-*")) == []
    mounts = Path("/proc/self/mountinfo").read_text().splitlines()
    assert [line for line in mounts if f"{engine.directory}/" in line and "/merged " in line] == []


# --- The same flags -------------------------------------------------------------------------------

FLAGS = [
    ["--memory", "64m"],
    ["--pids-limit", "30"],
    ["--memory", "128m", "--memory-swap", "128m", "--pids-limit", "50", "--cpu-shares", "512"],
    ["--cpus", "0.9"],
    ["--cpuset-cpus", "0"],
    ["--read-only"],
    ["--user", "1000:1001"],
    ["--user", "7"],
    ["--cap-add", "NET_ADMIN"],
    ["--cap-drop", "ALL"],
    ["--security-opt", "seccomp=unconfined"],
    ["--security-opt", "no-new-privileges"],
    ["--tmpfs", "/scratch:size=1m,mode=1777"],
    ["--hostname", "box"],
    ["--network", "host"],
    ["--pid", "host"],
    ["--ipc", "host"],
    ["--uts", "host"],
    ["--cgroupns", "private"],
    ["--ulimit", "nofile=100:200"],
    ["--sysctl", "net.ipv4.ip_forward=1"],
    ["--shm-size", "2m"],
    ["--device", "/dev/fuse"],
    ["--oom-score-adj", "500"],
    ["--init"],
    ["--env", "A=b", "--workdir", "/"],
    ["--annotation", "module.wasm.image/variant=compat-smart"],
]
NEEDS_CONTROLLER = ("--memory", "--pids-limit", "--cpus", "--cpuset-cpus")


def skip_without_controllers(flags: list[str]) -> None:
    v2 = CGROUPS / "cgroup.controllers"
    if flags[0] not in NEEDS_CONTROLLER or (CGROUPS / "memory").is_dir():
        return
    if not v2.exists() or "memory" not in v2.read_text():
        pytest.skip("no controllers")


@pytest.mark.parametrize("flags", FLAGS, ids=" ".join)
def test_flags(podman, flags):
    skip_without_controllers(flags)
    if "--init" in flags and not shutil.which("catatonit"):
        pytest.skip("catatonit is not installed")
    if "--device" in flags and not os.path.exists("/dev/fuse"):
        pytest.skip("no /dev/fuse")
    native = podman.run(*flags, "localhost/busybox", "echo", "fine")
    wasm = podman.run(*flags, "localhost/hello-c")
    assert (native.status, native.out) == (0, "fine\n"), native
    if "--init" in flags:
        return  # the program is the init, which then executes the module as a native file
    assert (wasm.status, wasm.out) == (0, "Hello from WebAssembly\n"), wasm


def test_privileged(podman):
    native = podman.run("--privileged", "localhost/busybox", "echo", "fine")
    if "Operation not permitted" in native.err:
        pytest.skip("this machine does not have all capabilities")
    assert (native.status, native.out) == (0, "fine\n"), native
    assert podman.run("--privileged", "localhost/hello-c").out == "Hello from WebAssembly\n"


def test_environment(podman):
    flags = ("--env", "A=b c", "--env", "EMPTY=")
    native = podman.run(*flags, "localhost/busybox", "env").ok().splitlines()
    wasm = podman.run(*flags, "localhost/modules", "/files.wasm", "env").ok().splitlines()
    assert {"A=b c", "EMPTY=", "container=podman"} <= set(native) & set(wasm)


def test_arguments(podman):
    """The path as the image says it, never one of the host."""
    assert podman.run("localhost/modules", "/files.wasm", "args", "a b", "", "*").ok() == (
        "/files.wasm\nargs\na b\n\n*\n"
    )


def test_volume_and_working_directory(podman, tmp_path):
    (tmp_path / "in").write_text("from the host\n")
    flags = ("--volume", f"{tmp_path}:/data", "--workdir", "/data")
    assert podman.run(*flags, "localhost/busybox", "cat", "in").ok() == "from the host\n"
    assert podman.run(
        *flags, "localhost/modules", "/files.wasm", "read", "in", "/data/in"
    ).ok() == ("from the host\nfrom the host\n")
    podman.run(*flags, "localhost/busybox", "sh", "-c", "echo native >native").ok()
    podman.run(*flags, "localhost/modules", "/files.wasm", "write", "wasm").ok()
    assert (tmp_path / "native").read_text() == "native\n"
    assert (tmp_path / "wasm").read_text() == "written\n"


def test_a_link_that_is_not_dereferenced(podman, tmp_path):
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to("file")
    mount = f"type=bind,src={tmp_path}/link,dst=/link,no-dereference"
    assert podman.run("--mount", mount, "localhost/busybox", "readlink", "/link").ok() == "file\n"


def test_read_only(podman, tmp_path):
    flags = ("--read-only", "--volume", f"{tmp_path}:/data:ro")
    native = podman.run(*flags, "localhost/busybox", "touch", "/data/x", "/x")
    assert native.err.count("Read-only file system") == 2
    wasm = podman.run(*flags, "localhost/modules", "/files.wasm", "write", "/data/x", "/x")
    assert (wasm.status, wasm.out.count("Read-only file system")) == (1, 2)


def test_user(podman, tmp_path):
    tmp_path.chmod(0o777)
    flags = ("--user", "1000:1001", "--volume", f"{tmp_path}:/data")
    assert podman.run(*flags, "localhost/busybox", "id", "-u").ok() == "1000\n"
    podman.run(*flags, "localhost/busybox", "touch", "/data/native").ok()
    podman.run(*flags, "localhost/modules", "/files.wasm", "write", "/data/wasm").ok()
    for name in ("native", "wasm"):
        status = (tmp_path / name).stat()
        assert (status.st_uid, status.st_gid) == (1000, 1001)
    assert podman.run("--user", "1000", "localhost/busybox", "sh", "-c", "echo x >/dev/stdout").ok()


def check_limit(podman: Podman, name: str, v1: tuple[str, str], v2: tuple[str, str]) -> None:
    """A file of a container's cgroup and its content: on v1, where the file's name begins with the
    controller's, or on v2.
    """
    controller = v1[0].partition(".")[0]
    pid = podman.inspect(name, "State.Pid")
    for line in Path(f"/proc/{pid}/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":")
        if controller in controllers.split(","):
            directory, (file, expected) = CGROUPS / controller / path[1:], v1
            break
    else:
        directory, (file, expected) = CGROUPS / path[1:], v2
    assert (directory / file).read_text().strip() == expected


def check_memory(podman: Podman, name: str, mebibytes: int) -> None:
    text = str(mebibytes << 20)
    check_limit(podman, name, ("memory.limit_in_bytes", text), ("memory.max", text))


def test_limits_reach_the_cgroup(podman):
    flags = ["--memory", "64m", "--pids-limit", "30"]
    skip_without_controllers(flags)
    for name, words in (
        ("native", ["busybox", "sleep", "1000"]),
        ("wasm", ["modules", "/sleep.wasm"]),
    ):
        podman.start(name, *flags, f"localhost/{words[0]}", *words[1:])
        check_memory(podman, name, 64)
        check_limit(podman, name, ("pids.max", "30"), ("pids.max", "30"))


def test_capabilities_and_seccomp(podman):
    words = ("localhost/busybox", "grep", "-E", "CapEff|Seccomp:", "/proc/self/status")
    assert "Seccomp:\t2" in podman.run(*words).ok()
    unconfined = podman.run(
        "--security-opt", "seccomp=unconfined", "--cap-drop", "ALL", *words
    ).ok()
    assert "Seccomp:\t0" in unconfined
    assert "CapEff:\t0000000000000000" in unconfined
    assert (
        "CapEff:\t0000000000001000"
        in podman.run("--cap-drop", "ALL", "--cap-add", "NET_ADMIN", *words).ok()
    )


# --- Endings --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "status"),
    [
        (["busybox", "sh", "-c", "exit 3"], 3),
        (["modules", "/exit3.wasm"], 3),
        (["modules", "/trap.wasm"], 134),
        (["hello-c"], 0),
        (["busybox", "/no/such"], 127),
        (["busybox", "/bin"], 126),
    ],
)
def test_exit_status(podman, words, status):
    result = podman("run", "--network", "none", "--name", "c", f"localhost/{words[0]}", *words[1:])
    assert result.status == status, result
    if status < 126 or status == 134:
        assert podman.inspect("c", "State.ExitCode") == str(status)
    if status == 134:
        assert "unreachable" in podman("logs", "c").err
    if status == 127:
        assert "no such" in result.err.lower()


@pytest.mark.parametrize("words", [["modules", "/sleep.wasm"], ["wasm-pause"]])
def test_stop_of_a_sleeping_module_is_at_once(podman, words):
    podman.start("c", f"localhost/{words[0]}", *words[1:])
    podman("stop", "--time", "30", "c").ok()
    assert podman.inspect("c", "State.ExitCode") == "143"


@pytest.mark.parametrize(("signal", "status"), [("INT", 130), ("HUP", 129), ("KILL", 137)])
def test_kill(podman, signal, status):
    podman.start("c", "localhost/modules", "/sleep.wasm")
    podman("kill", "--signal", signal, "c").ok()
    assert podman.wait("c") == status


def test_restart_and_rm(podman):
    for name, words in (
        ("native", ["busybox", "sleep", "1000"]),
        ("wasm", ["modules", "/sleep.wasm"]),
    ):
        podman.start(name, f"localhost/{words[0]}", *words[1:])
        before = podman.inspect(name, "State.Pid")
        podman("restart", "--time", "0", name).ok()
        after = podman.inspect(name, "State.Pid")
        assert before != after
        podman("rm", "--force", "--time", "0", name).ok()
        assert not os.path.exists(f"/proc/{after}/ns/pid")


def test_create_start_and_logs(podman):
    podman("create", "--network", "none", "--name", "c", "localhost/hello-c").ok()
    podman("start", "c").ok()
    assert podman.wait("c") == 0
    podman("start", "--attach", "c").ok()
    assert podman("logs", "c").ok() == "Hello from WebAssembly\n" * 2


def test_standard_input(podman):
    assert podman.run("-i", "localhost/busybox", "cat", stdin="in").ok() == "in"
    assert podman.run("-i", "localhost/modules", "/files.wasm", "cat", stdin="in").ok() == "in"


# --- A running container --------------------------------------------------------------------------


def test_exec(podman):
    podman.start("native", "localhost/busybox", "sleep", "1000")
    podman.start(
        "wasm",
        "--volume",
        f"{shutil.which('busybox')}:/busybox:ro",
        "localhost/modules",
        "/sleep.wasm",
    )
    assert podman("exec", "native", "hostname").ok() == podman.inspect("native", "Id")[:12] + "\n"
    assert podman("exec", "wasm", "/busybox", "hostname").ok() == (
        podman.inspect("wasm", "Id")[:12] + "\n"
    )
    assert podman("exec", "native", "sh", "-c", "exit 5").status == 5
    assert podman("exec", "--user", "7", "--env", "A=b", "--workdir", "/bin", "native", "sh", "-c",
                  "id -u; echo $A; pwd").ok() == "7\nb\n/bin\n"  # fmt: skip
    assert podman("exec", "native", "nothing").status == 127
    assert podman("exec", "-i", "native", "cat", stdin="in").ok() == "in"
    podman("exec", "--detach", "native", "touch", "/file").ok()
    wait_for(lambda: podman("exec", "native", "test", "-e", "/file").status == 0)


def test_exec_of_a_module(podman, modules):
    flags = ("--volume", f"{modules}:/modules:ro")
    podman.start("wasm", *flags, "localhost/modules", "/sleep.wasm")
    podman.start("native", *flags, "localhost/busybox", "sleep", "1000")
    for name in ("wasm", "native"):
        words = ("exec", name, "/modules/files.wasm", "args", "x")
        assert podman(*words).ok() == "/modules/files.wasm\nargs\nx\n"
        assert podman("exec", name, "/modules/exit3.wasm").status == 3
        assert podman("exec", name, "/modules/trap.wasm").status == 134


def test_ps_top_and_inspect(podman):
    podman.start("wasm", "localhost/modules", "/sleep.wasm")
    podman.start("native", "localhost/busybox", "sleep", "1000")
    names = podman("ps", "--format", "{{.Names}} {{.Status}}").ok()
    assert sorted(re.findall(r"^(\w+) Up", names, re.MULTILINE)) == ["native", "wasm"]
    for name in ("wasm", "native"):
        assert podman.inspect(name, "OCIRuntime").endswith("crunw")
        assert len(podman("top", name, "pid").ok().splitlines()) == 2
        stats = json.loads(podman("container", "inspect", name).ok())[0]["State"]
        assert stats["Status"] == "running"


# --- Terminals ------------------------------------------------------------------------------------


class Session(terminal.Session):
    """podman on a terminal."""

    def __init__(self, podman: Podman, *words: str) -> None:
        super().__init__([*podman.program, *podman.in_parent(words)], podman.environment)


def test_terminal_of_a_native_container(podman):
    session = Session(podman, "run", "--rm", "-it", "--network", "none", "localhost/busybox", "sh")
    session.expect("/ # ")
    session.type("tty; exit 3\r")
    session.expect("/dev/pts/0\r\n")
    assert session.end() == 3


def test_terminal_of_a_module(podman):
    words = ("run", "--rm", "-it", "--network", "none", "localhost/modules", "/files.wasm", "cat")
    session = Session(podman, *words)
    session.type("a line\r")
    session.expect(r"a line\r\n")
    session.type("\x04")
    session.expect(r"a line\r\n")
    assert session.end() == 0


def test_interrupt_of_a_module(podman):
    session = Session(
        podman, "run", "-it", "--network", "none", "--name", "c", "localhost/modules", "/sleep.wasm"
    )
    wait_for(lambda: podman("inspect", "--format", "{{.State.Status}}", "c").out == "running\n")
    session.type("\x03")
    assert session.end() == 130


def test_exec_with_a_terminal(podman, modules):
    podman.start("c", "--volume", f"{modules}:/modules:ro", "localhost/busybox", "sleep", "1000")
    session = Session(podman, "exec", "-it", "c", "sh")
    session.expect("/ # ")
    session.type("tty; exit 4\r")
    session.expect("/dev/pts/0\r\n")
    assert session.end() == 4
    session = Session(podman, "exec", "-it", "c", "/modules/hello.wasm")
    session.expect("Hello from WebAssembly\r\n")
    assert session.end() == 0


KEYS = "--detach-keys=ctrl-q"
WATCH = "trap 'stty size' WINCH; echo ready; while :; do sleep 0.1; done"


def test_detach_and_attach(podman):
    session = Session(podman, "run", "-it", KEYS, "--network", "none", "--name", "c",
                      "localhost/busybox", "sh")  # fmt: skip
    session.expect("/ # ")
    session.type("echo $((6*7))\r")
    session.expect("42\r\n/ # ")
    assert session.detach() == 0
    assert podman.inspect("c", "State.Status") == "running"
    session = Session(podman, "attach", KEYS, "c")
    session.type("echo $((6*8))\r")
    session.expect("48\r\n/ # ")
    session.type("exit 5\r")
    session.end()  # podman's attach does not hand on the status
    assert podman.wait("c") == 5


def test_attach_to_a_module(podman):
    words = ("--network", "none", "--name", "c", "localhost/modules", "/files.wasm", "cat")
    assert podman("run", "--detach", "-it", *words).status == 0  # warns: it has no terminal itself
    session = Session(podman, "attach", KEYS, "c")
    session.type("a line\r")
    session.expect(r"a line\r\n")
    assert session.detach() == 0
    session = Session(podman, "attach", KEYS, "c")
    session.type("\x04")
    session.expect(r"a line\r\n")
    assert session.end() == 0


def test_resize(podman):
    session = Session(podman, "run", "--rm", "-it", "--network", "none", "--name", "c",
                      "localhost/busybox", "sh", "-c", WATCH)  # fmt: skip
    session.expect("ready")
    session.resize(31, 91)
    session.expect("31 91")
    podman("kill", "c").ok()
    assert session.end() == 137


def test_exec_resize_interrupt_and_detach(podman):
    podman.start("c", "localhost/busybox", "sleep", "1000")
    session = Session(podman, "exec", "-it", "c", "sh", "-c", f"trap 'exit 9' INT; {WATCH}")
    session.expect("ready")
    session.resize(32, 92)
    session.expect("32 92")
    session.type("\x03")
    assert session.end() == 9
    session = Session(podman, "exec", "-it", KEYS, "c", "sleep", "1001")
    wait_for(lambda: "1001" in podman("top", "c", "args").out)
    assert session.detach() == 0
    assert "1001" in podman("top", "c", "args").ok()
    assert podman.inspect("c", "State.Status") == "running"


# --- Pause and limits -----------------------------------------------------------------------------

RUNNING = [["localhost/busybox", "sleep", "1000"], ["localhost/wasm-pause"]]


@pytest.mark.parametrize("program", RUNNING)
def test_pause(podman, program):
    podman.start("c", *program)
    podman("pause", "c").ok()
    assert podman.inspect("c", "State.Status") == "paused"
    assert podman("exec", "c", "true").status != 0
    podman("unpause", "c").ok()
    assert podman.inspect("c", "State.Status") == "running"
    podman("pause", "c").ok()
    podman("rm", "--force", "--time", "0", "c").ok()


def test_annotations_of_the_engine(podman):
    """With podman's own seccomp profile and capabilities."""
    run = ["--annotation", "run.oci.wasm.preopens=data:/srv:ro,open:/srv"]
    for mode, expected in (("data", (1, "data/new: Read-only file system\n")), ("open", (0, ""))):
        words = ["-v", f"{podman.directory}/tmp:/srv", "localhost/modules", "/files.wasm", "write"]
        result = podman("run", "--rm", *run, *words, f"{mode}/new")
        assert (result.status, result.out) == expected
    result = podman("run", "--rm", "--annotation", "run.oci.wasm.time-limit=300ms",
                    "--annotation", "run.oci.wasm.statistics=true",
                    "localhost/modules", "/sleep.wasm")  # fmt: skip
    assert result.status == 142
    assert result.err.endswith("crunw: the time limit of 0.3 s is reached\n")


def test_a_component(podman):
    """Of WASI 0.2, run by wasmtime; the image says nothing of that."""
    image = "localhost/component-hello"
    assert podman.run(image).ok() == "Hello world, from a component\n"
    assert podman.run(image, "podman", "WASI").ok() == "Hello podman, WASI, from a component\n"


def test_a_module_beyond_its_memory(podman, monkeypatch, tmp_path):
    """As a program it is ended by the kernel, unless it asks to be told."""
    skip_without_controllers(["--memory"])
    monkeypatch.chdir(tmp_path)  # where conmon leaves a file "oom"
    image = ("--memory", "16m", "localhost/modules", "/eater.wasm")
    podman("run", "--network", "none", "--name", "eaten", *image)
    assert podman.inspect("eaten", "State.OOMKilled") == "true"
    assert podman.inspect("eaten", "State.ExitCode") == "137"
    out = podman.run("--annotation", "run.oci.wasm.memory-pages=limit", *image).ok()
    assert out == "11 MiB: Out of memory\n"


@pytest.mark.parametrize("program", RUNNING)
def test_update_stats_and_top(podman, program):
    skip_without_controllers(["--memory"])
    podman.start("c", "--memory", "64m", *program)
    limits = [
        "--memory",
        "96m",
        "--memory-swap",
        "128m",
        "--pids-limit",
        "20",
        "--cpu-shares",
        "99",
    ]
    podman("update", *limits, "--cpus", "0.5", "c").ok()
    check_memory(podman, "c", 96)
    for v1, v2 in (
        (("memory.memsw.limit_in_bytes", str(128 << 20)), ("memory.swap.max", str(32 << 20))),
        (("pids.max", "20"), ("pids.max", "20")),
        (("cpu.shares", "99"), ("cpu.weight", "17")),
        (("cpu.cfs_quota_us", "50000"), ("cpu.max", "50000 100000")),
    ):
        check_limit(podman, "c", v1, v2)
    assert podman("update", "--memory", "1m", "--cpuset-cpus", "99", "c").status != 0
    check_memory(podman, "c", 96)
    stats = json.loads(podman("stats", "--no-stream", "--format", "json", "c").ok())[0]
    assert stats["mem_usage"].split(" / ")[1] == "100.7MB"
    assert stats["pids"] == "1"
    assert len(podman("top", "c", "pid", "comm").ok().splitlines()) == 2


# --- Pods -----------------------------------------------------------------------------------------


def test_pod_of_both_kinds_with_the_annotation_on_all(podman):
    """What CRI engines do with a pod's annotation; podman wants it on each container."""
    infra = ("--infra-image", "localhost/wasm-pause", "--infra-command", "/pause.wasm")
    podman("pod", "create", "--name", "pod", "--network", "none", *infra).ok()
    annotated = ("--annotation", "module.wasm.image/variant=compat-smart")
    try:
        for name, words in (("native", ["busybox", "echo", "native"]), ("wasm", ["hello-c"])):
            podman("run", "--pod", "pod", "--name", name, *annotated, f"localhost/{words[0]}",
                   *words[1:]).ok()  # fmt: skip
        assert podman("logs", "native").ok() == "native\n"
        assert podman("logs", "wasm").ok() == "Hello from WebAssembly\n"
    finally:
        podman("pod", "rm", "--force", "--time", "0", "pod").ok()


# --- Checkpoints ----------------------------------------------------------------------------------


@pytest.mark.skipif(not shutil.which("criu"), reason="criu is not installed")
def test_checkpoint_and_restore(podman: Podman, tmp_path: Path) -> None:
    """What counts goes on counting, in the same container and in one that is imported."""

    def counted(name: str, beyond: int) -> int:
        last = last_number(podman("logs", "--tail", "1", name).out)
        return last if last > beyond else 0

    count = "i=0; while :; do i=$((i+1)); echo $i; sleep 0.1; done"
    podman.start("counter", "localhost/busybox", "sh", "-c", count)
    stopped_at = wait_for(lambda: counted("counter", 2), "a count beyond 2")
    podman("container", "checkpoint", "counter").ok()
    assert podman.inspect("counter", "State.Status") == "exited"
    podman("container", "restore", "counter").ok()
    stopped_at = wait_for(lambda: counted("counter", stopped_at), "the count to go on")
    archive = str(tmp_path / "checkpoint.tar")
    podman("container", "checkpoint", "--leave-running", "--export", archive, "counter").ok()
    podman("container", "restore", "--import", archive, "--name", "twin").ok()
    for name in ("counter", "twin"):
        wait_for(lambda name=name: counted(name, stopped_at), f"{name} to go on")
        assert podman.inspect(name, "State.Status") == "running"
    assert podman("exec", "twin", "cat", "/proc/1/comm").ok() == "sh\n"


def test_wasm_is_not_checkpointed(podman: Podman) -> None:
    podman.start("module", "localhost/modules", "/sleep.wasm")
    refused = podman("container", "checkpoint", "module")
    assert refused.status != 0
    assert "not possible for WebAssembly containers" in refused.err
    assert podman.inspect("module", "State.Status") == "running"


def test_conmon_does_not_inherit_the_compiler(engine: Podman) -> None:
    """It waits for all of its children when the container has ended, and ``podman run`` for it."""
    subprocess.run(["crunw", "cache", "prune", "--all"], check=True, stdout=subprocess.DEVNULL)
    engine.start("inherits", "localhost/modules", "/sleep.wasm")
    try:
        (compiler,) = wait_for(lambda: running(*WORDS[:3]), "the background compiler")
        parent = (compiler / "stat").read_text().rpartition(") ")[2].split()[1]
        assert b"conmon" not in Path(f"/proc/{parent}/cmdline").read_bytes()
    finally:
        engine("rm", "--force", "--time", "0", "inherits").ok()
