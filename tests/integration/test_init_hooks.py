"""``crunw-init``: the steps on hooks."""

from __future__ import annotations

import errno
import os
import signal
from pathlib import Path

import pytest
from support.init import Running, after_fork, forked, shell

from crunw.plan.encode import Step
from crunw.plan.ops import REPORT_HOOKS, REPORT_PID

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root"),
]

FORK = Step("fork", 0)


def hook(script: str, timeout: int = 0, env: tuple[str, ...] = ()) -> Step:
    arguments = ["/bin/sh", ["sh", "-c", script], list(env), timeout]
    return Step("hook", *arguments, '{"pid":', ',"id":"x"}', 0)


def test_hook_reads_the_state(tmp_path):
    script = f"cat > {tmp_path}/state; env > {tmp_path}/env; ls /proc/$$/fd > {tmp_path}/fds"
    assert forked(os.CLONE_NEWPID, hook(script, env=("A=b",)), script="echo ok").output == "ok\n"
    assert (tmp_path / "state").read_text() == '{"pid":1,"id":"x"}'
    assert set((tmp_path / "env").read_text().splitlines()) <= {
        "A=b",
        f"PWD={Path.cwd()}",
        "_=/usr/bin/env",
    }
    assert set((tmp_path / "fds").read_text().split()) <= {"0", "1", "2", "10"}


def test_large_state_and_output():
    step = Step(
        "hook",
        "/bin/sh",
        ["sh", "-c", "yes | head -c 300000; wc -c; exit 2"],
        [],
        0,
        "x" * 200000,
        "y",
        0,
    )
    error = after_fork(step).error
    assert error[:4] == ["hook", "startContainer hook", "/bin/sh", 0]
    assert error[4].startswith("exit status 2: ")
    assert " 20000" in error[4]
    assert len(error[4]) < 450


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("exit 3", "exit status 3"),
        (
            "echo some text; echo; echo 'bad\tthing\33' >&2; exit 1",
            "exit status 1: some text  bad thing",
        ),
        ("kill -9 $$", "signal 9"),
    ],
)
@pytest.mark.parametrize("timeout", [0, 30])
def test_failing_hook(script, message, timeout):
    result = after_fork(hook(script, timeout), script="echo no")
    assert result.error == ["hook", "startContainer hook", "/bin/sh", 0, message]
    assert result.output == ""


def test_hook_that_does_not_end(tmp_path):
    result = forked(os.CLONE_NEWPID, hook(f"echo $$ > {tmp_path}/pid; exec sleep 60", 1))
    assert result.error == [
        "hook",
        "startContainer hook",
        "/bin/sh",
        errno.ETIMEDOUT,
        "no end after 1 s",
    ]


def test_hook_that_does_not_exist():
    error = after_fork(Step("hook", "/no/hook", ["x"], [], 0, "", "", 0)).error
    assert error == ["hook", "startContainer hook", "/no/hook", errno.ENOENT, ""]


def test_hooks_barrier():
    with Running([FORK, Step("hooks_barrier"), *shell("echo on")]) as running:
        assert running.until(REPORT_HOOKS) == REPORT_HOOKS
        assert running.result.reports == [REPORT_PID, REPORT_HOOKS]
        running.answer()
        assert running.finish().output == "on\n"


def test_signal_mask_is_clear_after_a_hook():
    output = after_fork(hook("true", 5), script="grep SigBlk /proc/self/status").output
    assert int(output.split()[1], 16) & 1 << signal.SIGCHLD - 1 == 0
