"""A fault in each place that a notice covers is seen in the notice."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from aot_harness import CACHE, settle, with_policy
from container_harness import Bundle, Result, Runtime, in_user_namespace, skip_without_root


class Box:
    """What a fault gets."""

    modules: Path

    def __init__(self, crunw: Runtime, bundle: Any, wasm_bundle: Any, directory: Path) -> None:
        self.crunw = crunw
        self.bundle: Callable[..., Bundle] = bundle
        self.wasm_bundle: Callable[..., Bundle] = wasm_bundle
        self.directory = directory
        self.log = directory / "log"

    def __call__(self, *words: str | Path, fault: list[str] | None = None, **how: Any) -> Result:
        """Run a verb with a log, and with what strace is to inject."""
        if fault:
            how["prefix"] = ["strace", "-f", "-qqq", "-o", "/dev/null", *fault]
        return self.crunw("--log", self.log, *words, **how)

    def create(self, bundle: Bundle, **how: Any) -> Result:
        return self("create", "--bundle", bundle.path, bundle.id, **how)

    def file(self, bundle: Bundle, name: str) -> Path:
        """A file of the container's state directory."""
        return self.crunw.root / bundle.id / name


# What a fault returns: the command in which it is seen, and what the notice begins with.
Seen = tuple[Result, str]
FAULTS: dict[str, Callable[[Box], Seen]] = {}


def fault(function: Callable[[Box], Seen]) -> Callable[[Box], Seen]:
    FAULTS[function.__name__] = function
    return function


def _damaged(box: Box) -> tuple[Bundle, str]:
    container = box.bundle("sleep", "1000")
    box.crunw.create(container).ok()
    path = box.file(container, "state.json")
    path.write_text("{")
    return container, f"container {container.id}: {path} is damaged: "


@fault
def list_with_a_damaged_record(box: Box) -> Seen:
    _, problem = _damaged(box)
    return box("list"), problem


@fault
def delete_with_a_damaged_record(box: Box) -> Seen:
    container, problem = _damaged(box)
    return box("delete", "--force", container.id), problem


@fault
def delete_with_a_missing_record(box: Box) -> Seen:
    container, problem = _damaged(box)
    box.file(container, "state.json").unlink()
    return box("delete", "--force", container.id), f"{problem}it is missing"


@fault
def delete_with_no_record(box: Box) -> Seen:
    container = box.bundle("true")
    box.crunw.start(container)
    box.crunw.wait_status(container, "stopped")
    cgroup = json.loads(box.file(container, "state.json").read_text())["cgroup"]
    for name in ("state.json", "fast"):
        box.file(container, name).write_text("")
    result = box("delete", "--force", container.id)
    for directory in (cgroup or {"directories": {}})["directories"].values():
        Path(directory).rmdir()
    return result, f"container {container.id}: {box.crunw.root}"


@fault
def notices_that_can_not_be_kept(box: Box) -> Seen:
    skip_without_root("to mount")
    container = with_policy(box.wasm_bundle("return"), "auto")
    box.crunw("cache", "warm", box.modules / "return.wasm").ok()
    subprocess.run(["mount", "-o", "remount,noexec", CACHE], check=True)
    path = box.file(container, "notices")
    words = ["run", "--bundle", container.path, container.id]
    result = box(*words, fault=["-P", path, "-e", "inject=openat:error=ENOSPC"])
    assert len(result.notices()) == 2
    lines = reversed(result.err.splitlines())
    return Result(0, "", "\n".join(lines)), f"notices: can't be kept in {path}: "


@fault
def code_on_a_noexec_file_system(box: Box) -> Seen:
    skip_without_root("to mount")
    container = with_policy(box.wasm_bundle("sleep"), "auto")
    box.crunw.create(container).ok()
    box.crunw("delete", "--force", container.id).ok()
    settle()
    subprocess.run(["mount", "-o", "remount,noexec", CACHE], check=True)
    return box.create(container), "compiled code: "


def _without_proc(box: Box) -> Bundle:
    container = box.wasm_bundle("sleep")
    mounts = [mount for mount in container.config["mounts"] if mount["destination"] != "/proc"]
    container.change(mounts=mounts, linux__maskedPaths=[], linux__readonlyPaths=[])
    with_policy(container, "auto")
    box.crunw.create(container).ok()
    box.crunw("delete", "--force", container.id).ok()
    settle()
    return container


@fault
def code_in_a_container_without_proc(box: Box) -> Seen:
    return box.create(_without_proc(box)), "compiled code: the container has no usable /proc"


@fault
def code_that_exec_can_not_use(box: Box) -> Seen:
    container = _without_proc(box)
    box.crunw("cache", "warm", box.modules / "return.wasm").ok()
    shutil.copy(box.modules / "return.wasm", container.rootfs)
    box.crunw.create(container).notices()
    box.crunw("start", container.id).ok()
    result = box("exec", container.id, "/return.wasm")
    return result, "compiled code: the container has no usable /proc"


@fault
def a_limit_that_can_not_be_put_back(box: Box) -> Seen:
    skip_without_root("to write limits")
    container = box.bundle("sleep", "1000", linux__resources__pids__limit=50)
    box.crunw.create(container).ok()
    directories = json.loads(box.file(container, "state.json").read_text())["cgroup"]["directories"]
    files = [Path(path, "pids.max") for path in directories.values()]
    memory = [
        Path(path, name)
        for path in directories.values()
        for name in ("memory.limit_in_bytes", "memory.max")
    ]
    if not any(path.exists() for path in memory) or not any(path.exists() for path in files):
        pytest.skip("no memory and pids controller here")
    watched = [word for path in (*files, *memory) if path.exists() for word in ("-P", str(path))]
    inject = [*watched, "-e", "inject=write:error=EINVAL:when=2+"]
    result = box("update", "--pids-limit", "60", "--memory", "99999744", container.id, fault=inject)
    assert result.status == 1
    lines = [line for line in result.err.splitlines() if "crunw: warning: " in line]
    return Result(0, "", "\n".join(lines)), ""


@fault
def statistics_that_can_not_be_read(box: Box) -> Seen:
    skip_without_root("for a cgroup")
    container = box.crunw.start(box.bundle("sleep", "1000"))
    directories = json.loads(box.file(container, "state.json").read_text())["cgroup"]["directories"]
    files = [Path(directory, "pids.current") for directory in directories.values()]
    path = next((path for path in files if path.exists()), None)
    if not path:
        pytest.skip("no pids controller here")
    inject = ["-P", path, "-e", "inject=openat:error=EIO"]
    result = box("events", "--stats", container.id, fault=inject)
    return result, f"{path}: not counted: Input/output error"


@fault
def interfaces_that_can_not_be_read(box: Box) -> Seen:
    skip_without_root("for a cgroup")
    container = box.crunw.start(box.bundle("sleep", "1000"))
    path = f"/proc/{box.crunw.state(container)['pid']}/net/dev"
    inject = ["-P", path, "-e", "inject=openat:error=EIO"]
    result = box("events", "--stats", container.id, fault=inject)
    return result, f"{path}: not counted: Input/output error"


@fault
def a_poststop_hook_that_fails(box: Box) -> Seen:
    hook = {"path": "/bin/sh", "args": ["sh", "-c", "exit 3"]}
    container = box.bundle("true", hooks={"poststop": [hook]})
    box.crunw.create(container).ok()
    return box("delete", "--force", container.id), "poststop"


@fault
def a_state_directory_that_can_not_be_removed(box: Box) -> Seen:
    """Of a `create` that fails: the error is told, too, after the notice."""
    container = box.bundle("true")
    directory = box.file(container, ".")
    inject = ["-e", "inject=rmdir:error=EIO:when=1", "-P", box.crunw.root / container.id]
    pid_file = box.directory / "none/pid"
    words = ["create", "--bundle", container.path, "--pid-file", pid_file, container.id]
    result = box(*words, fault=inject)
    assert result.status == 1
    assert result.err.splitlines()[-1].startswith(f"crunw: write {pid_file}: ")
    box.crunw("delete", "--force", container.id)
    shutil.rmtree(directory, ignore_errors=True)
    line = result.err.splitlines()[0]
    return Result(0, "", line), f"create {container.id}: not all is removed: remove "


@fault
def a_device_with_the_hosts_mode(box: Box) -> Seen:
    device = {"type": "c", "path": "/dev/mine", "major": 1, "minor": 3, "fileMode": 0o600}
    container = in_user_namespace(box.bundle("true", linux__devices=[device]))
    return box.create(container), "/dev/mine: has the host's mode "


@pytest.mark.parametrize("name", FAULTS)
def test_fault(crunw, bundle, wasm_bundle, modules, cache, tmp_path: Path, name: str) -> None:
    """On standard error, in the log, and where the container is left, in its state."""
    box = Box(crunw, bundle, wasm_bundle, tmp_path)
    box.modules = modules
    result, begin = FAULTS[name](box)
    notices = result.notices()
    assert notices
    assert notices[0].startswith(begin)
    logged = re.findall(r'level=warning msg="(.*)"$', box.log.read_text(), re.MULTILINE)
    assert set(notices) <= {json.loads(f'"{text}"') for text in logged}
    for container in crunw.root.iterdir() if crunw.root.exists() else ():
        if name in KEPT:
            state = json.loads(crunw("state", container.name).out)
            assert notices[0] in state["notices"]
        assert crunw("delete", "--force", container.name).status == 0


# Those of a container that is there afterwards, told by verbs that begin or change it.
KEPT = (
    "code_on_a_noexec_file_system",
    "code_in_a_container_without_proc",
    "code_that_exec_can_not_use",
    "a_limit_that_can_not_be_put_back",
    "a_device_with_the_hosts_mode",
)

# --- Told to who looks for a cause ----------------------------------------------------------------


def details(result: Result) -> list[str]:
    assert result.status == 0, result
    return [line.removeprefix("crunw: debug: ") for line in result.err.splitlines()]


def test_unknown_system_calls(crunw, bundle) -> None:
    rules = [{"names": ["swapon", "no_such_call"], "action": "SCMP_ACT_ERRNO"}]
    seccomp = {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": rules}
    container = bundle("true", linux__seccomp=seccomp, hostname=f"unknown-{os.getpid()}")
    rules[0]["names"].append(f"no_such_call_{os.getpid()}")  # not in the cache
    container.change(linux__seccomp=seccomp)
    told = details(crunw("--debug", "run", "--bundle", container.path, container.id))
    assert (
        "linux.seccomp.syscalls[0].names: 'no_such_call' is not known to libseccomp, and left out"
        in told
    )
    crunw.run(container).ok()


def test_each_step_of_crunw_init(crunw, bundle) -> None:
    container = bundle("true")
    told = details(crunw("--debug", "run", "--bundle", container.path, container.id))
    assert any(line.startswith("crunw-init: PIVOT_ROOT: ") for line in told)
