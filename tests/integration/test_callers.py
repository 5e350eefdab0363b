"""Whatever state the caller is in, the container starts, or one error says why not."""

from __future__ import annotations

import signal
import subprocess
from pathlib import Path

import pytest
from container_harness import Bundle, Runtime

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
    for environment in ({}, {"PATH": ""}, {"HOME": ""}, {"LANG": "xx", "LC_ALL": "\udcff"}):
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
