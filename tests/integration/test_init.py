"""``crunw-init``: reading plans, forking, finding and executing the program, reporting."""

from __future__ import annotations

import ctypes
import errno
import os
import random
import signal
import struct
import subprocess
from pathlib import Path

import pytest
from support.init import PROGRAM, Running, parse, perform, shell

from crunw.plan.encode import Step, encode
from crunw.plan.ops import REPORT_PID, REPORT_READY, VERSION

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root"),
]

FORK = Step("fork", 0)
LIBC = ctypes.CDLL(None, use_errno=True)
MS_REMOUNT, MS_BIND = 32, 4096
UNPRIVILEGED = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--")


# --- The plan is checked before its first step ----------------------------------------------------

FAILS_FIRST = Step("ns_enter", 0, "/nonexistent")
GOOD = encode([FAILS_FIRST, Step("process", ["a", "bc"], []), Step("seccomp", b"12", 1, 2, [])])


def number(value: int) -> bytes:
    return value.to_bytes(4, "little")


def record(op: int, payload: bytes) -> bytes:
    return struct.pack("<HHI", op, 0, len(payload)) + payload


def plan_of(*records: bytes, count: int | None = None) -> bytes:
    body = b"".join(records)
    header = b"CRWP" + number(VERSION) + number(len(records) if count is None else count)
    return header + number(len(body)) + number(0) + body


BAD_PLANS = {
    "short": GOOD[:19],
    "magic": b"X" + GOOD[1:],
    "version": GOOD[:4] + number(VERSION + 1) + GOOD[8:],
    "truncated": GOOD[:-1],
    "longer": GOOD + b"\0",
    "fewer records": plan_of(record(11, b""), record(11, b""), count=1),
    "more records": plan_of(record(11, b""), count=2),
    "unknown op": plan_of(record(13, b"")),
    "op past the table": plan_of(record(65535, b"")),
    "reserved field": plan_of(struct.pack("<HHI", 11, 1, 0)),
    "payload past the end": plan_of(struct.pack("<HHI", 11, 0, 1)),
    "payload too long": plan_of(record(11, b"\0")),
    "payload too short": plan_of(record(55, b"\0" * 7)),
    "string without its end": plan_of(record(28, number(2) + b"ab")),
    "string past the end": plan_of(record(28, number(2**32 - 1) + b"ab\0")),
    "NUL inside a string": plan_of(record(28, number(3) + b"a\0b\0")),
    "bytes past the end": plan_of(record(2, number(0) + b"\0" + number(9) + b"12345678")),
    "strings past the end": plan_of(record(60, number(2**32 - 1) + number(0) + b"\0")),
    "numbers past the end": plan_of(record(54, b"\0" * 16 + number(2**32 - 1) + b"\0" * 48)),
}


@pytest.mark.parametrize("plan", BAD_PLANS.values(), ids=BAD_PLANS.keys())
def test_malformed_plan_is_refused(plan):
    result = perform(plan)
    assert result.status == 1
    stage, operation, path, problem, message = result.error
    assert (stage, operation, path, problem) == ("", "read", "plan", errno.EINVAL)
    assert message


@pytest.mark.parametrize("plan", [b"", encode([], more=True)])
def test_the_end_of_the_file_instead_of_a_part_ends_it(plan):
    result = perform(plan)
    assert (result.status, result.reports, result.output, result.error) == (1, [], "", [])


def test_parts_are_performed_as_they_come(tmp_path):
    text = tmp_path / "text"
    text.write_text("")
    first = encode([Step("cgroup_join", str(text))], more=True)
    result = perform(first + encode([FORK, *shell(f"cat {text}; ls /proc/self/fd")]))
    assert result.output.split() == ["00", "1", "2", "3"]


def test_damaged_plans_never_crash():
    chance = random.Random(2)  # noqa: S311 - not for secrets
    start = 20 + 8 + 8 + 4 + len("/nonexistent") + 1
    for _ in range(200):
        plan = bytearray(GOOD)
        for _ in range(chance.randint(1, 4)):
            plan[chance.randrange(start, len(plan))] = chance.choice((0, 1, 4, 127, 255))
        result = perform(bytes(plan))
        assert result.status == 1
        assert result.error[1] in ("read", "open")


def test_wrong_arguments():
    for arguments in ([], ["1", "2"], ["x", "1", "2"], ["1", "2", "-3"], ["1"] * 5):
        done = subprocess.run([PROGRAM, *arguments], capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr[:6]) == (2, "usage:")


def test_failure_names_stage_operation_path_and_errno():
    result = perform([FAILS_FIRST])
    assert result.error == ["ns_enter", "open", "/nonexistent", errno.ENOENT, ""]


# --- Fork, ready, start ---------------------------------------------------------------------------


def test_fork_makes_a_child_of_the_runtime():
    result = perform([FORK, *shell("echo $PPID; exit 7")])
    assert result.reports == [REPORT_PID]
    assert result.output == f"{os.getpid()}\n"
    assert result.status == 7


def test_fork_into_a_pid_namespace_reports_the_outer_pid():
    with Running([Step("fork", os.CLONE_NEWPID), Step("ready"), *shell("echo $$")]) as running:
        assert running.until(REPORT_READY) == REPORT_READY
        nested = Path(f"/proc/{running.result.pid}/status").read_text()
        assert f"NSpid:\t{running.result.pid}\t1\n" in nested
        running.answer()
        assert running.finish().output == "1\n"


def test_ready_without_a_runtime_exits():
    with Running([FORK, Step("ready"), *shell("echo no")]) as running:
        running.until(REPORT_READY)
        running.hang_up()
        result = running.finish()
        assert (result.status, result.output, result.error) == (1, "", [])


@pytest.fixture
def start(tmp_path):
    """The state directory, the FIFO that `start` writes, and the one that it reads then."""
    os.mkfifo(tmp_path / "start")
    os.mkfifo(tmp_path / "started")
    trigger = os.open(tmp_path / "start", os.O_RDWR)
    reader = os.open(tmp_path / "started", os.O_RDONLY | os.O_NONBLOCK)
    yield tmp_path, trigger, reader
    for descriptor in (trigger, reader):
        os.close(descriptor)


def waiting(start, last: list[Step]) -> Running:
    directory, _, reader = start
    steps = [Step("open_start", str(directory)), FORK, last[0], Step("ready"), Step("wait_start")]
    running = Running([*steps, *last[1:]])
    running.until(REPORT_READY)
    os.set_blocking(reader, True)
    return running


def test_start(start):
    _, trigger, reader = start
    with waiting(start, shell("exec ls /proc/self/fd")) as running:
        running.answer()
        assert running.next_report() is None
        os.write(trigger, b"\0")
        assert os.read(reader, 100) == b""
        assert running.finish().output.split() == ["0", "1", "2", "3"]  # 3: ls itself


def test_failure_after_start_goes_to_start(start, tmp_path):
    _, trigger, reader = start
    program = tmp_path / "program"
    program.write_text("#!/nonexistent\n")
    program.chmod(0o755)
    steps = [Step("process", [str(program)], []), Step("exec_find"), Step("exec")]
    with waiting(start, steps) as running:
        running.answer()
        os.write(trigger, b"\0")
        [(_, error)] = parse(os.read(reader, 65536))
        assert error == ["exec", "exec", str(program), errno.ENOENT, ""]
        assert running.finish().status == 127


def test_a_waiting_process_can_be_killed(start):
    with waiting(start, shell("echo no")) as running:
        running.answer()
        os.kill(running.result.pid, signal.SIGKILL)
        assert running.finish().status == -signal.SIGKILL


# --- The program ----------------------------------------------------------------------------------


def execute(*args: str, env: tuple[str, ...] = (), before: tuple[Step, ...] = ()):
    process = [Step("process", list(args), list(env)), Step("exec_find"), Step("exec")]
    return perform([FORK, *before, *process])


def test_arguments_and_environment_are_exact():
    script = "tr '\\0' '|' < /proc/$$/cmdline; echo; env"
    result = execute("/bin/sh", "-c", script, "ü", "", env=("A=1", "B=x y", "PATH=/usr/bin:/bin"))
    command, *environment = result.output.splitlines()
    assert command == f"/bin/sh|-c|{script}|ü||"
    assert {"A=1", "B=x y"} < set(environment)
    assert not {
        line for line in environment if line[:5] not in ("A=1", "B=x y", "PATH=", "PWD=/", "_=/us")
    }


@pytest.fixture
def programs(tmp_path):
    for directory in ("none", "some", "good"):
        (tmp_path / directory).mkdir()
    (tmp_path / "some" / "tool").write_text("#!/bin/sh\n")
    (tmp_path / "some" / "plain").write_text("#!/bin/sh\n")
    (tmp_path / "some" / "folder").mkdir()
    (tmp_path / "good" / "tool").write_text("#!/bin/sh\necho $0\n")
    (tmp_path / "good" / "tool").chmod(0o755)
    return tmp_path


def path_of(programs: Path, *names: str) -> str:
    return "PATH=" + ":".join(f"{programs}/{name}" for name in names)


def test_path_is_searched_past_what_cannot_run(programs):
    result = execute("tool", env=(path_of(programs, "none", "some", "good"),))
    assert result.output == f"{programs}/good/tool\n"


def test_empty_element_of_path_is_the_working_directory(programs):
    cwd = Step("cwd", f"{programs}/good", 0)
    assert execute("tool", env=("PATH=/nonexistent:",), before=(cwd,)).output == "tool\n"
    assert execute("good/../good/tool", before=(Step("cwd", str(programs), 0),)).status == 0


def test_default_path():
    assert execute("true").status == 0


NOWHERE = "executable file not found in $PATH"
TOO_MANY = "not found in the first 1024 directories of $PATH"


@pytest.mark.parametrize(
    ("args", "env", "expected"),
    [
        (["nosuch"], ["PATH=/bin"], (errno.ENOENT, NOWHERE)),
        ([""], ["PATH=/bin"], (errno.ENOENT, NOWHERE)),
        (["x" * 300], ["PATH=/bin"], (errno.ENOENT, NOWHERE)),
        (["nosuch"], ["PATH=/bin" + 1023 * ":"], (errno.ENOENT, NOWHERE)),
        (["nosuch"], ["PATH=/bin" + 1024 * ":"], (errno.E2BIG, TOO_MANY)),
        (["nosuch"], ["PATH=" + (1 << 20) * ":"], (errno.E2BIG, TOO_MANY)),
        (["nosuch"], ["PATH=" + 1024 * f"/{'x' * 4094}:"], (errno.E2BIG, TOO_MANY)),
        (["/bin/nosuch"], [], (errno.ENOENT, "")),
        (["/bin"], [], (errno.EACCES, "")),
        (["folder"], ["some"], (errno.EACCES, "")),
        (["plain"], ["some"], (errno.EACCES, "")),
        (["/dev/null"], [], (errno.EACCES, "")),
        ([], [], (errno.EINVAL, "no arguments")),
    ],
)
def test_program_that_cannot_run(programs, args, env, expected):
    env = tuple(path_of(programs, name) if name == "some" else name for name in env)
    result = execute(*args, env=env)
    assert result.status == 1
    stage, operation, path, problem, message = result.error
    assert operation == "exec"
    assert path == (args[0] if args else "")
    assert (problem, message) == expected
    assert stage == ("exec_find" if args else "process")


def test_exec_format_error_is_126(programs):
    (programs / "good" / "tool").write_text("\0\0\0\0")
    result = execute(f"{programs}/good/tool")
    assert result.error[:4] == ["exec", "exec", f"{programs}/good/tool", errno.ENOEXEC]
    assert result.status == 126


@pytest.fixture
def spare():
    """Three descriptors, 200 to 202, that crunw-init inherits."""
    reader, writer = os.pipe()
    for copy in (200, 201, 202):
        os.dup2(writer, copy)
    yield (200, 201, 202)
    for descriptor in (reader, writer, 200, 201, 202):
        os.close(descriptor)


def test_descriptors_below_close_from_reach_the_program(spare):
    steps = [FORK, Step("close_from", 202), *shell("exec ls /proc/self/fd")]
    seen = perform(steps, inherit=spare).output.split()
    assert {"200", "201"} < set(seen)
    assert "202" not in seen


@pytest.mark.parametrize("close", [[], [Step("close_from", 3)]])
def test_other_descriptors_do_not_reach_the_program(spare, close):
    steps = [FORK, *close, *shell("exec ls /proc/self/fd")]
    assert perform(steps, inherit=spare).output.split() == ["0", "1", "2", "3"]  # 3: ls itself


def test_unnamed_descriptors_are_closed_before_the_first_step(spare):
    steps = [FORK, Step("ready"), Step("console", 200, 0, 0, 0), Step("close_from", 3)]
    steps.append(Step("seccomp", b"", 0, 202 + 1, []))
    with Running(steps, inherit=spare) as running:
        running.until(REPORT_READY)
        seen = os.listdir(f"/proc/{running.result.pid}/fd")
        assert {"200", "202"} < set(seen)
        assert len(seen) == 3 + 2 + 2 + 1  # standard, named, report and answer, the host's /proc


def test_missing_standard_descriptors_are_filled():
    result = perform(
        [FORK, *shell("readlink /proc/$$/fd/0")], prefix=("sh", "-c", 'exec "$@" <&-', "-")
    )
    assert result.output == "/dev/null\n"


def test_signals_are_reset():
    LIBC.signal(signal.SIGUSR1, signal.SIG_IGN)
    result = perform(
        [FORK, *shell("grep -E 'Sig(Blk|Ign|Cgt)' /proc/self/status")], setsigmask=(signal.SIGUSR2,)
    )
    LIBC.signal(signal.SIGUSR1, signal.SIG_DFL)
    masks = [int(line.split()[1], 16) for line in result.output.splitlines()]
    assert masks[:2] == [0, 0]


# --- The program is protected from the container (CVE-2019-5736) ----------------------------------


def remains_of(prefix: tuple[str, ...]) -> int:
    """The program's file as a process of the container could keep it open, after its end."""
    with Running([FORK, Step("ready"), *shell("echo done")], prefix=prefix) as running:
        running.until(REPORT_READY)
        status = Path(f"/proc/{running.result.pid}/status").read_text()
        assert status.startswith("Name:\tcrunw-init\n")
        program = os.open(f"/proc/{running.result.pid}/exe", os.O_RDONLY)
        running.answer()
        assert running.finish().output == "done\n"
    return program


def test_program_runs_from_a_read_only_mount(tmp_path):
    program = remains_of(())
    path = f"/proc/self/fd/{program}"
    assert os.path.samefile(path, PROGRAM)
    with pytest.raises(OSError, match="Read-only file system"):
        os.open(path, os.O_RDWR)
    place = tmp_path / "place"
    place.touch()
    for source, target, flags in ((path, place, MS_BIND), ("", path, MS_REMOUNT | MS_BIND)):
        assert LIBC.mount(source.encode(), os.fsencode(target), None, flags, None) == -1
        assert ctypes.get_errno() == errno.EINVAL
    os.close(program)


def test_program_runs_from_a_sealed_copy_without_privilege():
    program = remains_of(UNPRIVILEGED)
    assert not os.path.samefile(f"/proc/self/fd/{program}", PROGRAM)
    writable = os.open(f"/proc/self/fd/{program}", os.O_RDWR)
    for change in (lambda: os.write(writable, b"x"), lambda: os.ftruncate(writable, 0)):
        with pytest.raises(PermissionError):
            change()
    os.close(writable)
    os.close(program)


def test_program_cannot_be_traced_until_exec():
    """Another process of the container, root there but without CAP_SYS_PTRACE, can't look in."""
    with Running([FORK, Step("ready"), *shell("")]) as running:
        running.until(REPORT_READY)
        for link in ("fd/0", "root", "exe", "cwd"):
            command = ["setpriv", "--bounding-set=-sys_ptrace", "readlink"]
            path = f"/proc/{running.result.pid}/{link}"
            assert subprocess.run([*command, path], capture_output=True, check=False).returncode
