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
from support.aot import CACHE, settle, with_policy
from support.commands import Result
from support.containers import Bundle, Runtime, in_user_namespace, skip_without_root
from support.init import perform

from crunw.effects.cgroups.layout import detect
from crunw.plan.encode import Step


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
    box.crunw.start(container)
    box.crunw("delete", "--force", container.id).ok()
    settle()
    subprocess.run(["mount", "-o", "remount,noexec", CACHE], check=True)
    return box.create(container), "compiled code: "


def _without_proc(box: Box) -> Bundle:
    container = box.wasm_bundle("sleep")
    mounts = [mount for mount in container.config["mounts"] if mount["destination"] != "/proc"]
    container.change(mounts=mounts, linux__maskedPaths=[], linux__readonlyPaths=[])
    with_policy(container, "auto")
    box.crunw.start(container)
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
    skip_without_root("to trace newuidmap")
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
def a_cgroup_that_can_not_be_removed(box: Box) -> Seen:
    skip_without_root("to know the cgroup's path")
    container = box.bundle("true")
    container.change(linux__cgroupsPath=f"/crunw-test-{os.getpid()}-fault")
    top = next(Path(top) for top in detect().tops.values())
    path = top / f"crunw-test-{os.getpid()}-fault"
    inject = ["-P", path, "-e", "inject=rmdir:error=EPERM"]
    words = ["create", "--bundle", container.path, "--pid-file", box.directory / "none/pid"]
    result = box(*words, container.id, fault=inject)
    path.rmdir()
    assert result.status == 1
    line = result.err.splitlines()[0]
    return Result(0, "", line), f"create {container.id}: not all is removed: rmdir {path}: "


@fault
def a_quota_of_keys_that_is_used_up(box: Box) -> Seen:
    skip_without_root("to trace newuidmap")
    container = box.bundle("true")
    inject = ["-e", "inject=keyctl:error=EDQUOT"]
    result = box("run", "--bundle", container.path, container.id, fault=inject)
    return result, "keyring: the user's quota of keys is used up"


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


def test_a_library_that_is_not_on_the_root_file_system(tmp_path: Path) -> None:
    skip_without_root("to mount")
    library = Path("/usr/lib", f"{os.uname().machine}-linux-gnu", "libwasmedge.so.0")
    if not library.exists():
        pytest.skip("libwasmedge is not installed")
    subprocess.run(["mount", "-t", "tmpfs", "crunw-test", tmp_path], check=True)
    try:
        copy = shutil.copy(library, tmp_path)
        told = perform([Step("engine_open", "wasmedge", str(copy), "")]).notices
    finally:
        subprocess.run(["umount", tmp_path], check=True)
    assert told == [
        [0, str(copy), 'it is not on the mount of "/": a privileged container could write to it']
    ]


def test_a_plugin_that_is_not_on_the_root_file_system(
    crunw, wasm_bundle, modules, cache, configuration: Path
) -> None:
    skip_without_root("to mount")
    directory = Path("/opt/crunw-test-plugins")  # as tests/modules/build compiles it in
    directory.mkdir(parents=True, exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "crunw-test", directory], check=True)
    try:
        shutil.copy(modules / "libwasmedgePluginArithmetic.so", directory)
        (directory / "data").write_text("content\n")
        configuration.write_text(f'[plugins]\ndirectory = "{directory}"\n')
        container = wasm_bundle("plugin")
        container.config["annotations"] = {"run.oci.wasm.plugins": "Arithmetic"}
        result = crunw.create(container.write())
        crunw("delete", "--force", container.id).ok()
    finally:
        settle()
        subprocess.run(["umount", directory], check=True)
        directory.rmdir()
    (notice,) = result.notices()
    assert notice.startswith(str(directory))
    assert notice.endswith(
        ': it is not on the mount of "/": a privileged container could write to it'
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


def test_a_plan_that_can_not_be_left_for_exec(crunw, bundle) -> None:
    """The next `exec` is slower, no more."""
    container = crunw.start(bundle("sleep", "1000"))
    path = crunw.root / container.id / "exec"
    inject = "strace -f -qqq -o /dev/null -e inject=rename,renameat,renameat2:error=EROFS"
    told = details(crunw("--debug", "exec", container.id, "true", prefix=inject.split()))
    assert f"exec: write {path}: Read-only file system" in told
    assert not path.exists()
    crunw("exec", container.id, "true").ok()


def test_each_step_of_crunw_init(crunw, bundle) -> None:
    container = bundle("true")
    told = details(crunw("--debug", "run", "--bundle", container.path, container.id))
    assert any(line.startswith("crunw-init: PIVOT_ROOT: ") for line in told)
