"""Whatever state the caller is in, the container starts, or one error says why not."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
from pathlib import Path

import pytest
from support.commands import wait_for
from support.containers import Bundle, Runtime, receive_master, skip_without_root

BLOCK_ALL = (
    "import os, signal, sys; signal.pthread_sigmask(0, signal.valid_signals()); os.execvp(*ARGV)"
)
IGNORE_CHILD = "import os, signal, sys; signal.signal(17, signal.SIG_IGN); os.execvp(*ARGV)"


def shell(script: str) -> list[str]:
    """For ``prefix``: the call in ``$@`` after ``script``."""
    return ["bash", "-c", f'{script}; exec "$@"', "-"]


def python(script: str) -> list[str]:
    return ["python3", "-c", script.replace("ARGV", "(sys.argv[1], sys.argv[1:])")]


# --- Descriptors to pass on -----------------------------------------------------------------------


@pytest.mark.parametrize("verb", ["create", "run"])
@pytest.mark.parametrize(
    ("opened", "environment", "option", "problem"),
    [
        ("3</dev/null", "", "2", "--preserve-fds: descriptor 4 of 3 to 4 is not open"),
        ("4</dev/null", "", "2", "--preserve-fds: descriptor 3 of 3 to 4 is not open"),
        ("3</dev/null", "", "250", "--preserve-fds: descriptor 4 of 3 to 252 is not open"),
        ("3</dev/null", "", f"{2**40}", "--preserve-fds: descriptor 4 of 3 to"),
        ("", "LISTEN_FDS=1", "0", "LISTEN_FDS: descriptor 3 of 3 to 3 is not open"),
        ("3</dev/null", "LISTEN_FDS=1", "1", "--preserve-fds: descriptor 4 of 3 to 4 is not open"),
        ("", f"LISTEN_FDS={10**30}", "0", "LISTEN_FDS: descriptor 3 of 3 to"),
    ],
)
def test_descriptors_that_are_not_open(
    crunw: Runtime, bundle, verb: str, opened: str, environment: str, option: str, problem: str
) -> None:
    made = bundle("true")
    script = f"export LISTEN_PID=$$ {environment}; exec 3<&- 4<&- {opened}"
    error = crunw(
        verb, "--preserve-fds", option, "--bundle", made.path, made.id, prefix=shell(script)
    ).error()
    assert error.startswith(problem)
    assert crunw("list", "--quiet").ok() == ""


def test_exec_of_descriptors_that_are_not_open(crunw: Runtime, bundle) -> None:
    made = crunw.start(bundle("sleep", "1000"))
    result = crunw("exec", "--preserve-fds", "1", made.id, "true", prefix=shell("exec 3<&-"))
    assert result.err == "crunw: --preserve-fds: descriptor 3 of 3 to 3 is not open\n"


@pytest.mark.parametrize("number", [f"{10**30}", "1" * 10000, "", " 1", "1 ", "0x1", "-1", "1.0"])
def test_numbers_that_are_none(crunw: Runtime, bundle, number: str) -> None:
    made = bundle("true")
    error = crunw.run(made, "--preserve-fds", number).error()
    begin, _, end = error.partition(" … ")  # the middle of a long one
    assert begin == f"--preserve-fds: {number!r} is not a number"[: len(begin)]
    assert error.endswith(f"{number[-100:]}' is not a number")
    assert len(error) < 2100
    assert bool(end) == (len(number) > 2000)


def test_sockets_and_descriptors_and_names(crunw: Runtime, bundle) -> None:
    """Names that the configuration has are the container's own, as podman writes them."""
    script = "exec 3<<<three 4<<<four; export LISTEN_PID=$$ LISTEN_FDS=1 LISTEN_FDNAMES=outer"
    program = ["sh", "-c", "echo $LISTEN_FDS $LISTEN_PID $LISTEN_FDNAMES; cat <&3; cat <&4"]
    made = bundle(*program)
    options = ("--preserve-fds", "+1")
    result = crunw.run(made, *options, prefix=shell(script))
    assert result.ok() == "1 1 outer\nthree\nfour\n"
    made.change(process__env=["PATH=/bin", "LISTEN_FDNAMES=inner"])
    result = crunw.run(made, *options, prefix=shell(script))
    assert result.ok() == "1 1 inner\nthree\nfour\n"


def test_sockets_for_another_process_are_not_passed_on(crunw: Runtime, bundle) -> None:
    made = bundle("sh", "-c", "echo $LISTEN_FDS; ls /proc/self/fd")
    script = "exec 3</dev/null; export LISTEN_PID=1 LISTEN_FDS=1"
    assert crunw.run(made, prefix=shell(script)).ok().split() == ["0", "1", "2", "3"]


# --- Standard streams, signals, limits ------------------------------------------------------------


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&-", "<&- >&- 2>&-"])
def test_closed_standard_streams(crunw: Runtime, bundle, closed: str) -> None:
    """They are /dev/null; every verb works, and nothing else is opened in their place."""
    made: Bundle = bundle("sh", "-c", "ls /proc/self/fd >/seen; exit 3")
    prefix = shell(f"exec {closed}")
    assert crunw.run(made, prefix=prefix).status == 3
    assert (made.rootfs / "seen").read_text().split() == ["0", "1", "2", "3"]
    made.process["args"] = ["sleep", "1000"]
    made.write()
    assert crunw.create(made, prefix=prefix).status == 0
    for words in (["state"], ["start"], ["exec"], ["kill"]):
        last = {"exec": ["sh", "-c", "ls /proc/self/fd >/seen"], "kill": ["KILL"]}
        result = crunw(*words, made.id, *last.get(words[0], []), prefix=prefix)
        assert (words, result.status) == (words, 0), result
    crunw.wait_status(made, "stopped")
    assert (made.rootfs / "seen").read_text().split() == ["0", "1", "2", "3"]
    assert crunw("delete", made.id, prefix=prefix).status == 0


def test_the_errors_status_without_a_stream_for_it(crunw: Runtime) -> None:
    for full in (">&- 2>&-", ">/dev/full 2>/dev/full"):
        assert crunw("state", "nobody", prefix=shell(f"exec {full}")).status == 1


@pytest.mark.parametrize("prefix", [python(IGNORE_CHILD), python(BLOCK_ALL)])
def test_signals_ignored_or_blocked(crunw: Runtime, bundle, prefix: list[str]) -> None:
    """crunw waits for its children, and the container's process has what a program begins with."""
    made = bundle("grep", "-E", "Sig(Blk|Ign)", "/proc/self/status")
    none = "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n"
    assert crunw.run(made, prefix=prefix).ok() == none
    hooks = [{"path": "/bin/true"}]
    made.change(hooks={"createRuntime": hooks, "createContainer": hooks, "poststop": hooks})
    assert crunw.run(made, prefix=prefix).ok() == none
    made.process["args"] = ["sleep", "1000"]
    crunw.start(made.change(hooks={}))
    words = ["grep", "-E", "Sig(Blk|Ign)", "/proc/self/status"]
    assert crunw("exec", made.id, *words, prefix=prefix).ok() == none


def test_a_blocked_signal_ends_the_runtime(crunw: Runtime, bundle) -> None:
    """Here TERM is for the container, whose program it ends."""
    made = bundle("sh", "-c", "trap 'exit 7' TERM; echo up; sleep 1000 & wait")
    command = [*python(BLOCK_ALL), *crunw.command("run", "--bundle", made.path, made.id)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        assert process.stdout.readline() == "up\n"
        process.send_signal(signal.SIGTERM)
        assert process.wait() == 7


@pytest.mark.parametrize("mask", ["000", "027", "077", "777"])
def test_umask(crunw: Runtime, bundle, mask: str) -> None:
    made = bundle("sh", "-c", "umask; mkdir /d; stat -c %a /d")
    assert crunw.run(made, prefix=shell(f"umask {mask}")).ok() == "0022\n755\n"
    assert (crunw.root.stat().st_mode & 0o777) == 0o700


def test_a_cgroup_is_open_to_readers_whatever_the_umask(crunw: Runtime, bundle) -> None:
    """A program that is not root looks for its limits there."""
    skip_without_root("to have a cgroup")
    made = bundle("sleep", "100", linux__cgroupsPath="/crunw-test-umask/below")
    crunw.create(made, prefix=shell("umask 077")).ok()
    record = json.loads((crunw.root / made.id / "state.json").read_text())
    for directory in map(Path, record["cgroup"]["directories"].values()):
        for path in (directory, directory.parent):
            assert path.stat().st_mode & 0o777 == 0o755, path
    crunw("delete", "--force", made.id).ok()
    for directory in map(Path, record["cgroup"]["directories"].values()):
        if directory.parent.exists():
            directory.parent.rmdir()


def test_few_descriptors(crunw: Runtime, bundle) -> None:
    made = bundle("true")
    made.process.pop("rlimits", None)
    made.write()
    for number in (5, 10, 20):
        error = crunw.run(made, prefix=shell(f"ulimit -n {number}")).error()
        assert error.startswith(f"RLIMIT_NOFILE: {number} open files are too few (ulimit -n)")
    assert crunw.run(made, prefix=shell("ulimit -n 24")).ok() == ""


def test_a_limit_of_file_sizes(crunw: Runtime, bundle) -> None:
    """The message would go to a file, too, here."""
    assert crunw.run(bundle("true"), prefix=shell("ulimit -f 0")).status == 1
    assert crunw("list", "--quiet").ok() == ""


@pytest.mark.parametrize("limit", ["-s 64", "-v 60000", "-c 0", "-l 0"])
def test_limits_that_suffice(crunw: Runtime, bundle, limit: str) -> None:
    made = bundle("true")
    made.process.pop("rlimits", None)
    assert crunw.run(made.write(), prefix=shell(f"ulimit {limit}")).ok() == ""


def test_an_empty_environment(crunw: Runtime, bundle) -> None:
    made = bundle("true")
    program = subprocess.run(["which", "crunw"], capture_output=True, text=True, check=True)
    command = crunw.command("run", "--bundle", made.path, made.id)
    command[0] = program.stdout.strip()
    environments: list[dict[str, str]] = [{}, {"HOME": ""}, {"LANG": "xx", "LC_ALL": "\udcff"}]
    if os.geteuid() == 0:  # an ordinary user's newuidmap is looked for in $PATH
        environments.append({"PATH": ""})
    for environment in environments:
        done = subprocess.run(command, env=environment, capture_output=True, check=False)
        assert (done.returncode, done.stderr) == (0, b"")


def test_a_working_directory_that_is_gone(crunw: Runtime, bundle, tmp_path: Path) -> None:
    made = bundle("true")
    gone = shell(f"mkdir {tmp_path}/gone; cd {tmp_path}/gone; rmdir {tmp_path}/gone")
    assert crunw.run(made, prefix=gone).ok() == ""
    error = crunw("run", made.id, prefix=gone).error()
    assert error == "the working directory has been removed; name directories by absolute paths"
    made.change(hooks={"createRuntime": [{"path": "/bin/true"}]})
    assert crunw.run(made, prefix=gone).ok() == ""


# --- As crun and runc -----------------------------------------------------------------------------


def test_what_exec_itself_fails_with(crunw: Runtime, bundle, tmp_path: Path) -> None:
    """A program's status is the program's: even 1."""
    made = crunw.start(bundle("sleep", "1000"))
    assert crunw("exec", made.id, "false").status == 1
    for words in (
        ["nobody", "true"],
        [made.id, "nothing"],
        [made.id, "/bin"],
        ["--cwd", "/nowhere", made.id, "true"],
        ["--user", "x", made.id, "true"],
        ["--process", tmp_path / "none", made.id],
        ["--cgroup", "/none", made.id, "true"],
        ["--cgroup", "..", made.id, "true"],
        [made.id],
    ):
        crunw("exec", *words).error(255)
    assert crunw("exec", "--nothing", made.id, "true").error().startswith("unknown option")
    assert crunw("exec").error() == "a container id is needed"


def test_verbs_of_a_stopped_container(crunw: Runtime, bundle) -> None:
    made = crunw.start(bundle("true"))
    crunw.wait_status(made, "stopped")
    assert crunw("ps", "--format", "json", made.id).ok() == "[]\n"
    assert len(crunw("ps", made.id).ok().splitlines()) == 1
    crunw("kill", "--all", made.id, "TERM").ok()
    crunw("kill", "--all", made.id, "KILL").ok()
    assert "container not running" in crunw("kill", made.id, "KILL").error()


def test_a_created_container_is_deleted(crunw: Runtime, bundle) -> None:
    made = bundle("sleep", "1000")
    crunw.create(made).ok()
    crunw("delete", made.id).ok()
    assert crunw.status(made) == ""
    crunw.start(made)
    assert "is running" in crunw("delete", made.id).error()


def test_kill_without_a_pid_namespace(crunw: Runtime, bundle) -> None:
    skip_without_root("to mount procfs without a pid namespace")
    made = bundle("sh", "-c", "sleep 1001 & sleep 1000; true")
    linux = made.config["linux"]
    linux["namespaces"] = [kind for kind in linux["namespaces"] if kind["type"] != "pid"]
    crunw.start(made.write())
    processes = wait_for(lambda: len(found := pids(crunw, made)) == 3 and found)
    crunw("kill", made.id, "KILL").ok()
    wait_for(lambda: not any(alive(pid) for pid in processes))
    crunw("delete", made.id).ok()


def test_only_the_first_process_gets_another_signal(crunw: Runtime, bundle) -> None:
    skip_without_root("to mount procfs without a pid namespace")
    made = bundle("sh", "-c", "trap 'touch /first' USR1; sleep 1001 & while :; do sleep 0.01; done")
    linux = made.config["linux"]
    linux["namespaces"] = [kind for kind in linux["namespaces"] if kind["type"] != "pid"]
    crunw.start(made.write())
    wait_for(lambda: "sleep\x001001" in "".join(map(command_line, pids(crunw, made))))
    crunw("kill", made.id, "USR1").ok()
    wait_for((made.rootfs / "first").exists)
    assert "sleep\x001001" in "".join(map(command_line, pids(crunw, made)))


def pids(crunw: Runtime, container: Bundle) -> list[int]:
    found: list[int] = json.loads(crunw("ps", "--format", "json", container.id).ok())
    return found


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def command_line(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return ""


def test_another_name_of_the_configuration(crunw: Runtime, bundle, tmp_path: Path) -> None:
    made = bundle("echo", "usual")
    other = json.loads((made.path / "config.json").read_text())
    for place in (made.path / "other.json", tmp_path / "elsewhere.json"):
        other["process"]["args"] = ["echo", place.name]
        place.write_text(json.dumps(other))
    assert crunw.run(made).ok() == "usual\n"
    assert crunw.run(made, "--config", "other.json").ok() == "other.json\n"
    assert crunw.run(made, "-f", str(tmp_path / "elsewhere.json")).ok() == "elsewhere.json\n"
    assert "none.json" in crunw.run(made, "--config=none.json").error()
    assert crunw.run(made, "--no-subreaper").ok() == "usual\n"


def test_several_by_a_regular_expression(crunw: Runtime, bundle) -> None:
    made = [crunw.start(bundle("sleep", "1000")) for _ in range(3)]
    crunw("kill", "--regex", f"^({made[0].id}|{made[1].id})$", "KILL").ok()
    crunw.wait_status(made[0], "stopped")
    crunw.wait_status(made[1], "stopped")
    assert crunw.status(made[2]) == "running"
    crunw("delete", "--regex", f"^({made[0].id}|{made[1].id})$").ok()
    assert crunw("list", "--quiet").ok().split() == [made[2].id]
    assert "is not a regular expression" in crunw("delete", "--regex", "(").error()
    crunw("delete", "--regex", "nobody").ok()


def test_an_error_of_one_of_several_does_not_stop_the_others(crunw: Runtime, bundle) -> None:
    made = [bundle("sleep", "1000") for _ in range(3)]
    made.sort(key=lambda each: each.id)
    for each in made:
        crunw.start(each)
    for stopped in made[::2]:  # the first, and the last
        crunw("kill", stopped.id, "KILL").ok()
        crunw.wait_status(stopped, "stopped")
    expression = f"^({'|'.join(each.id for each in made)})$"
    error = crunw("kill", "--regex", expression, "KILL").error()
    assert sorted(error.split("; ")) == [
        f"kill {each.id}: container not running" for each in made[::2]
    ]
    crunw.wait_status(made[1], "stopped")

    running = crunw.start(bundle("sleep", "1000"))
    expression = f"^({'|'.join(each.id for each in [running, *made])})$"
    assert crunw("delete", "--regex", expression).error().count(running.id) == 1
    assert crunw("list", "--quiet").ok().split() == [running.id]


def test_pidfd_socket(crunw: Runtime, bundle, tmp_path: Path) -> None:
    made = bundle("sleep", "1000")
    path = str(tmp_path / "socket")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()
        crunw.create(made, "--pidfd-socket", path).ok()
        assert pid_of(receive_master(listener)) == crunw.state(made)["pid"]
        crunw("start", made.id).ok()
        pid_file = tmp_path / "pid"
        words = ("--detach", "--pid-file", pid_file, made.id, "sleep", "1001")
        crunw("exec", "--pidfd-socket", path, *words).ok()
        assert pid_of(receive_master(listener)) == int(pid_file.read_text())
    crunw("exec", "--pidfd-socket", path, made.id, "true").error(255)
    other = bundle("true")
    assert "connect to --pidfd-socket" in crunw.create(other, "--pidfd-socket", path).error()
    assert crunw.status(other) == ""
    crunw("kill", made.id, "KILL").ok()
    os.waitpid(int(pid_file.read_text()), 0)


def pid_of(pidfd: int) -> int:
    fields = Path(f"/proc/self/fdinfo/{pidfd}").read_text().split()
    os.close(pidfd)
    return int(fields[fields.index("Pid:") + 1])


def test_exec_in_a_cgroup_below(crunw: Runtime, bundle) -> None:
    skip_without_root("to make cgroups")
    made = crunw.start(bundle("sleep", "1000"))
    below = [Path(path) / "inner" for path in record_directories(crunw, made)]
    for path in below:
        path.mkdir()
        for name in ("cpuset.cpus", "cpuset.mems"):
            if (path / name).exists():
                (path / name).write_text((path.parent / name).read_text())
    words = [made.id, "cat", "/proc/self/cgroup"]
    inside = crunw("exec", "--cgroup", "inner", *words).ok()
    assert "/inner" in inside
    assert "/inner" not in crunw("exec", *words).ok()
    for path in below:
        path.rmdir()


def record_directories(crunw: Runtime, container: Bundle) -> list[str]:
    record = json.loads((crunw.root / container.id / "state.json").read_text())
    return list(record["cgroup"]["directories"].values())


def test_a_frozen_cgroup_is_refused(crunw: Runtime, bundle) -> None:
    """In it the new process would not run, nor could it be killed on cgroup v1."""
    skip_without_root("to make cgroups")
    first = crunw.start(bundle("sleep", "1000"))
    crunw("pause", first.id).ok()
    path = json.loads((crunw.root / first.id / "state.json").read_text())["cgroup"]["path"]
    second = bundle("true", linux__cgroupsPath=f"{path}/inner")
    for verb in ("create", "run"):
        error = crunw(verb, "--bundle", second.path, second.id).error()
        assert error.endswith("is frozen: a process in it would not run (thaw it)")
    assert crunw("list", "--quiet").ok().split() == [first.id]


def test_help_and_typos(crunw: Runtime) -> None:
    assert crunw("help", "run").ok() == crunw("run", "--help").ok()
    assert crunw("craete").error() == "unknown verb 'craete'; did you mean create? see crunw --help"
    assert "did you mean --bundle?" in crunw("run", "--bundel", "x", "y").error()
    assert "did you mean --root?" in crunw("--rooot", "x", "list").error()


def test_exec_with_bundled_letters(crunw: Runtime, bundle) -> None:
    made = crunw.start(bundle("sleep", "1000"))
    pid_file = made.path / "pid"
    words = ("-de", "A=1", "--pid-file", pid_file, made.id, "sh", "-c", "echo $A >/seen")
    crunw("exec", *words).ok()
    os.waitpid(int(pid_file.read_text()), 0)
    assert (made.rootfs / "seen").read_text() == "1\n"
    assert crunw("exec", "-i", made.id, "cat", stdin="in").ok() == "in"


# --- What create takes back -----------------------------------------------------------------------


def hook(script: str) -> dict[str, object]:
    return {"path": "/bin/sh", "args": ["sh", "-c", script], "env": ["PATH=/bin:/usr/bin"]}


@pytest.mark.parametrize("failing", ["prestart", "createRuntime", "createContainer"])
def test_poststop_hooks_when_create_fails(crunw: Runtime, bundle, tmp_path, failing: str) -> None:
    """A hook before may have made what poststop removes (runtime.md, "Lifecycle")."""
    made = bundle("true")
    made.change(
        hooks={
            failing: [hook("exit 3")],
            "poststop": [hook(f"cat >{tmp_path}/stopped"), hook("exit 4")],
        }
    )
    for verb in ("create", "run"):
        result = crunw(verb, "--bundle", made.path, made.id)
        first, last = result.err.splitlines()
        assert first == "crunw: warning: poststop hook /bin/sh: exit status 4"
        assert last.startswith("crunw: ")
        assert "exit status 3" in last
        state = json.loads((tmp_path / "stopped").read_text())
        assert (state["id"], state["status"], state["pid"]) == (made.id, "stopped", 0)
        (tmp_path / "stopped").unlink()
        assert crunw.status(made) == ""


def test_no_poststop_hooks_when_none_have_run(crunw: Runtime, bundle, tmp_path: Path) -> None:
    made = bundle("true", hooks={"poststop": [hook(f"touch {tmp_path}/stopped")]})
    made.change(mounts=[{"destination": "/x", "type": "bind", "source": str(tmp_path / "none")}])
    crunw.create(made).error()
    assert not (tmp_path / "stopped").exists()


def test_a_poststop_warning_is_logged(crunw: Runtime, bundle, tmp_path: Path) -> None:
    made = bundle("true", hooks={"poststop": [hook("exit 4")]})
    crunw("--log", tmp_path / "log", "run", "--bundle", made.path, made.id)
    assert (
        'level=warning msg="poststop hook /bin/sh: exit status 4"' in (tmp_path / "log").read_text()
    )


def test_an_id_that_is_a_number(crunw: Runtime, bundle) -> None:
    made = bundle("true")
    made.id = str(2**53)
    made.change(hooks={"createContainer": [hook(f"cat >{made.path}/state")]})
    crunw.run(made).ok()
    state = json.loads((made.path / "state").read_text())
    assert (state["id"], state["pid"]) == (made.id, 1)


@pytest.mark.parametrize("name", ["TERM", "INT", "HUP"])
def test_a_signal_during_create_undoes_it(crunw: Runtime, bundle, tmp_path, name: str) -> None:
    made = bundle("true")
    waiting = hook(f"echo $$ >{tmp_path}/hook; exec sleep 1000")
    made.change(hooks={"createRuntime": [waiting], "poststop": [hook(f"touch {tmp_path}/stopped")]})
    with crunw.spawn("create", "--bundle", made.path, made.id) as process:
        pid = wait_for(lambda: (tmp_path / "hook").exists() and (tmp_path / "hook").read_text())
        number = signal.Signals[f"SIG{name}"]
        process.send_signal(number)
        assert process.wait() == 128 + number
    assert not alive(int(pid))
    assert crunw("list", "--quiet").ok() == ""
    assert (tmp_path / "stopped").exists()
