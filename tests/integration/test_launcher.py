"""The launcher answers as Python does, and hands over what it does not know."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from crunw import paths


def python_only(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run crunw without the launcher: the same interpreter and code that it starts."""
    command = [sys.executable, "-I", "-S", f"{paths.library_dir()}/boot.bin", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def crunw(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["crunw", *arguments], capture_output=True, text=True, check=False)


@pytest.fixture
def container(tmp_path: Path) -> Iterator[list[str]]:
    """Global options and the id of a created container whose program sleeps."""
    bundle = tmp_path / "bundle"
    (bundle / "rootfs/bin").mkdir(parents=True)
    shutil.copy("/bin/busybox", bundle / "rootfs/bin/sleep")
    crunw("spec", *(["--rootless"] if os.geteuid() else []), "--bundle", str(bundle))
    config = json.loads((bundle / "config.json").read_text())
    config["process"].update(args=["/bin/sleep", "1000"], terminal=False)
    config["annotations"] = {"tricky": '"status": "running" 9007199254740992'}
    (bundle / "config.json").write_text(json.dumps(config))
    root = f"--root={tmp_path}/root"
    name = f"launcher-{os.getpid()}"
    # The container keeps these: pipes would never come to their end.
    with open(os.devnull, "r+") as null:
        command = ["crunw", root, "create", "--bundle", str(bundle), name]
        subprocess.run(command, check=True, stdin=null, stdout=null, stderr=null)
    yield [root, name]
    crunw(root, "delete", "--force", name)
    assert os.listdir(tmp_path / "root") == []


def in_launcher(*arguments: str) -> bool:
    """Whether the launcher did it without starting an interpreter."""
    done = subprocess.run(
        ["strace", "-f", "-e", "trace=execve", "crunw", *arguments],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stderr.count("execve(") == 1


def same_state(container: list[str]) -> str:
    root, name = container
    ours, theirs = crunw(root, "state", name), python_only(root, "state", name)
    assert (ours.returncode, ours.stdout) == (theirs.returncode, theirs.stdout)
    assert in_launcher(root, "state", name)
    return str(json.loads(ours.stdout)["status"])


def test_the_state_is_the_same_in_every_status(container: list[str]) -> None:
    root, name = container
    assert same_state(container) == "created"
    assert in_launcher(root, "start", name)
    assert same_state(container) == "running"
    assert crunw(root, "pause", name).returncode == 0
    assert same_state(container) == "paused"
    assert crunw(root, "resume", name).returncode == 0
    assert in_launcher(root, "--log", "/dev/null", "kill", name, "SIGKILL")
    while json.loads(crunw(root, "state", name).stdout)["status"] != "stopped":
        time.sleep(0.01)
    assert same_state(container) == "stopped"
    assert in_launcher(root, "delete", "--force", name)
    assert crunw(root, "state", name).returncode == 1


@pytest.mark.parametrize("verb", ["start", "kill", "delete", "state"])
def test_a_missing_container_is_pythons_to_tell(verb: str, tmp_path: Path) -> None:
    done = crunw(f"--root={tmp_path}", verb, "missing")
    assert done.returncode == 1
    assert done.stderr == "crunw: container missing does not exist\n"


def test_a_running_container_is_not_deleted(container: list[str]) -> None:
    root, name = container
    assert crunw(root, "start", name).returncode == 0
    done = crunw(root, "delete", name)
    assert done.returncode == 1
    assert done.stderr.startswith(f"crunw: delete {name}: the container is running")
    again = crunw(root, "start", name)
    assert again.stderr.startswith(f"crunw: start {name}: the container is running")


def test_an_error_at_exec_goes_to_the_caller_and_the_log(
    container: list[str], tmp_path: Path
) -> None:
    """The program is replaced by one that can't be executed, after `create` has looked at it."""
    root, name = container
    (tmp_path / "bundle/rootfs/bin/sleep").write_bytes(b"\x7fELF, but no more")
    log = tmp_path / "log"
    done = crunw(root, "--log", str(log), "--log-format", "json", "start", name)
    assert done.returncode == 1
    assert done.stderr == "crunw: exec /bin/sleep: Exec format error\n"
    assert json.loads(log.read_text())["msg"] == "exec /bin/sleep: Exec format error"


def test_a_damaged_record_is_left_to_python(container: list[str], tmp_path: Path) -> None:
    root, name = container
    fast = tmp_path / "root" / name / "fast"
    whole = fast.read_bytes()
    expected = python_only(root, "state", name).stdout
    for damaged in (b"", whole[:40], whole[:-1], b"CRWF" + bytes(4) + whole[8:], whole * 200):
        fast.write_bytes(damaged)
        assert crunw(root, "state", name).stdout == expected


def test_notices_are_shown_by_state_and_list(container: list[str], tmp_path: Path) -> None:
    """The fast record has none of them: the launcher leaves a container with notices to Python."""
    root, name = container
    assert "notices" not in json.loads(crunw(root, "state", name).stdout)
    (tmp_path / "root" / name / "notices").write_text("a: worse\nb: also\n")
    state = crunw(root, "state", name)
    assert state.stdout == python_only(root, "state", name).stdout
    assert json.loads(state.stdout)["notices"] == ["a: worse", "b: also"]
    (listed,) = json.loads(crunw(root, "list", "--format", "json").stdout)
    assert listed["notices"] == ["a: worse", "b: also"]
    assert crunw(root, "start", name).returncode == 0
    assert crunw(root, "kill", name, "KILL").returncode == 0
    while json.loads(crunw(root, "state", name).stdout)["status"] != "stopped":
        time.sleep(0.01)
    assert in_launcher(root, "delete", name)
    assert not (tmp_path / "root" / name).exists()


def test_start_where_the_fifo_can_not_be_removed(container: list[str]) -> None:
    """It would stay "created" though it runs: an error, and nothing has begun."""
    root, name = container
    inject = ["strace", "-f", "-qqq", "-o", "/dev/null", "-e", "inject=unlink,unlinkat:error=EIO"]
    command = [*inject, "crunw", root, "start", name]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done
    assert done.stderr.endswith("/start: Input/output error\n")
    assert json.loads(crunw(root, "state", name).stdout)["status"] == "created"
    assert crunw(root, "start", name).returncode == 0


@pytest.mark.parametrize("call", ["memfd_create", "read:when=5+", "write", "lseek"])
def test_start_never_calls_a_failure_a_success(
    container: list[str], tmp_path: Path, call: str
) -> None:
    root, name = container
    (tmp_path / "bundle/rootfs/bin/sleep").write_bytes(b"\x7fELF, but no more")
    name_of_call, _, when = call.partition(":")
    fault = f"inject={name_of_call}:error=ENOMEM" + (f":{when}" if when else "")
    command = ["strace", "-qqq", "-o", "/dev/null", "-e", fault, "crunw", root, "start", name]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode != 0


@pytest.mark.parametrize("call", ["write start", "read started"])
def test_start_logs_what_fails_behind_the_point_of_no_return(
    container: list[str], tmp_path: Path, call: str
) -> None:
    root, name = container
    log = tmp_path / "log"
    system_call, fifo = call.split()
    fault = ["-P", tmp_path / "root" / name / fifo, "-e", f"inject={system_call}:error=EIO"]
    command = ["strace", "-qqq", "-o", "/dev/null", *fault, "crunw", "--log", log]
    done = subprocess.run(
        [*command, "--log-format", "json", root, "start", name],
        capture_output=True,
        text=True,
        check=False,
    )
    told = f"{call}: Input/output error"
    assert (done.returncode, done.stderr) == (1, f"crunw: {told}\n")
    assert json.loads(log.read_text())["msg"] == told


def test_hooks_get_the_id_that_looks_like_a_number(tmp_path: Path, container: list[str]) -> None:
    """An id of digits is not taken for the pid that goes into the state."""
    root, _ = container
    bundle = tmp_path / "bundle"
    config = json.loads((bundle / "config.json").read_text())
    seen = tmp_path / "seen"
    hook = {"path": "/bin/sh", "args": ["sh", "-c", f"cat >{seen}"]}
    config["hooks"] = {"createContainer": [hook]}
    (bundle / "config.json").write_text(json.dumps(config))
    name = str(2**53)
    with open(os.devnull, "r+") as null:
        command = ["crunw", root, "create", "--bundle", str(bundle), name]
        subprocess.run(command, check=True, stdin=null, stdout=null, stderr=null)
    told = json.loads(seen.read_text())
    assert crunw(root, "delete", "--force", name).returncode == 0
    assert told["id"] == name
    assert told["annotations"] == config["annotations"]
    assert told["pid"] == 1  # as the container sees it
