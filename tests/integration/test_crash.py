"""SIGKILL at any point leaves nothing that ``delete --force`` can't remove.

strace(1) injects the signal as a process enters its Nth call of a kind. Without ``-f`` that is
``crunw`` itself; with ``-f`` and calls that it doesn't make it is ``crunw-init``.
"""

from __future__ import annotations

import os
import shutil
import signal
import time

import pytest
from support.commands import Result, wait_for
from support.containers import Bundle, Runtime, cgroup_directories, reap_orphans

pytestmark = pytest.mark.skipif(not shutil.which("strace"), reason="strace is not installed")

KILLED = -signal.SIGKILL
MAX_CALLS = 300


def kill_at(call: str, number: int, *options: str) -> list[str]:
    """What goes before a command to have it killed as it enters that call."""
    inject = f"inject={call}:signal=KILL:when={number}"
    return ["strace", "-o", "/dev/null", *options, "-e", f"trace={call}", "-e", inject]


def clean_up(crunw: Runtime, container: Bundle) -> None:
    """Remove the container as engines do, and see that nothing is left of it."""
    assert crunw("delete", "--force", container.id).ok() == ""
    assert not crunw.root.exists() or os.listdir(crunw.root) == []
    assert cgroup_directories() == []
    assert reap_orphans() == []


def at_every(call: str, attempt, first: int = 1, step: int = 1) -> int:
    """Kill ``attempt`` at each ``step``th call of a kind until it comes through; return how often.

    ``attempt(prefix)`` makes one attempt and cleans up.
    """
    for number in range(first, MAX_CALLS, step):
        result: Result = attempt(kill_at(call, number))
        if result.status != KILLED:
            assert (result.status, result.err) == (0, "")
            return (number - first) // step
    pytest.fail(f"more than {MAX_CALLS} calls of {call}")


# The call, the least number of points that it must give. Reading starts when crunw-init runs.
CREATE = [("mkdir", 2), ("rename", 4), ("write", 6), ("mknodat", 2),
          ("pipe2", 2), ("wait4", 1), ("flock", 1)]  # fmt: skip


@pytest.mark.parametrize(("call", "least"), CREATE)
def test_create(crunw, bundle, call, least):
    container = bundle("sleep", "1000")

    def attempt(prefix):
        result = crunw.create(container, prefix=prefix)
        clean_up(crunw, container)
        return result

    assert at_every(call, attempt) >= least


@pytest.mark.parametrize("call", ["openat", "close", "read", "fstat"])
def test_create_at_what_it_does_often(crunw, bundle, call):
    container = bundle("sleep", "1000")

    def attempt(prefix):
        result = crunw.create(container, prefix=prefix)
        clean_up(crunw, container)
        return result

    assert at_every(call, attempt, first=20, step=8) >= 2


INIT = [("execveat", 1), ("setsid", 1), ("open_tree", 1), ("open_tree", 4), ("fsopen", 1),
        ("fsopen", 5), ("fsconfig", 9), ("fsmount", 3), ("move_mount", 1), ("move_mount", 9),
        ("mount_setattr", 2), ("mkdirat", 1), ("symlinkat", 2), ("sethostname", 1),
        ("pivot_root", 1), ("umount2", 1), ("keyctl", 1), ("setgroups", 1), ("setresuid", 1),
        ("capset", 1), ("faccessat2", 1)]  # fmt: skip


@pytest.mark.parametrize(("call", "number"), INIT)
def test_crunw_init_while_it_makes_the_container(crunw, bundle, call, number):
    container = bundle("sleep", "1000")
    error = crunw.create(container, prefix=kill_at(call, number, "-f")).error()
    assert error == "crunw-init ended unexpectedly: killed by signal 9 (memory limit too low?)"
    assert crunw.status(container) == ""
    assert cgroup_directories() == []
    assert reap_orphans() == []


@pytest.mark.parametrize("call", ["write", "unlinkat", "flock", "faccessat2", "openat", "close"])
def test_start(crunw, bundle, call):
    container = bundle("sleep", "1000")

    def attempt(prefix):
        crunw.create(container).ok()
        result = crunw("start", container.id, prefix=prefix)
        assert crunw.status(container) in ("created", "running")
        clean_up(crunw, container)
        return result

    assert at_every(call, attempt) >= 1


@pytest.mark.parametrize(
    "call", ["rmdir", "unlink", "flock", "pidfd_open", "pidfd_send_signal", "pselect6"]
)
def test_delete(crunw, bundle, call):
    container = bundle("sh", "-c", "sleep 1000 & sleep 1000")

    def attempt(prefix):
        crunw.run(container, "--detach").ok()
        result = crunw("delete", "--force", container.id, prefix=prefix)
        clean_up(crunw, container)
        return result

    assert at_every(call, attempt) >= 1


@pytest.mark.parametrize("call", ["rename", "pipe2", "wait4", "unlink", "rt_sigtimedwait"])
def test_run(crunw, bundle, call):
    container = bundle("sleep", "0.01")

    def attempt(prefix):
        result = crunw.run(container, prefix=prefix)
        clean_up(crunw, container)
        return result

    assert at_every(call, attempt) >= 1


def test_run_while_the_program_runs(crunw, bundle):
    container = bundle("sleep", "1000")
    with crunw.spawn("run", "--bundle", container.path, container.id) as process:
        crunw.wait_status(container, "running")
        process.kill()
    assert crunw.status(container) == "running"
    clean_up(crunw, container)


def test_create_of_a_wasm_module_at_any_time(crunw, wasm_bundle):
    container = wasm_bundle("sleep")
    begun = time.monotonic()
    crunw.create(container).ok()
    whole = time.monotonic() - begun
    clean_up(crunw, container)
    for part in range(1, 20):
        with crunw.spawn("create", "--bundle", container.path, container.id) as process:
            time.sleep(whole * part / 18)
            process.kill()
        clean_up(crunw, container)


def test_a_half_made_container_is_stopped(crunw, bundle):
    container = bundle("sleep", "1000")
    assert crunw.create(container, prefix=kill_at("rename", 1)).status == KILLED
    state = crunw.state(container)
    assert (state["status"], state["pid"]) == ("stopped", 0)
    assert crunw.create(container).error() == f"container {container.id} already exists"
    assert "the container is stopped" in crunw("start", container.id).error()
    assert "container not running" in crunw("kill", container.id).error()
    assert crunw("delete", container.id).ok() == ""


def test_the_process_of_a_dead_create_ends(crunw, bundle):
    """Killed between the record and the answer: the process must not wait for ever."""
    container = bundle("sleep", "1000")
    crunw.create(container).ok()
    clean_up(crunw, container)
    last = 0
    while crunw.create(container, prefix=kill_at("rename", last + 1)).status == KILLED:
        last += 1
        clean_up(crunw, container)
    clean_up(crunw, container)
    assert crunw.create(container, prefix=kill_at("rename", last)).status == KILLED
    wait_for(lambda: crunw.status(container) == "stopped", "end of the process")
