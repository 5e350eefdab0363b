"""pause and resume: what a paused container does, and what may be done with it."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from support.commands import wait_for
from support.containers import Bundle, Runtime

from crunw.aot.engines import wasmtime_library

COUNT = "while true; do echo >>/ticks; sleep 0.01; done"


def ticks(container: Bundle) -> int:
    path = container.rootfs / "ticks"
    return path.stat().st_size if path.exists() else 0


@pytest.fixture
def paused(crunw: Runtime, bundle) -> Bundle:
    """A container that counted until it was paused."""
    container = crunw.start(bundle("sh", "-c", COUNT))
    wait_for(lambda: ticks(container) > 3)
    crunw("pause", container.id).ok()
    return container


def test_paused_until_resumed(crunw, paused):
    before = ticks(paused)
    assert crunw.status(paused) == "paused"
    time.sleep(0.1)
    assert ticks(paused) == before
    assert crunw("resume", paused.id).ok() == ""
    assert crunw.status(paused) == "running"
    wait_for(lambda: ticks(paused) > before)


def test_a_wasm_container_is_paused(crunw, wasm_bundle):
    container = crunw.start(wasm_bundle("loop"))
    pid = crunw.state(container)["pid"]
    crunw("pause", container.id).ok()

    def used() -> float:
        with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
            return float(file.read().rpartition(")")[2].split()[11])

    before = used()
    time.sleep(0.1)
    assert used() == before
    crunw("resume", container.id).ok()
    wait_for(lambda: used() > before)


def waits(task: Path) -> bool:
    """Whether a thread is in epoll_wait(2) or epoll_pwait(2): proc(5), /proc/PID/syscall."""
    numbers = {"x86_64": ("232", "281"), "aarch64": ("22",)}[os.uname().machine]
    return (task / "syscall").read_text().split()[0] in numbers


@pytest.mark.parametrize("engine", ["wasmedge", "wasmtime"])
@pytest.mark.parametrize(
    "calls",
    [[("pause",), ("resume",)], [("kill", "STOP"), ("kill", "CONT")]],
    ids=["pause", "stop"],
)
def test_a_module_that_sleeps_sleeps_on(crunw, wasm_bundle, engine, calls):
    """epoll_wait(2) ends with EINTR where other calls are restarted."""
    if engine == "wasmtime" and not wasmtime_library():
        pytest.skip("wasmtime is not installed")
    made = crunw.start(wasm_bundle("sleep", annotations={"run.oci.wasm.engine": engine}))
    tasks = Path(f"/proc/{crunw.state(made)['pid']}/task")
    wait_for(lambda: any(waits(path) for path in tasks.iterdir()), "a call of epoll_wait")
    for verb, *signal in calls:
        crunw(verb, made.id, *signal).ok()
    time.sleep(0.5)  # it would have ended
    assert crunw.status(made) == "running"


def test_verbs_of_a_paused_container(crunw, paused):
    for verb in ("start", "pause", "exec", "delete"):
        words = ["true"] if verb == "exec" else []
        error = crunw(verb, paused.id, *words).error(255 if verb == "exec" else 1)
        assert error.startswith(f"{verb} {paused.id}: the container is paused, must be ")
    assert len(crunw("ps", paused.id).ok().splitlines()) > 1
    assert crunw.status(paused) == "paused"


@pytest.mark.parametrize("status", ["created", "running", "stopped"])
def test_verbs_of_one_that_is_not(crunw, bundle, status):
    container = bundle("sleep", "1000")
    crunw.create(container).ok()
    if status != "created":
        crunw("start", container.id).ok()
        error = f"resume {container.id}: the container is running, must be paused"
        assert crunw("resume", container.id).error() == error
    if status == "stopped":
        crunw("kill", container.id, "KILL").ok()
        crunw.wait_status(container, "stopped")
    if status != "running":
        error = f"pause {container.id}: the container is {status}, must be running"
        assert crunw("pause", container.id).error() == error
    assert crunw("pause", "missing").error() == "container missing does not exist"


@pytest.mark.parametrize("words", [["KILL"], ["9"], ["--all", "KILL"]])
def test_sigkill_ends_a_paused_container(crunw, paused, words):
    crunw("kill", paused.id, *words).ok()
    crunw.wait_status(paused, "stopped")
    crunw("delete", paused.id).ok()


def test_another_signal_waits_for_resume(crunw, bundle):
    script = "trap 'echo >/got; exit' TERM; echo >/ready; while :; do sleep 0.01; done"
    container = crunw.start(bundle("sh", "-c", script))
    wait_for((container.rootfs / "ready").exists)
    crunw("pause", container.id).ok()
    crunw("kill", container.id, "TERM").ok()
    time.sleep(0.1)
    assert crunw.status(container) == "paused"
    assert not (container.rootfs / "got").exists()
    crunw("resume", container.id).ok()
    crunw.wait_status(container, "stopped")
    assert (container.rootfs / "got").exists()


def test_delete_force(crunw, paused):
    crunw("delete", "--force", paused.id).ok()
    assert crunw.status(paused) == ""


def test_exec_that_ignores_the_pause(crunw, paused):
    """It joins the cgroup and stops there, until that goes on."""
    process = crunw.spawn("exec", "--ignore-paused", paused.id, "sh", "-c", "echo >/executed")
    time.sleep(0.2)
    assert process.poll() is None
    assert not (paused.rootfs / "executed").exists()
    crunw("resume", paused.id).ok()
    assert process.wait(20) == 0
    assert (paused.rootfs / "executed").exists()


def test_without_a_cgroup(crunw, bundle):
    container = bundle("sleep", "1000")
    mounts = [mount for mount in container.config["mounts"] if mount["type"] != "cgroup"]
    container.change(mounts=mounts)
    options = ["--cgroup-manager", "disabled"]
    crunw(*options, "create", "--bundle", container.path, container.id).ok()
    crunw("start", container.id).ok()
    error = f"pause {container.id}: the container has no cgroup"
    assert crunw("pause", container.id).error() == error
    assert os.path.exists(f"/proc/{crunw.state(container)['pid']}")
