"""``exec``: a further process in a container, with all of its options."""

from __future__ import annotations

import json
import os
import signal

import pytest
from support.commands import wait_for
from support.containers import Runtime


@pytest.fixture
def running(crunw: Runtime, bundle):
    """A running container whose program sleeps."""
    return crunw.start(bundle("sleep", "1000"))


@pytest.fixture
def execute(crunw: Runtime, running):
    return lambda *words, **how: crunw("exec", *words[:-1], running.id, *words[-1], **how)


def test_streams_and_status(execute):
    result = execute(["sh", "-c", "cat; echo err >&2; exit 3"], stdin="in")
    assert (result.status, result.out, result.err) == (3, "in", "err\n")


def test_it_is_in_the_container(crunw, running, execute):
    pid = crunw.state(running)["pid"]
    kinds = ("mnt", "pid", "net", "ipc", "uts")
    script = "; ".join(f"readlink /proc/self/ns/{kind}" for kind in kinds)
    out = execute(["sh", "-c", f"{script}; hostname; pwd; cat /proc/self/cgroup"]).ok()
    lines = out.splitlines()
    assert lines[:5] == [os.readlink(f"/proc/{pid}/ns/{kind}") for kind in kinds]
    assert lines[5:7] == ["crunw", "/"]
    with open(f"/proc/{pid}/cgroup", encoding="ascii") as file:
        assert lines[7:] == file.read().splitlines()


def test_it_is_a_child_of_nobody_there(execute):
    """The runtime is not seen from inside: a parent of another namespace is 0."""
    assert execute(["sh", "-c", "grep PPid /proc/self/status; echo $PPID"]).ok().endswith("\n0\n")


def test_options_change_the_process(execute):
    words = ["sh", "-c", "id -u; id -g; id -G; pwd; echo $A $B; grep CapEff /proc/self/status"]
    options = ["--user", "1000:1001", "--additional-gids", "7", "--additional-gids", "8", "--cwd",
               "/bin", "--env", "A=1", "-e", "B=2 3", "--no-new-privs"]  # fmt: skip
    assert execute(*options, words).ok().splitlines() == [
        "1000", "1001", "1001 7 8", "/bin", "1 2 3", "CapEff:\t0000000000000000",
    ]  # fmt: skip


def test_cap(execute):
    words = ["grep", "CapEff", "/proc/self/status"]
    assert execute("--cap", "CAP_CHOWN", words).ok() == "CapEff:\t0000000020000421\n"


def test_process_file(execute, crunw, running, tmp_path):
    process = {
        "cwd": "/bin",
        "args": ["sh", "-c", "pwd; env; id -u; umask; ulimit -n; grep CapEff /proc/self/status"],
        "env": ["PATH=/bin", "A=b"],
        "user": {"uid": 5, "gid": 6, "umask": 0o77},
        "rlimits": [{"type": "RLIMIT_NOFILE", "soft": 50, "hard": 60}],
    }
    (tmp_path / "process.json").write_text(json.dumps(process))
    out = crunw("exec", "--process", tmp_path / "process.json", running.id).ok().splitlines()
    assert out[0] == "/bin"
    assert {"A=b", "PATH=/bin"} <= set(out)
    assert out[-4:] == ["5", "0077", "50", "CapEff:\t0000000000000000"]


def test_process_file_without_capabilities(crunw, running, tmp_path):
    """It gets those of the container, as with runc and crun."""
    process = {"cwd": "/", "args": ["/bin/grep", "CapEff", "/proc/self/status"]}
    (tmp_path / "process.json").write_text(json.dumps(process))
    out = crunw("exec", "--process", tmp_path / "process.json", running.id).ok()
    assert out == "CapEff:\t0000000020000420\n"


def test_detach_and_pid_file(crunw, running, execute, tmp_path):
    execute("--detach", "--pid-file", str(tmp_path / "pid"), ["sleep", "1001"]).ok()
    pid = int((tmp_path / "pid").read_text())
    with open(f"/proc/{pid}/cmdline", "rb") as file:
        assert file.read() == b"sleep\x001001\0"
    assert pid in json.loads(crunw("ps", "--format", "json", running.id).ok())
    # The kernel keeps the container's first process until the parent, here this one, has reaped it.
    crunw("kill", running.id, "KILL").ok()
    assert os.waitpid(pid, 0) == (pid, signal.SIGKILL)


def test_preserve_fds(crunw, running, tmp_path):
    (tmp_path / "three").write_text("three")
    with (tmp_path / "three").open() as three:
        result = crunw(
            "exec", "--preserve-fds", "1", running.id, "sh", "-c", "cat <&3; ls /proc/self/fd",
            prefix=["bash", "-c", f'exec 3</dev/fd/{three.fileno()}; exec "$@"', "-"],
            pass_fds=(three.fileno(),),
        )  # fmt: skip
    assert result.ok() == "three0\n1\n2\n3\n4\n"


def test_no_descriptor_but_the_standard_ones(execute, tmp_path):
    stray = os.open(tmp_path, os.O_RDONLY)
    result = execute(["ls", "/proc/self/fd"], pass_fds=(stray,))
    os.close(stray)
    assert result.ok().split() == ["0", "1", "2", "3"]


def test_program_that_is_not_there(execute):
    assert execute(["nothing"]).error(255) == "exec nothing: executable file not found in $PATH"
    assert execute(["/no/thing"]).error(255) == "exec /no/thing: No such file or directory"
    assert execute(["/bin"]).error(255) == "exec /bin: Permission denied"
    error = execute("--cwd", "/no", ["true"]).error(255)
    assert error == "process.cwd: chdir /no: No such file or directory"


@pytest.mark.parametrize("name", ["TERM", "INT", "HUP", "QUIT", "USR1"])
def test_signals_are_passed_on(crunw, running, name):
    script = f"trap 'echo got {name}; exit 5' {name}; echo ready; while :; do sleep 0.01; done"
    with crunw.spawn("exec", running.id, "sh", "-c", script) as process:
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.Signals[f"SIG{name}"])
        assert process.stdout.read() == f"got {name}\n"
    assert process.returncode == 5


def test_status_of_a_process_ended_by_a_signal(execute):
    assert execute(["sh", "-c", "kill -KILL $$"]).status == 137


def test_the_end_of_the_container_ends_it(crunw, running):
    with crunw.spawn("exec", running.id, "sleep", "1001") as process:
        wait_for(lambda: len(json.loads(crunw("ps", "-f", "json", running.id).ok())) == 2)
        crunw("kill", running.id, "KILL").ok()
    assert process.returncode == 137


def test_in_a_created_container(crunw, bundle):
    container = bundle("sleep", "1000")
    crunw.create(container).ok()
    assert crunw("exec", container.id, "echo", "early").ok() == "early\n"
    crunw("start", container.id).ok()


def test_the_filter_applies(crunw, bundle):
    container = bundle("sleep", "1000")
    rules = [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 1}]
    container.change(linux__seccomp={"defaultAction": "SCMP_ACT_ALLOW", "syscalls": rules})
    crunw.start(container)
    result = crunw("exec", container.id, "mkdir", "/directory")
    assert result.err == "mkdir: can't create directory '/directory': Operation not permitted\n"


def test_the_config_of_create_counts(crunw, bundle):
    """A bundle that has changed, or is gone, is no matter for a running container."""
    container = crunw.start(bundle("sleep", "1000"))
    (container.path / "config.json").write_text("{}")
    assert crunw("exec", container.id, "echo", "fine").ok() == "fine\n"


def test_many_at_once(crunw, running):
    spawned = [crunw.spawn("exec", running.id, "echo", str(number)) for number in range(10)]
    assert [process.communicate(timeout=60) for process in spawned] == [
        (f"{number}\n", "") for number in range(10)
    ]
