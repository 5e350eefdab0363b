"""``process`` and ``linux`` fields as the program, and the kernel, see them."""

from __future__ import annotations

import os
import re
import socket
import struct
import subprocess
from pathlib import Path
from typing import Any

import pytest
from support.containers import Runtime, skip_without_root

USERS = "root:x:0:0:root:/root:/bin/sh\nuser:x:7:7::/home/user:/bin/sh\nnone:x:8:8:::/bin/sh\n"


def running_pid(crunw: Runtime, made) -> int:
    return crunw.state(crunw.start(made))["pid"]


# --- Scheduling -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wanted", "policy", "priority"),
    [
        ({"policy": "SCHED_BATCH", "nice": 5}, os.SCHED_BATCH, 0),
        ({"policy": "SCHED_IDLE"}, os.SCHED_IDLE, 0),
        ({"policy": "SCHED_OTHER", "nice": 7}, os.SCHED_OTHER, 0),
        ({"policy": "SCHED_RR", "priority": 9}, os.SCHED_RR, 9),
        ({"policy": "SCHED_FIFO", "priority": 3, "flags": ["SCHED_FLAG_RESET_ON_FORK"]},
         os.SCHED_FIFO | os.SCHED_RESET_ON_FORK, 3),
    ],
)  # fmt: skip
def test_scheduler(
    crunw: Runtime, bundle, wanted: dict[str, Any], policy: int, priority: int
) -> None:
    made = bundle("sleep", "60", process__scheduler=wanted)
    # A v1 cpu group has no real-time budget of its own: stay in the machine's.
    options = ["--cgroup-manager", "disabled"]
    assert crunw(*options, "create", "--bundle", made.path, made.id).ok() == ""
    crunw("start", made.id).ok()
    pid = crunw.state(made)["pid"]
    assert os.sched_getscheduler(pid) == policy
    assert os.sched_getparam(pid).sched_priority == priority
    if "nice" in wanted:
        assert os.getpriority(os.PRIO_PROCESS, pid) == wanted["nice"]


def test_scheduler_that_the_kernel_refuses(crunw: Runtime, bundle) -> None:
    wanted = {"policy": "SCHED_DEADLINE", "runtime": 2, "deadline": 1, "period": 1}
    made = bundle(process__scheduler=wanted)
    assert crunw.run(made).error() == "process.scheduler: sched_setattr: Invalid argument"


@pytest.mark.parametrize(
    ("kind", "priority", "shown"),
    [("BE", 3, "best-effort: prio 3"), ("RT", 2, "realtime: prio 2"), ("IDLE", 0, "idle")],
)
def test_io_priority(crunw: Runtime, bundle, kind: str, priority: int, shown: str) -> None:
    wanted = {"class": f"IOPRIO_CLASS_{kind}", "priority": priority}
    pid = running_pid(crunw, bundle("sleep", "60", process__ioPriority=wanted))
    seen = subprocess.run(["ionice", "-p", str(pid)], check=True, capture_output=True, text=True)
    assert seen.stdout.strip() == shown


def test_exec_cpu_affinity(crunw: Runtime, bundle) -> None:
    wanted = {"initial": "0", "final": "0"}
    made = crunw.start(bundle("sleep", "60", process__execCPUAffinity=wanted))
    allowed = crunw("exec", made.id, "grep", "Cpus_allowed_list", "/proc/self/status").ok()
    assert allowed.split() == ["Cpus_allowed_list:", "0"]
    pid = crunw.state(made)["pid"]
    assert os.sched_getaffinity(pid) == os.sched_getaffinity(0)  # not of the first process


def test_memory_policy(crunw: Runtime, bundle) -> None:
    if not Path("/proc/self/numa_maps").exists():
        pytest.skip("a kernel without NUMA")
    made = bundle("cat", "/proc/self/numa_maps")
    made.config["linux"]["memoryPolicy"] = {
        "mode": "MPOL_BIND", "nodes": "0", "flags": ["MPOL_F_STATIC_NODES"],
    }  # fmt: skip
    assert " bind=static:0 " in crunw.run(made.write()).ok()


# --- The environment ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("uid", "home"), [(0, "/root"), (7, "/home/user"), (8, "/"), (9, "/")]
)  # fmt: skip
def test_home_of_the_user(crunw: Runtime, bundle, uid: int, home: str) -> None:
    made = bundle("sh", "-c", "echo $HOME", process__user={"uid": uid, "gid": uid})
    (made.rootfs / "etc").mkdir()
    (made.rootfs / "etc/passwd").write_text(USERS)
    assert crunw.run(made).ok().strip() == home


def test_a_variable_twice(crunw: Runtime, bundle) -> None:
    """The last value, in the place of the first: as runc and crun."""
    made = bundle("/bin/busybox", "env", process__env=["A=1", "HOME=/", "A=2"])
    assert crunw.run(made).ok().splitlines() == ["A=2", "HOME=/"]


def test_home_that_is_given(crunw: Runtime, bundle) -> None:
    made = bundle("/bin/sh", "-c", "echo $HOME", process__env=["HOME=/mine"])
    assert crunw.run(made).ok().strip() == "/mine"


def test_user_database_that_is_no_file(crunw: Runtime, bundle) -> None:
    made = bundle("sh", "-c", "echo $HOME")
    (made.rootfs / "etc").mkdir()
    os.mkfifo(made.rootfs / "etc/passwd")
    assert crunw.run(made).ok().strip() == "/"


def test_user_database_outside_of_the_root(crunw: Runtime, bundle) -> None:
    made = bundle("sh", "-c", "echo $HOME")
    (made.rootfs / "etc").mkdir()
    (made.rootfs / "etc/passwd").symlink_to("../../../../../../etc/passwd")
    assert crunw.run(made).ok().strip() == "/"


def test_socket_activation(crunw: Runtime, bundle, tmp_path: Path) -> None:
    made = bundle("sh", "-c", "echo $LISTEN_FDS $LISTEN_PID; cat <&3")
    given = tmp_path / "given"
    given.write_text("passed\n")
    command = " ".join(crunw.command("run", "--bundle", made.path, made.id))
    script = f"exec 3<{given}; LISTEN_FDS=1 LISTEN_PID=$$ exec {command}"
    seen = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True)
    assert seen.stdout.split() == ["1", "1", "passed"]


# --- Seccomp notification -------------------------------------------------------------------------

NOTIFY_ALL = ("uname", "sendmsg", "sendto", "close", "read", "wait4")


def answer(listener: int, calls: int) -> None:
    """Let that many system calls go on (SECCOMP_IOCTL_NOTIF_RECV, _SEND with FLAG_CONTINUE)."""
    import fcntl

    for _ in range(calls):
        notification = bytearray(80)
        fcntl.ioctl(listener, 0xC0502100, notification)
        (identity,) = struct.unpack_from("Q", notification)
        fcntl.ioctl(listener, 0xC0182101, struct.pack("QqiI", identity, 0, 0, 1))


@pytest.mark.parametrize("no_new_privileges", [False, True])
def test_seccomp_listener(
    crunw: Runtime, bundle, tmp_path: Path, *, no_new_privileges: bool
) -> None:
    import json
    import threading

    path = tmp_path / "agent.sock"
    made = bundle("uname", "-s", process__noNewPrivileges=no_new_privileges)
    made.config["annotations"] = {"a": "b"}
    made.config["linux"]["seccomp"] = {
        "defaultAction": "SCMP_ACT_ALLOW",
        "listenerPath": str(path),
        "listenerMetadata": "opaque",
        "syscalls": [{"names": list(NOTIFY_ALL), "action": "SCMP_ACT_NOTIFY"}],
    }
    received: list[tuple[dict[str, Any], int]] = []

    def agent(server: socket.socket) -> None:
        connection, _ = server.accept()
        with connection:
            data, descriptors, _, _ = socket.recv_fds(connection, 65536, 1)
            received.append((json.loads(data), len(descriptors)))
            try:
                answer(descriptors[0], 1000)
            except OSError:  # the program has ended
                os.close(descriptors[0])

    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        server.listen()
        thread = threading.Thread(target=agent, args=(server,))
        thread.start()
        assert crunw.run(made.write()).ok() == "Linux\n"
        thread.join(10)
    [(state, count)] = received
    assert count == 1
    assert state["fds"] == ["seccompFd"]
    assert state["metadata"] == "opaque"
    assert state["state"]["id"] == made.id
    assert state["state"]["annotations"] == {"a": "b"}
    assert state["pid"] == state["state"]["pid"] > 1
    assert {"ociVersion", "status", "bundle"} <= set(state["state"])


def test_seccomp_listener_that_is_not_there(crunw: Runtime, bundle, tmp_path: Path) -> None:
    made = bundle()
    made.config["linux"]["seccomp"] = {
        "defaultAction": "SCMP_ACT_ALLOW",
        "listenerPath": str(tmp_path / "none"),
        "syscalls": [{"names": ["uname"], "action": "SCMP_ACT_NOTIFY"}],
    }
    error = crunw.run(made.write()).error()
    assert error.startswith("connect to linux.seccomp.listenerPath")


# --- Capabilities that are left out ---------------------------------------------------------------


def warnings(result: Any) -> list[str]:
    """The lines of a command that has succeeded, but not in silence."""
    assert result.status == 0, result
    prefix = "crunw: warning: process.capabilities."
    assert all(line.startswith(prefix) for line in result.err.splitlines()), result
    return [line.removeprefix(prefix) for line in result.err.splitlines()]


def test_unknown_capabilities_are_left_out_with_a_warning(crunw: Runtime, bundle) -> None:
    made = bundle("grep", "CapBnd", "/proc/self/status")
    made.change(process__capabilities={"bounding": ["CAP_KILL", "CAP_FUTURE", "chown"]})
    result = crunw.run(made)
    assert warnings(result) == [
        "bounding: CAP_FUTURE is not known: left out",
        "bounding: chown is not known: left out (its name is CAP_CHOWN)",
    ]
    assert int(result.out.split()[1], 16) == 1 << 5


@pytest.mark.parametrize("uid", [0, 1000])
def test_ambient_capabilities_that_can_not_be_raised(crunw: Runtime, bundle, uid: int) -> None:
    """Of an ordinary user: root has them by the bounding set."""
    made = bundle("grep", "CapAmb", "/proc/self/status", process__user={"uid": uid, "gid": 0})
    sets = dict.fromkeys(("bounding", "permitted", "ambient"), ("CAP_KILL", "CAP_CHOWN"))
    made.change(process__capabilities={**sets, "inheritable": ["CAP_KILL"]})
    result = crunw.run(made)
    assert int(result.out.split()[1], 16) == 1 << 5
    left_out = "CAP_CHOWN is left out (it must be in permitted and inheritable, too)"
    assert warnings(result) == ([f"ambient: {left_out}"] if uid else [])


# prctl(PR_SET_SECUREBITS, SECBIT_NO_CAP_AMBIENT_RAISE), then what follows.
GIVES_UP_AMBIENT = """
import ctypes, os, sys
assert ctypes.CDLL(None).prctl(28, 1 << 6, 0, 0, 0) == 0
os.execvp(sys.argv[1], sys.argv[1:])
"""


@pytest.mark.parametrize("user", [0, 1000])
def test_ambient_capabilities_that_the_caller_has_given_up(
    crunw: Runtime, bundle, user: int
) -> None:
    skip_without_root("to set securebits")
    made = bundle("grep", "CapAmb", "/proc/self/status", process__user={"uid": user, "gid": 0})
    names = ("bounding", "permitted", "inheritable", "ambient")
    made.change(process__capabilities=dict.fromkeys(names, ("CAP_KILL",)))
    result = crunw.run(made, prefix=["python3", "-I", "-c", GIVES_UP_AMBIENT])
    assert int(result.out.split()[1], 16) == 0
    assert warnings(result) == [
        "ambient: the set is left empty: the securebits of this process forbid to raise any"
    ]


# --- Network devices ------------------------------------------------------------------------------


@pytest.fixture
def device():
    """A device of the host with addresses."""
    skip_without_root("to make a network device")
    name = f"crunw{os.getpid() % 100000}"
    if subprocess.run(["ip", "link", "add", name, "type", "dummy"], check=False).returncode:
        subprocess.run(["ip", "link", "add", name, "type", "veth"], check=True)
    subprocess.run(["ip", "addr", "add", "192.0.2.5/24", "dev", name], check=True)
    subprocess.run(["ip", "addr", "add", "2001:db8::5/64", "dev", name, "nodad"], check=True)
    yield name
    subprocess.run(["ip", "link", "del", name], check=False, stderr=subprocess.DEVNULL)


def test_network_device_moves_with_its_addresses(crunw: Runtime, bundle, device: str) -> None:
    made = bundle("sleep", "60")
    made.config["linux"]["netDevices"] = {device: {"name": "moved0"}}
    pid = running_pid(crunw, made.write())
    command = ["nsenter", "--net", f"--target={pid}", "ip", "-o", "addr", "show", "dev", "moved0"]
    seen = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert "192.0.2.5/24" in seen
    assert "2001:db8::5/64" in seen
    flags = subprocess.run(
        [*command[:4], "-o", "link", "show", "dev", "moved0"],
        check=True, capture_output=True, text=True,
    ).stdout  # fmt: skip
    assert re.search(r"<[^>]*\bUP\b", flags)
    assert not Path(f"/sys/class/net/{device}").exists()


def test_network_device_that_is_not_there(crunw: Runtime, bundle) -> None:
    made = bundle()
    made.config["linux"]["netDevices"] = {"crunw-none": {}}
    error = crunw.run(made.write()).error()
    assert error == "linux.netDevices.crunw-none: the host has no such device"


def test_resctrl_that_is_not_there(crunw: Runtime, bundle) -> None:
    if " - resctrl " in Path("/proc/self/mountinfo").read_text():
        pytest.skip("this host has resctrl")
    made = bundle()
    made.config["linux"]["intelRdt"] = {"schemata": ["L3:0=f"]}
    assert crunw.run(made.write()).error() == (
        "linux.intelRdt: no resctrl file system is mounted on this host"
    )
