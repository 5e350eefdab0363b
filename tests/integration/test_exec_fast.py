"""`exec` by the launcher alone: the same plan as Python's, and Python for all that is unusual."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import struct
import subprocess
import time
from pathlib import Path

import pytest
from support.containers import Bundle, Runtime, skip_without_root

LAUNCHER = Path(shutil.which("crunw") or "/nonexistent").resolve()
NS_ENTER_PIDFD = 5


def python_only(crunw: Runtime) -> list[str]:
    """What the launcher executes for a call that it does not do itself."""
    traced = subprocess.run(
        ["strace", "-s", "4096", "-e", "trace=execve", *crunw.command("list", "--quiet")],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    last = re.findall(r'execve\("[^"]*", \[([^]]*)\]', traced.stderr)[-1]
    words: list[str] = json.loads(f"[{last}]")
    return words[: words.index("--root")]


def plan(command: list[str]) -> tuple[bytes, bool]:
    """The plan that a call gives to crunw-init, and whether an interpreter took part.

    The number of the descriptor in NS_ENTER_PIDFD is left out.
    """
    trace = ["strace", "-f", "-xx", "-s", "1000000", "-e", "trace=execve,write"]
    done = subprocess.run([*trace, *command], capture_output=True, text=True, check=False)
    magic = "".join(f"\\x{byte:02x}" for byte in b"CRWP")
    (found,) = re.findall(rf'write\(\d+, "({re.escape(magic)}[^"]*)"', done.stderr)
    data = bytearray.fromhex(found.replace("\\x", ""))
    at = 20
    while at < len(data):
        op, _, size = struct.unpack_from("<HHI", data, at)
        if op == NS_ENTER_PIDFD:
            data[at + 8 : at + 16] = bytes(8)
        at += 8 + size
    return bytes(data), "boot" in bytes.fromhex(
        "".join(re.findall(r"\\x([0-9a-f]{2})", "".join(re.findall(r"execve\(.*", done.stderr))))
    ).decode("utf-8", "replace")


@pytest.fixture
def prepared(crunw: Runtime, bundle) -> Bundle:
    """A running container in which there has been an `exec`."""
    made = bundle("sleep", "1000", process__env=["PATH=/bin", "A=first", "B=b", "A=last"])
    return prepare(crunw, made)


def prepare(crunw: Runtime, made: Bundle) -> Bundle:
    crunw.start(made)
    crunw("exec", made.id, "true").ok()
    return made


def same(crunw: Runtime, *words: str) -> bool:
    """Whether the launcher did it. Its plan is Python's."""
    ours, interpreted = plan(crunw.command("exec", *words))
    theirs, _ = plan([*python_only(crunw), *crunw.command("exec", *words)[1:]])
    assert ours == theirs
    return not interpreted


PROCESSES = {
    "plain": {},
    "user": {"process__user": {"uid": 5, "gid": 6, "additionalGids": [7], "umask": 0o77}},
    "home": {"process__env": ["PATH=/bin", "HOME=/home"]},
    "no path": {"process__env": []},
    "cwd": {"process__cwd": "/bin"},
    "limits": {"process__rlimits": [{"type": "RLIMIT_NOFILE", "soft": 50, "hard": 60}]},
    "privileges": {"process__noNewPrivileges": False},
    "seccomp": {
        "linux__seccomp": {
            "defaultAction": "SCMP_ACT_ALLOW",
            "syscalls": [{"names": ["swapon"], "action": "SCMP_ACT_ERRNO"}],
        }
    },
    "affinity": {"process__execCPUAffinity": {"initial": "0", "final": "0"}},
    "terminal": {"process__terminal": False, "process__consoleSize": {"height": 5, "width": 9}},
}


@pytest.mark.parametrize("name", PROCESSES)
def test_the_plan_is_pythons(crunw: Runtime, bundle, name: str) -> None:
    made = prepare(crunw, bundle("sleep", "1000", **PROCESSES[name]))
    assert same(crunw, made.id, "true")
    assert same(crunw, "--cwd=/bin", "-e", "A=1", "--env", "B=ü", made.id, "/bin/echo", "", "a b")


def test_options(crunw: Runtime, prepared: Bundle) -> None:
    for options in (
        ["--env=A=1", "-e", "A=2", "-e", "C", "-e", "C=", "-e", "=x", "-e", ""],
        ["-e", "PATH=/nowhere:/bin"],
        ["--cwd", "/"],
    ):
        assert same(crunw, *options, prepared.id, "echo", "-n", "--", "-x")


def test_environment_and_directory(crunw: Runtime, prepared: Bundle) -> None:
    words = ["sh", "-c", "echo $A $B $C; pwd"]
    assert crunw("exec", prepared.id, *words).ok() == "last b\n/\n"
    changed = crunw("exec", "-e", "A=x", "-e", "C=y", "--cwd", "/bin", prepared.id, *words)
    assert changed.ok() == "x b y\n/bin\n"


def test_what_is_left_to_python(crunw: Runtime, prepared: Bundle, tmp_path: Path) -> None:
    (prepared.rootfs / "script").write_text("#!/bin/sh\nexit 3\n")
    (prepared.rootfs / "script").chmod(0o755)
    os.mkfifo(prepared.rootfs / "fifo")
    (prepared.rootfs / "sh").symlink_to("/../../../../../bin/busybox")
    assert crunw("exec", prepared.id, "/script").status == 3
    assert crunw("exec", prepared.id, "/sh", "-c", "exit 4").status == 4
    assert crunw("exec", "--user", "5", prepared.id, "id", "-u").ok() == "5\n"
    assert crunw("exec", "-e", "HOME=/x", prepared.id, "sh", "-c", "echo $HOME").ok() == "/x\n"
    for program in ("/fifo", "/bin", "nothing", "/no/thing", ""):
        crunw("exec", prepared.id, program).error(255)
    crunw("exec", "--cwd", "/nowhere", prepared.id, "true").error(255)
    crunw("exec", "nobody", "true").error(255)


def test_a_program_that_can_not_be_executed(crunw: Runtime, prepared: Bundle) -> None:
    (prepared.rootfs / "broken").write_bytes(b"\x7fELF, but no more")
    (prepared.rootfs / "broken").chmod(0o755)
    assert crunw("exec", prepared.id, "/broken").error(255) == "exec /broken: Exec format error"


def test_a_paused_and_a_stopped_container(crunw: Runtime, prepared: Bundle) -> None:
    skip_without_root("to freeze a cgroup")
    crunw("pause", prepared.id).ok()
    assert "is paused" in crunw("exec", prepared.id, "true").error(255)
    crunw("resume", prepared.id).ok()
    crunw("kill", prepared.id, "KILL").ok()
    crunw.wait_status(prepared, "stopped")
    assert "is stopped" in crunw("exec", prepared.id, "true").error(255)


@pytest.mark.parametrize("name", ["TERM", "INT", "HUP", "QUIT", "USR1"])
def test_signals_and_status(crunw: Runtime, prepared: Bundle, name: str) -> None:
    script = f"trap 'echo got {name}; exit 5' {name}; echo ready; while :; do sleep 0.01; done"
    with crunw.spawn("exec", prepared.id, "sh", "-c", script) as process:
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.Signals[f"SIG{name}"])
        assert process.stdout.read() == f"got {name}\n"
    assert process.returncode == 5
    assert crunw("exec", prepared.id, "sh", "-c", "kill -KILL $$").status == 137


def test_damage(crunw: Runtime, prepared: Bundle) -> None:
    path = crunw.root / prepared.id / "exec"
    whole = path.read_bytes()
    for size in (*range(64), *range(64, len(whole), 97), len(whole) - 1):
        path.write_bytes(whole[:size])
        assert crunw("exec", prepared.id, "echo", "x").ok() == "x\n"
    for at in range(0, len(whole), 41):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 0xFF]) + whole[at + 1 :])
        assert crunw("exec", prepared.id, "/bin/true").status in (0, 1, 255)
    path.write_bytes(whole + b"\0")
    assert crunw("exec", prepared.id, "echo", "x").ok() == "x\n"


def test_it_goes_with_the_container(crunw: Runtime, prepared: Bundle) -> None:
    assert (crunw.root / prepared.id / "exec").stat().st_mode & 0o777 == 0o600
    crunw("kill", prepared.id, "KILL").ok()
    crunw.wait_status(prepared, "stopped")
    crunw("delete", prepared.id).ok()
    assert not (crunw.root / prepared.id).exists()


def test_a_container_of_systemds(crunw: Runtime, bundle) -> None:
    """The group of a scope is joined like another, but of an ordinary user's manager."""
    skip_without_root("to have a cgroup")
    made = crunw.start(bundle("sleep", "1000"))
    record = crunw.root / made.id / "state.json"
    document = json.loads(record.read_text())
    for user in (True, False):
        document["cgroup"] |= {"unit": "test.scope", "user": user}
        record.write_text(json.dumps(document))
        crunw("exec", made.id, "true").ok()
        assert (crunw.root / made.id / "exec").exists() == (not user)
    assert same(crunw, made.id, "true")
    del document["cgroup"]["unit"], document["cgroup"]["user"]
    record.write_text(json.dumps(document))


# --- modules --------------------------------------------------------------------------------------


def prepare_module(crunw: Runtime, made: Bundle, *words: str) -> Bundle:
    """One in which a module has been run that has not been changed lately."""
    crunw.start(made)
    time.sleep(1.1)
    crunw("exec", made.id, *words).ok()
    return made


def test_a_module(crunw: Runtime, wasm_bundle, modules: Path) -> None:
    made = wasm_bundle("sleep")
    shutil.copy(modules / "files.wasm", made.rootfs)
    prepare_module(crunw, made, "/files.wasm", "args")
    assert same(crunw, made.id, "/files.wasm", "args", "a b", "")
    assert same(crunw, "--env", "A=1", made.id, "/files.wasm", "args")
    assert crunw("exec", made.id, "/files.wasm", "args", "x").ok() == "/files.wasm\nargs\nx\n"
    assert not same(crunw, made.id, "files.wasm", "args")
    assert not same(crunw, "--cwd", "/proc", made.id, "/files.wasm", "args")


def test_a_module_that_has_changed(crunw: Runtime, wasm_bundle, modules: Path) -> None:
    made = wasm_bundle("sleep")
    shutil.copy(modules / "files.wasm", made.rootfs / "program.wasm")
    prepare_module(crunw, made, "/program.wasm", "args")
    assert same(crunw, made.id, "/program.wasm", "args")
    shutil.copy(modules / "exit3.wasm", made.rootfs / "program.wasm")
    assert crunw("exec", made.id, "/program.wasm").status == 3
    (made.rootfs / "program.wasm").unlink()
    crunw("exec", made.id, "/program.wasm").error(255)


def test_a_module_called_by_a_process_file(
    crunw: Runtime, wasm_bundle, modules: Path, tmp_path: Path
) -> None:
    made = wasm_bundle("sleep")
    shutil.copy(modules / "files.wasm", made.rootfs)
    file = tmp_path / "process.json"
    file.write_text(process_text(args=["/files.wasm", "args"], cwd="/"))
    crunw.start(made)
    time.sleep(1.1)
    crunw("exec", "--process", file, made.id).ok()
    file.write_text(process_text(args=["/files.wasm", "args", "more"], cwd="/"))
    assert same_by(crunw, "--process", str(file), made.id)


# --- exec --process, as engines call it -----------------------------------------------------------


def process_text(**changes: object) -> str:
    """As Go writes it: no white space, and < > & escaped."""
    process = {
        "user": {"uid": 0, "gid": 0, "additionalGids": [0, 7]},
        "args": ["true"],
        "env": ["PATH=/bin", "A=[b]"],
        "cwd": "/bin",
        "capabilities": {"bounding": ["CAP_KILL"]},
        "oomScoreAdj": 500,
    }
    text = json.dumps({**process, **changes}, separators=(",", ":"))
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


ARGUMENTS = [
    ["true"],
    ["sh", "-c", '[ -d / ] && echo "x" >/tmp/y <z'],
    ["echo", "", "]", "[", ",", "a\tb\nc\\\\d"],
]


def test_process_files(crunw: Runtime, prepared: Bundle, tmp_path: Path) -> None:
    file = tmp_path / "process.json"
    file.write_text(process_text(args=["echo", "[first]"]))
    words = ["--process", str(file), prepared.id]
    assert not same_by(crunw, *words)
    for arguments in ARGUMENTS:
        file.write_text(process_text(args=arguments))
        assert same_by(crunw, *words), arguments


def same_by(crunw: Runtime, *words: str) -> bool:
    """As :func:`same`, for a call that leaves something for the next."""
    ours, interpreted = plan(crunw.command("exec", *words))
    theirs, _ = plan([*python_only(crunw), *crunw.command("exec", *words)[1:]])
    assert ours == theirs
    return not interpreted


def test_a_process_file_that_differs(crunw: Runtime, prepared: Bundle, tmp_path: Path) -> None:
    """In anything but its arguments, or in how they are written: Python reads it."""
    file = tmp_path / "process.json"
    words = ["--process", str(file), prepared.id]
    for changes in (
        {"args": ["echo", "ü"]},
        {"args": ["echo", "\u0001"]},
        {"cwd": "/"},
        {"user": {"uid": 5, "gid": 0}},
        {"env": ["PATH=/bin"]},
        {"capabilities": {"bounding": []}},
    ):
        file.write_text(process_text(args=["echo", "first"]))
        crunw("exec", *words).ok()
        assert same_by(crunw, *words)
        file.write_text(process_text(**changes))
        assert not same_by(crunw, *words), changes


@pytest.mark.parametrize(
    "text",
    [
        '["echo","x"', '["echo","x",]', '["echo" ,"x"]', '["echo",1]', '["echo",["x"]]', "[]", "x",
        '["echo","x"],"cwd":"/"', '["echo","x"]]', '["echo","\\u0000"]', '["echo","\\x"]', '[""]',
    ],
)  # fmt: skip
def test_arguments_that_are_not_plain(crunw: Runtime, prepared: Bundle, tmp_path, text) -> None:
    """The launcher never takes them for something else than Python does."""
    file = tmp_path / "process.json"
    whole = process_text(args=["echo", "first"])
    file.write_text(whole)
    words = ["exec", "--process", str(file), prepared.id]
    crunw(*words).ok()
    file.write_text(whole.replace('["echo","first"]', text))
    ours = crunw(*words)
    python = [*python_only(crunw), *crunw.command(*words)[1:]]
    theirs = subprocess.run(python, capture_output=True, text=True, check=False)
    assert (ours.status, ours.out, ours.err) == (
        theirs.returncode, theirs.stdout, theirs.stderr,
    )  # fmt: skip


def test_pid_file_and_detach(crunw: Runtime, prepared: Bundle, tmp_path: Path) -> None:
    file, pid_file = tmp_path / "process.json", tmp_path / "pid"
    file.write_text(process_text(args=["true"]))
    words = ["--process", str(file), "--pid-file", str(pid_file)]
    crunw("exec", *words, prepared.id).ok()
    file.write_text(process_text(args=["sleep", "1001"]))
    crunw("exec", *words, "--detach", prepared.id).ok()
    pid = int(pid_file.read_text())
    assert b"1001" in Path(f"/proc/{pid}/cmdline").read_bytes()
    assert os.listdir(tmp_path).count("pid") == 1
    crunw("kill", prepared.id, "KILL").ok()
    assert os.waitpid(pid, 0) == (pid, signal.SIGKILL)
    crunw.wait_status(prepared, "stopped")
    assert "is stopped" in crunw("exec", *words, prepared.id).error(255)


def test_a_link_in_the_place_of_the_pid_files_copy(crunw: Runtime, prepared, tmp_path) -> None:
    """Others may write to the directory: what a link there leads to stays as it is."""
    directory = tmp_path / "pids"
    directory.mkdir()
    victim, pid_file = directory / "victim", directory / "pid"
    victim.write_text("kept")
    plant = ["sh", "-c", f'ln -s {victim} {pid_file}.$$; exec "$@"', "-"]
    crunw("exec", "--pid-file", pid_file, prepared.id, "true", prefix=plant).ok()
    assert victim.read_text() == "kept"
    assert int(pid_file.read_text()) > 0
    assert sorted(os.listdir(directory)) == ["pid", "victim"]


def test_a_pid_file_that_can_not_be_written(crunw: Runtime, prepared: Bundle, tmp_path) -> None:
    error = crunw("exec", "--pid-file", tmp_path / "no/pid", prepared.id, "touch", "/ran").error(
        255
    )
    assert "no/pid: No such file or directory" in error
    assert not (prepared.rootfs / "ran").exists()
