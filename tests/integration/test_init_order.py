"""``crunw-init`` with steps in any order: an error, or what they say, but never a crash."""

from __future__ import annotations

import os
import random
import signal
import struct
from pathlib import Path

import pytest
from support.init import PROGRAM, Result, perform

from crunw.paths import engine_library, engine_stub
from crunw.plan.encode import Step
from crunw.plan.flags import MS_BIND, MS_PRIVATE, MS_REC
from crunw.plan.ops import CREDENTIALS_EXECUTED, OPS

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root"),
    pytest.mark.skipif(not PROGRAM, reason="crunw-init is not installed"),
]

ALLOW = struct.pack("<HBBI", 0x06, 0, 0, 0x7FFF0000)
# Whatever a step changes is gone with the process.
APART = ("unshare", "--mount", "--uts", "--ipc", "--net", "--")
CRASHES = {-signal.SIGSEGV, -signal.SIGABRT, -signal.SIGBUS, -signal.SIGFPE, -signal.SIGILL}


@pytest.fixture(scope="module")
def steps(tmp_path_factory: pytest.TempPathFactory, modules: Path) -> list[Step]:
    """One step of each kind that can be tried without a container."""
    directory = tmp_path_factory.mktemp("order")
    for name in ("start", "started"):
        os.mkfifo(directory / name)
    root = str(directory)
    module = str(modules / "exit3.wasm")
    found = [
        Step("debug"),
        Step("oom_score_adj", 500),
        Step("rlimit_raise", 7, 100),
        Step("time_offsets", "monotonic 1 0\n"),
        Step("open_start", root),
        Step("fork", 0),
        Step("opener"),
        Step("loopback_up"),
        Step("net_up", "lo"),
        Step("net_address", "lo", 2, 8, 0, 0, b""),
        Step("setsid"),
        Step("engine_open", "wasmedge", engine_library(), engine_stub()),
        Step("engine_artefact", root),
        Step("engine_plugin", f"{root}/none.so"),
        Step("engine_counters", f"{root}/counters"),
        Step("root_propagation", MS_PRIVATE | MS_REC),
        Step("rootfs", root),
        Step("root_joined", root),
        Step("mount", "tmpfs", "/mounted", "tmpfs", 0, "", 0),
        Step("bind_idmapped", root, "/mapped", MS_BIND, "", "0 1000 1", "0 1000 1", 0, 0),
        Step("mount_propagation", "/mounted", MS_PRIVATE),
        Step("mount_setattr", "/mounted", 1, 0, 0),
        Step("mknod", "/null", 0o020666, 1, 3, 0, 0),
        Step("symlink", "to", "/link"),
        Step("sysctl", "kernel/domainname", "crunw"),
        Step("hostname", "crunw"),
        Step("domainname", "crunw"),
        Step("relabel", "/mounted", "label"),
        Step("unmount", "/mounted"),
        Step("hooks_barrier"),
        Step("hook", "/bin/true", ["true"], [], 0, "{", "}", 0),
        Step("pivot_root", 0),
        Step("console", 900, 0, 0, 1),
        Step("mask", "/mounted"),
        Step("readonly", "/mounted"),
        Step("root_readonly"),
        Step("keyring", "_ses.order"),
        Step("rlimit", 7, 100, 100),
        Step("personality", 0),
        Step("scheduler", 0, 0, 1, 0, 0, 0, 0),
        Step("io_priority", 2 << 13),
        Step("cpu_affinity", b"\1"),
        Step("memory_policy", 0, b""),
        Step("home", 0),
        Step("cwd", "/", 1),
        Step("credentials", 65534, 65534, [], 0, 0, 0, 0, 0, CREDENTIALS_EXECUTED),
        Step("umask", 0o22),
        Step("no_new_privs"),
        Step("seccomp", ALLOW, 0, 0, []),
        Step("lsm_label", "apparmor", "none", 1),
        Step("close_from", 3),
        Step("process", ["/bin/true"], []),
        Step("exec_find"),
        Step("ready"),
        Step("wait_start"),
        Step("exec"),
        Step("preopen_readonly", 0, "/"),
        Step("wasm_limits", 1, 1, 1, 1, 1),
        Step("wasm_insist"),
        Step("wasm_fence"),
        Step("proc_readonly", 1),
        Step("wasm_open", module),
        Step("wasm_load", module, ["/:/"], ""),
        Step("wasm_run"),
    ]
    # They need a cgroup, a file or a descriptor of a namespace, or a go-between.
    left = {"cgroup_join", "cgroup_into", "cgroup_devices", "ns_enter", "ns_enter_pidfd"}
    left |= {"ns_unshare", "userns_map"}
    assert {step.op for step in found} | left == OPS.keys()
    return found


def survives(plan: list[Step], start: Path) -> Result:
    """Perform it, as if `start` had come already; what is in the way of an order is left out."""
    writer = os.open(start, os.O_RDWR)
    try:
        os.write(writer, b"s")
        result = perform(plan, prefix=APART)
    finally:
        os.close(writer)
    story = ([step.op for step in plan], result)
    assert result.status not in CRASHES, story
    assert "Sanitizer" not in result.output, story
    assert "runtime error" not in result.output, story
    return result


def fifo(steps: list[Step]) -> Path:
    (directory,) = next(step.fields for step in steps if step.op == "open_start")
    return Path(str(directory), "start")


def test_each_step_alone_and_twice(steps: list[Step]) -> None:
    for step in steps:
        survives([step], fifo(steps))
        survives([step, step], fifo(steps))


@pytest.mark.parametrize(
    ("ops", "message"),
    [
        ("engine_open credentials wasm_open", "WASM_OPEN must come after PROCESS"),
        ("engine_open credentials wasm_load", "WASM_LOAD must come after WASM_OPEN"),
        ("engine_open process wasm_open wasm_load", "WASM_LOAD must come after CREDENTIALS"),
        ("process credentials wasm_open wasm_load", "WASM_LOAD must come after ENGINE_OPEN"),
        ("engine_open process credentials wasm_run", "WASM_RUN must come after WASM_LOAD"),
        ("engine_plugin", "ENGINE_PLUGIN must come after ENGINE_OPEN"),
        ("exec_find", "EXEC_FIND must come after PROCESS"),
        ("process exec", "EXEC must come after EXEC_FIND"),
        ("wait_start", "WAIT_START must come after OPEN_START"),
        ("fork fork", "FORK comes twice"),
        ("process process", "PROCESS comes twice"),
    ],
)
def test_a_plan_in_the_wrong_order_is_refused(steps: list[Step], ops: str, message: str) -> None:
    by_name = {step.op: step for step in steps}
    result = perform([by_name[op] for op in ops.split()])
    assert result.error[:3] == ["", "read", "plan"]
    assert result.error[4] == message


def test_steps_in_any_order(steps: list[Step]) -> None:
    """Shuffled; what the order forbids is left out, so that the rest is tried."""
    shuffle = random.Random(os.environ.get("CRUNW_TEST_SEED", "order"))  # noqa: S311 - repeatable
    refused = performed = 0
    for _ in range(60):
        plan = shuffle.sample(steps, shuffle.randrange(2, len(steps)))
        while True:
            result = survives(plan, fifo(steps))
            message = result.error[4] if result.error else ""
            if " must come after " not in message:
                performed += 1
                break
            refused += 1
            plan = [step for step in plan if step.op.upper() != message.split()[0]]
    assert refused
    assert performed


def test_the_end_of_a_module_in_any_order(steps: list[Step]) -> None:
    """Of the few steps that a module needs, in most orders, so that they do work."""
    shuffle = random.Random(os.environ.get("CRUNW_TEST_SEED", "module"))  # noqa: S311
    wanted = "engine_open fork credentials process wasm_limits wasm_open wasm_load ready wasm_run"
    chosen = [step for step in steps if step.op in wanted.split()]
    statuses = set()
    for _ in range(60):
        plan = shuffle.sample(chosen, len(chosen))
        if plan.index(chosen[-1]) < len(plan) // 2:
            plan.remove(chosen[-1])  # wasm_run, which ends it
            plan.append(chosen[-1])
        statuses.add(survives(plan, fifo(steps)).status)
    assert 1 in statuses
