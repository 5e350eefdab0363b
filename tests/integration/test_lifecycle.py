"""create, start, state, kill, delete, run, list and ps: what each does, prints and refuses."""

from __future__ import annotations

import json
import os
import pwd
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.commands import wait_for
from support.containers import OPTIONS, Bundle, Runtime, join_user_namespace, skip_without_root

from crunw.effects.cgroups.layout import detect

SLEEP = ("sleep", "1000")


def make(crunw: Runtime, container: Bundle, status: str) -> Bundle:
    """Bring a container of ``sleep`` into a status."""
    if status != "missing":
        crunw.create(container).ok()
    if status in ("running", "stopped"):
        crunw("start", container.id).ok()
    if status == "stopped":
        crunw("kill", container.id, "KILL").ok()
        crunw.wait_status(container, "stopped")
    return container


def test_life_of_a_container(crunw, bundle, tmp_path):
    container = bundle("sh", "-c", "echo out; echo err >&2; exit 7")
    container.change(annotations={"org.example.key": "välue"})
    out, err = tmp_path / "out", tmp_path / "err"
    with out.open("w") as stdout, err.open("w") as stderr:
        command = crunw.command("create", "--bundle", container.path, container.id)
        subprocess.run(command, stdout=stdout, stderr=stderr, check=True)
    state = crunw.state(container)
    pid = state.pop("pid")
    assert Path(f"/proc/{pid}/comm").read_text() == "crunw-init\n"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z", state.pop("created"))
    assert state == {
        "ociVersion": "1.2.1",
        "id": container.id,
        "status": "created",
        "bundle": str(container.path),
        "rootfs": str(container.rootfs),
        "owner": pwd.getpwuid(os.geteuid()).pw_name,
        "annotations": {"org.example.key": "välue"},
    }
    assert (out.read_text(), err.read_text()) == ("", "")
    assert crunw("start", container.id).ok() == ""
    crunw.wait_status(container, "stopped")
    assert (out.read_text(), err.read_text()) == ("out\n", "err\n")
    assert crunw.state(container)["pid"] == 0
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 7
    assert crunw("delete", container.id).ok() == ""
    assert crunw("state", container.id).error() == f"container {container.id} does not exist"


WRONG_STATUS = {
    ("start", "running"): "the container is running, must be created",
    ("start", "stopped"): "the container is stopped, must be created",
    ("kill", "stopped"): "container not running",
    ("delete", "running"): "the container is running, must be stopped or created",
    ("exec", "stopped"): "the container is stopped, must be created or running",
}
VERBS = ("start", "kill", "delete", "exec", "ps", "state")


@pytest.mark.parametrize("status", ["created", "running", "stopped", "missing"])
def test_every_verb_in_every_status(crunw, bundle, status):
    for verb in VERBS:
        container = make(crunw, bundle(*SLEEP), status)
        before = crunw.status(container)
        result = crunw(verb, container.id, *(["true"] if verb == "exec" else []))
        failure = 255 if verb == "exec" else 1
        if status == "missing":
            assert result.error(failure) == f"container {container.id} does not exist"
        elif expected := WRONG_STATUS.get((verb, status)):
            assert result.error(failure) == f"{verb} {container.id}: {expected}"
            assert crunw.status(container) == before
        else:
            result.ok()
    assert crunw("delete", "--force", "never-made").ok() == ""


@pytest.mark.parametrize("status", ["created", "running", "stopped"])
def test_an_id_is_taken_until_it_is_deleted(crunw, bundle, status):
    container = make(crunw, bundle(*SLEEP), status)
    for result in (crunw.create(container), crunw.run(container)):
        assert result.error() == f"container {container.id} already exists"
    assert crunw.status(container) == status
    crunw("delete", "--force", container.id).ok()
    crunw.create(container).ok()


def test_delete_force_ends_every_process(crunw, bundle):
    container = crunw.start(bundle("sh", "-c", "sleep 1000 & sleep 1000 & wait"))
    pids = wait_for(lambda: len(found := ps(crunw, container)) == 3 and found)
    crunw("delete", "--force", container.id).ok()
    assert not [pid for pid in pids if is_running(pid)]


def ps(crunw: Runtime, container: Bundle) -> list[int]:
    return json.loads(crunw("ps", "--format", "json", container.id).ok())


def is_running(pid: int) -> bool:
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False


@pytest.fixture
def busy_neighbours() -> Iterator[str]:
    """The path of a cgroup beside which twenty processes want all of the processor."""
    skip_without_root("to make cgroups")
    [top] = [top for key, top in detect().tops.items() if "cpu" in key.split(",")] or [""]
    if not top or "--cgroup-manager=systemd" in OPTIONS:
        pytest.skip("the cgroups here are systemd's, or without the controller of v1")
    parent = Path(top, f"crunw-test-{os.getpid()}")
    parent.mkdir()
    shell = f"echo 0 >{parent}/tasks; while :; do :; done"
    busy = [subprocess.Popen(["/bin/sh", "-c", shell]) for _ in range(20)]
    yield f"/{parent.name}/container"
    for process in busy:
        process.kill()
        process.wait()
    for hierarchy in Path("/sys/fs/cgroup").glob(f"*/{parent.name}"):
        subprocess.run(["find", hierarchy, "-depth", "-type", "d", "-delete"], check=True)


@pytest.mark.parametrize("cpu", [{"shares": 2}, {"idle": 1}])
def test_delete_force_beside_busy_neighbours(crunw, bundle, busy_neighbours, cpu):
    """What has been killed is given the processor time that it takes to end."""
    script = "for i in $(seq 20); do sleep 1000 & done; touch /begun; wait"
    made = bundle("sh", "-c", script, linux__cgroupsPath=busy_neighbours)
    crunw.start(made)
    wait_for((made.rootfs / "begun").exists)
    crunw("update", "--resources", "-", made.id, stdin=json.dumps({"cpu": cpu})).ok()
    crunw("delete", "--force", made.id).ok()


# --- run ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("script", "status"),
    [("exit 0", 0), ("exit 3", 3), ("exit 255", 255)],
)
def test_run_has_the_status_of_the_program(crunw, bundle, script, status):
    result = crunw.run(bundle("sh", "-c", script))
    assert (result.status, result.out, result.err) == (status, "", "")


@pytest.mark.parametrize("name", ["TERM", "INT", "HUP", "QUIT", "USR1", "USR2", "WINCH", "CONT"])
def test_run_passes_signals_on(crunw, bundle, name):
    script = f"trap 'echo got {name}; exit 5' {name}; echo ready; while :; do sleep 0.01; done"
    container = bundle("sh", "-c", script)
    with crunw.spawn("run", "--bundle", container.path, container.id) as process:
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.Signals[f"SIG{name}"])
        assert process.stdout.read() == f"got {name}\n"
    assert process.returncode == 5
    assert crunw.status(container) == ""


def test_run_of_a_program_ended_by_a_signal(crunw, bundle):
    container = bundle("sh", "-c", "echo ready; exec sleep 1000")
    with crunw.spawn("run", "--bundle", container.path, container.id) as process:
        assert process.stdout.readline() == "ready\n"
        crunw("kill", container.id, "KILL").ok()
    assert process.returncode == 128 + signal.SIGKILL


def test_run_streams(crunw, bundle):
    result = crunw.run(bundle("sh", "-c", "cat; echo err >&2"), stdin="in")
    assert (result.status, result.out, result.err) == (0, "in", "err\n")


def test_run_detach_leaves_it_running(crunw, bundle):
    container = bundle(*SLEEP)
    crunw.run(container, "--detach").ok()
    assert crunw.status(container) == "running"


def test_run_keep_leaves_it_stopped(crunw, bundle):
    container = bundle("sh", "-c", "exit 4")
    assert crunw.run(container, "--keep").status == 4
    assert crunw.status(container) == "stopped"
    crunw("delete", container.id).ok()


def test_program_that_can_not_be_executed(crunw, bundle):
    assert crunw.create(bundle("nothing-here")).error() == (
        "exec nothing-here: executable file not found in $PATH"
    )
    assert crunw.run(bundle("/no/such")).error() == "exec /no/such: No such file or directory"
    assert crunw.run(bundle("/bin")).error() == "exec /bin: Permission denied"


def test_start_tells_that_the_program_is_no_program(crunw, bundle):
    container = bundle("/text")
    (container.rootfs / "text").write_text("not a program\n")
    (container.rootfs / "text").chmod(0o755)
    crunw.create(container).ok()
    assert crunw("start", container.id).error() == "exec /text: Exec format error"
    crunw.wait_status(container, "stopped")
    assert crunw.run(container.change(process__args=["/text"])).error().endswith("already exists")
    crunw("delete", container.id).ok()
    assert crunw.run(container).error() == "exec /text: Exec format error"
    assert crunw.status(container) == ""


# --- kill -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["TERM", "15", "SIGTERM", "sigterm", "KILL", "9", "RTMIN", "RTMIN+1", "RTMAX-1", "64"]
)
def test_kill_by_name_and_number(crunw, bundle, name):
    number = {"TERM": 15, "SIGTERM": 15, "sigterm": 15, "KILL": 9, "RTMIN": 34, "RTMIN+1": 35,
              "RTMAX-1": 63}.get(name) or int(name)  # fmt: skip
    # Not PID 1 of its namespace: there, what is not handled is ignored.
    container = bundle(*SLEEP)
    container.config["linux"]["namespaces"].remove({"type": "pid"})
    container.config["mounts"][0] = {
        "destination": "/proc",
        "source": "/proc",
        "options": ["rbind"],
    }
    with crunw.spawn("run", "--bundle", container.write().path, container.id) as process:
        crunw.wait_status(container, "running")
        crunw("kill", container.id, name).ok()
    assert process.returncode == 128 + number


def test_kill_is_term_by_default(crunw, bundle):
    container = bundle("sh", "-c", "trap 'exit 9' TERM; echo ready; while :; do sleep 0.01; done")
    with crunw.spawn("run", "--bundle", container.path, container.id) as process:
        assert process.stdout.readline() == "ready\n"
        crunw("kill", container.id).ok()
    assert process.returncode == 9


def test_kill_0_tests_for_existence(crunw, bundle):
    container = crunw.start(bundle(*SLEEP))
    crunw("kill", container.id, "0").ok()
    assert crunw.status(container) == "running"


def test_kill_of_a_created_container(crunw, bundle):
    container = make(crunw, bundle(*SLEEP), "created")
    crunw("kill", container.id, "KILL").ok()
    crunw.wait_status(container, "stopped")
    crunw("delete", container.id).ok()


def test_kill_all(crunw, bundle):
    script = "sleep 1000 & sleep 1000 & echo ready; wait; sleep 1000 & wait"
    container = bundle("sh", "-c", f"trap 'echo first' USR1; {script}")
    with crunw.spawn("run", "--bundle", container.path, container.id) as process:
        assert process.stdout.readline() == "ready\n"
        before = set(wait_for(lambda: len(found := ps(crunw, container)) == 3 and found))
        crunw("kill", "--all", container.id, "USR1").ok()
        assert process.stdout.readline() == "first\n"
        # The two sleeps have died of it, a third was started.
        wait_for(lambda: len(found := ps(crunw, container)) == 2 and not before >= set(found))
        crunw("kill", "--all", container.id, "9").ok()
    assert process.returncode == 137


def test_a_reused_pid_is_not_taken_for_the_container(crunw, bundle):
    container = make(crunw, bundle(*SLEEP), "stopped")
    record_path = crunw.root / container.id / "state.json"
    record = json.loads(record_path.read_text())
    time.sleep(2 / os.sysconf("SC_CLK_TCK"))  # the resolution of a process's start time
    with subprocess.Popen(SLEEP) as other:
        record_path.write_text(json.dumps({**record, "pid": other.pid}))
        assert crunw.status(container) == "stopped"
        assert "container not running" in crunw("kill", container.id, "KILL").error()
        assert "is stopped" in crunw("exec", container.id, "true").error(255)
        crunw("delete", "--force", container.id).ok()
        assert other.poll() is None
        other.kill()


# --- Options --------------------------------------------------------------------------------------


def test_pid_file(crunw, bundle, tmp_path):
    container = bundle(*SLEEP)
    crunw.create(container, "--pid-file", str(tmp_path / "pid")).ok()
    assert (tmp_path / "pid").read_text() == str(crunw.state(container)["pid"])
    assert sorted(path.name for path in tmp_path.glob("pid*")) == ["pid"]


def test_pid_file_that_can_not_be_written(crunw, bundle, tmp_path):
    container = bundle(*SLEEP)
    error = crunw.create(container, "--pid-file", str(tmp_path / "no" / "pid")).error()
    assert error == f"write {tmp_path}/no/pid: No such file or directory"
    assert crunw.status(container) == ""


def test_errors_go_to_the_log(crunw, tmp_path):
    log = tmp_path / "log"
    crunw("--log", log, "--log-format", "json", "state", "nobody").error()
    crunw("--log", log, "--log-format=text", "start", "nobody").error()
    first, second = log.read_text().splitlines()
    entry = json.loads(first)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", entry.pop("time"))
    assert entry == {"level": "error", "msg": "container nobody does not exist"}
    assert re.fullmatch(r'time="\S+Z" level=error msg="container nobody does not exist"', second)


def test_success_creates_an_empty_log(crunw, bundle, tmp_path):
    """As with runc and crun; the launcher does so, too."""
    container = bundle("sleep", "1000")
    words = {
        "create": ["--bundle", container.path, container.id],
        "state": [container.id],
        "start": [container.id],
        "list": [],
        "kill": [container.id, "KILL"],
    }
    for verb, arguments in words.items():
        result = crunw("--log", tmp_path / f"log-{verb}", verb, *arguments)
        assert (result.status, result.err) == (0, "")
        assert (tmp_path / f"log-{verb}").read_bytes() == b""
    crunw("--log", f"file:{tmp_path}/file", "state", container.id).ok()
    assert (tmp_path / "file").read_bytes() == b""


@pytest.mark.parametrize("how", [["--debug"], ["--log-level=debug"]])
@pytest.mark.parametrize("log_format", ["", "text", "json"])
def test_debug_tells_the_stages(crunw, bundle, tmp_path, how, log_format):
    """On standard error, or in the log alone; those of crunw-init, too."""
    log = ["--log", tmp_path / "log", "--log-format", log_format] if log_format else []
    container = bundle("true")
    result = crunw(*how, *log, "run", "--bundle", container.path, container.id)
    assert result.status == 0
    if log_format:
        assert result.err == ""
        text = (tmp_path / "log").read_text()
        entries = [json.loads(line) for line in text.splitlines()] if log_format == "json" else []
        found = re.findall(r'^time="\S+" level=(\w+) msg="(.*)"$', text, re.MULTILINE)
        found += [(entry["level"], entry["msg"]) for entry in entries]
        levels, lines = zip(*found, strict=True)
        assert set(levels) == {"debug"}
    else:
        lines = [line.removeprefix("crunw: debug: ") for line in result.err.splitlines()]
    # Of a user's own units it is a detail which controllers he does without.
    timed = [line for line in lines if ": not enabled: " not in line]
    stages = [line.rpartition(": ")[0] for line in timed]
    assert all(re.fullmatch(r".+: \d+\.\d\d ms", line) for line in timed), lines
    assert {"read config.json", "cgroup", "plan", "crunw-init", "final record"} <= set(stages)
    assert {"crunw-init: FORK", "crunw-init: PIVOT_ROOT", "crunw-init: EXEC_FIND"} <= set(stages)


def test_without_debug_nothing_is_told(crunw, bundle, tmp_path):
    for level in ("error", "warning", "warn", "info"):
        crunw(
            f"--log-level={level}", "run", "--bundle", bundle("true").path, "crunw-test-level"
        ).ok()
    error = crunw("--log-level=loud", "list").error()
    assert error == "--log-level: 'loud' is none of error, warning, info, debug, warn"


def test_warnings_are_not_told_at_the_level_of_errors(crunw, bundle):
    container = bundle("true")
    crunw.create(container).ok()
    (crunw.root / container.id / "state.json").write_text("{")
    assert len(crunw("list").notices()) == 1
    crunw("--log-level=error", "list").ok()
    crunw("--log-level=error", "delete", "--force", container.id).ok()


LISTENER = """
import os, socket, subprocess, sys
receiver = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
if os.environ.get("LISTEN"):
    receiver.bind(sys.argv[1])
subprocess.run(sys.argv[2:])
if os.environ.get("LISTEN"):
    sys.stdout.buffer.write(receiver.recv(65536))
"""


@pytest.mark.parametrize("listen", ["1", ""])
@pytest.mark.parametrize("kind", ["syslog", "journald"])
def test_the_log_of_the_system(crunw, kind, listen):
    """A datagram to its socket. What this machine has of it is hidden from the command."""
    skip_without_root("to mount")
    path = {"syslog": Path("/dev/log"), "journald": Path("/run/systemd/journal/socket")}[kind]
    script = f'mkdir -p {path.parent} && mount -t tmpfs none {path.parent} && exec "$@"'
    prefix = ["unshare", "--mount", "sh", "-c", script, "sh", sys.executable, "-c", LISTENER, path]
    environment = {**os.environ, "LISTEN": listen}
    result = crunw("--log", f"{kind}:box", "state", "nobody", prefix=prefix, env=environment)
    errors = ["crunw: container nobody does not exist"]
    if not listen:
        errors.append(f"crunw: --log {kind}:box: No such file or directory")
    elif kind == "syslog":
        line = r"<27>\w{3} [ \d]\d [\d:]{8} crunw\[\d+\]: box: container nobody does not exist"
        assert re.fullmatch(line, result.out)
    else:
        fields = ["PRIORITY=3", "MESSAGE=container nobody does not exist", "ID=box"]
        assert result.out.splitlines() == [*fields, "SYSLOG_IDENTIFIER=crunw"]
    assert result.err.splitlines() == errors


def test_preserve_fds(crunw, bundle, tmp_path):
    container = bundle("sh", "-c", "cat <&3; echo; cat <&4; echo; ls /proc/self/fd")
    for name in ("three", "four"):
        (tmp_path / name).write_text(name)
    three, four = (os.open(tmp_path / name, os.O_RDONLY) for name in ("three", "four"))
    script = f'exec 3</dev/fd/{three} 4</dev/fd/{four}; exec "$@"'
    result = crunw.run(
        container, "--preserve-fds", "2", prefix=["bash", "-c", script, "-"], pass_fds=(three, four)
    )
    os.close(three)
    os.close(four)
    assert result.status == 0, result
    # ls has a descriptor of the directory it reads.
    assert result.out.split() == ["three", "four", "0", "1", "2", "3", "4", "5"]


def test_no_descriptor_but_the_standard_ones(crunw, bundle, tmp_path):
    stray = os.open(tmp_path, os.O_RDONLY)
    result = crunw.run(bundle("ls", "/proc/self/fd"), pass_fds=(stray,))
    os.close(stray)
    assert result.ok().split() == ["0", "1", "2", "3"]


def test_no_pivot(crunw, bundle):
    container = bundle("sh", "-c", "ls /; cut -d' ' -f5 /proc/self/mountinfo | grep -c ^/proc$")
    pivoted, moved = crunw.run(container).ok(), crunw.run(container, "--no-pivot").ok()
    assert pivoted == moved
    assert pivoted.split() == ["bin", "dev", "proc", "sys", "1"]


def test_no_new_keyring(crunw, bundle):
    """Two containers: the kernel takes its time to forget the keyring of one that has ended."""
    own, none = (bundle("cat", "/proc/keys", linux__maskedPaths=[]) for _ in range(2))
    assert f"_ses.{own.id}" in crunw.run(own).ok()
    assert f"_ses.{none.id}" not in crunw.run(none, "--no-new-keyring").ok()


def test_the_bundle_is_the_working_directory_by_default(crunw, bundle):
    assert crunw("run", "crunw-test-here", cwd=bundle("echo", "here").path).ok() == "here\n"


# --- What the process sees ------------------------------------------------------------------------


def test_process_members(crunw, bundle):
    script = (
        "id -u; id -g; id -G; pwd; umask; echo $A; grep -E 'NoNewPrivs|CapEff' /proc/self/status"
    )
    container = bundle("sh", "-c", f"{script}; ulimit -n; hostname; cat /proc/self/oom_score_adj")
    container.process["env"].append("A=b c")
    container.change(
        process__user={"uid": 1000, "gid": 1001, "additionalGids": [5, 6], "umask": 0o027},
        process__cwd="/some/where",
        process__oomScoreAdj=100,
        process__rlimits=[{"type": "RLIMIT_NOFILE", "soft": 100, "hard": 200}],
        process__capabilities={},
        hostname="box",
    )
    assert crunw.run(container).ok().splitlines() == [
        "1000", "1001", "1001 5 6", "/some/where", "0027", "b c",
        "CapEff:\t0000000000000000", "NoNewPrivs:\t1", "100", "box", "100",
    ]  # fmt: skip


def test_read_only_root(crunw, bundle):
    container = bundle("touch", "/file", root__readonly=True)
    result = crunw.run(container)
    assert (result.status, result.err) == (1, "touch: /file: Read-only file system\n")


def test_namespaces_are_its_own(crunw, bundle):
    kinds = ("pid", "net", "ipc", "uts", "mnt")
    container = bundle("sh", "-c", " ; ".join(f"readlink /proc/self/ns/{kind}" for kind in kinds))
    inside = crunw.run(container).ok().split()
    assert not set(inside) & {os.readlink(f"/proc/self/ns/{kind}") for kind in kinds}


def test_join_namespaces_by_path(crunw, bundle):
    first = crunw.start(bundle(*SLEEP))
    pid = crunw.state(first)["pid"]
    kinds = {"pid": "pid", "network": "net", "ipc": "ipc", "uts": "uts"}
    spaces = [{"type": kind, "path": f"/proc/{pid}/ns/{name}"} for kind, name in kinds.items()]
    names = [*kinds.values(), "mnt"]
    second = bundle("sh", "-c", " ; ".join(f"readlink /proc/self/ns/{name}" for name in names))
    del second.config["hostname"]
    second.config["linux"]["namespaces"] = [*spaces, {"type": "mount"}]
    join_user_namespace(second, pid)
    inside = crunw.run(second).ok().split()
    outside = [os.readlink(f"/proc/{pid}/ns/{name}") for name in names]
    assert inside[:-1] == outside[:-1]
    assert inside[-1] != outside[-1]


def test_masked_and_read_only_paths(crunw, bundle):
    script = "cat /secret; ls /hidden; echo x > /proc/sys/kernel/domainname; echo x >/fixed/f"
    container = bundle("sh", "-c", script)
    (container.rootfs / "secret").write_text("secret\n")
    (container.rootfs / "hidden").mkdir()
    (container.rootfs / "hidden" / "file").touch()
    (container.rootfs / "fixed").mkdir()
    container.change(
        linux__maskedPaths=["/secret", "/hidden", "/missing"],
        linux__readonlyPaths=["/proc/sys", "/fixed", "/missing"],
    )
    result = crunw.run(container)
    assert result.out == ""
    assert result.err.splitlines() == [
        "sh: can't create /proc/sys/kernel/domainname: Read-only file system",
        "sh: can't create /fixed/f: Read-only file system",
    ]


def test_mounts(crunw, bundle, tmp_path):
    data = tmp_path / "data"
    data.mkdir()
    (data / "file").write_text("text\n")
    container = bundle("sh", "-c", "cat /ro/file /one; echo x >/ro/file; echo y >/rw/new; ls /tmp")
    container.config["mounts"] += [
        {"destination": "/ro", "type": "bind", "source": str(data), "options": ["rbind", "ro"]},
        {"destination": "/rw", "source": str(data), "options": ["bind", "rw"]},
        {"destination": "/one", "source": str(data / "file"), "options": ["bind"]},
        {"destination": "/tmp", "type": "tmpfs", "source": "tmpfs", "options": ["size=1m"]},
    ]
    result = crunw.run(container.write())
    assert result.out == "text\ntext\n"
    assert result.err == "sh: can't create /ro/file: Read-only file system\n"
    assert (data / "new").read_text() == "y\n"


def test_seccomp(crunw, bundle):
    container = bundle("sh", "-c", "mkdir /directory; touch /file && echo made")
    rules = [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 95}]
    container.change(linux__seccomp={"defaultAction": "SCMP_ACT_ALLOW", "syscalls": rules})
    result = crunw.run(container)
    assert result.out == "made\n"
    assert result.err == "mkdir: can't create directory '/directory': Operation not supported\n"


def test_sysctl(crunw, bundle):
    container = bundle("cat", "/proc/sys/net/ipv4/ip_forward", "/proc/sys/kernel/shmmni")
    container.change(linux__sysctl={"net.ipv4.ip_forward": "1", "kernel.shmmni": "77"})
    assert crunw.run(container).ok().split() == ["1", "77"]


# --- list and ps ----------------------------------------------------------------------------------


def test_list(crunw, bundle):
    assert crunw("list").ok() == "ID  PID  STATUS  BUNDLE  CREATED  OWNER\n"
    assert crunw("list", "--format", "json").ok() == "[]\n"
    made = [make(crunw, bundle(*SLEEP), status) for status in ("created", "running", "stopped")]
    made.sort(key=lambda container: container.id)
    states = [crunw.state(container) for container in made]
    assert json.loads(crunw("list", "--format", "json").ok()) == states
    assert crunw("list", "--quiet").ok().split() == [container.id for container in made]
    header, *rows = crunw("list").ok().splitlines()
    assert header.split() == ["ID", "PID", "STATUS", "BUNDLE", "CREATED", "OWNER"]
    columns = ("id", "pid", "status", "bundle", "created", "owner")
    assert [row.split() for row in rows] == [[str(s[name]) for name in columns] for s in states]


def test_ps(crunw, bundle):
    container = crunw.start(bundle("sh", "-c", "sleep 1000 & wait"))
    pid = crunw.state(container)["pid"]
    pids = wait_for(lambda: len(found := ps(crunw, container)) == 2 and found)
    assert pid in pids
    header, *rows = crunw("ps", container.id).ok().splitlines()
    assert "PID" in header.split()
    assert sorted(int(row.split()[1]) for row in rows) == pids
    rows = crunw("ps", container.id, "-eo", "pid,args").ok().splitlines()[1:]
    assert sorted(row.split(None, 1)[1] for row in rows) == [
        "sh -c sleep 1000 & wait", "sleep 1000",
    ]  # fmt: skip
