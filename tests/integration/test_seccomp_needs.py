"""What a seccomp profile must allow: for a native program what that itself does, and ``execve``."""

from __future__ import annotations

import os
import struct
from collections.abc import Callable
from pathlib import Path

import pytest
from container_harness import Bundle, in_user_namespace

# Of each machine: e_machine, a program that does nothing but exit_group(0), one that only waits.
MACHINES = {
    "x86_64": (62, "31ff b8e7000000 0f05", "b822000000 0f05 ebf7"),
    "aarch64": (
        183,
        "000080d2 c80b80d2 010000d4",
        "000080d2 010080d2 020080d2 030080d2 280980d2 010000d4 faffff17",
    ),
}
MACHINE, EXITS, WAITS = MACHINES[os.uname().machine]
WAITING = ("pause", "ppoll")
ERRNO, KILL = "SCMP_ACT_ERRNO", "SCMP_ACT_KILL_PROCESS"


def executable(code: str) -> bytes:
    """A file (elf(5)) of one segment."""
    text = bytes.fromhex(code)
    base, headers = 0x400000, 64 + 56
    identity = b"\x7fELF\x02\x01\x01" + bytes(9)
    header = struct.pack(
        "<16sHHIQQQIHHHHHH",
        identity, 2, MACHINE, 1, base + headers, 64, 0, 0, 64, 56, 1, 0, 0, 0,
    )  # fmt: skip
    size = headers + len(text)
    return header + struct.pack("<IIQQQQQQ", 1, 5, 0, base, base, size, size, 0x1000) + text


def allow(action: str, *names: str) -> dict[str, object]:
    """Forbid all but these."""
    rule = {"names": list(names), "action": "SCMP_ACT_ALLOW"}
    return {"defaultAction": action, "syscalls": [rule]}


def deny(action: str, name: str) -> dict[str, object]:
    """Forbid one."""
    rule = {"names": [name], "action": action}
    return {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [rule]}


@pytest.fixture
def smallest(bundle: Callable[..., Bundle]) -> Callable[..., Bundle]:
    """A bundle whose program ends at once, or waits."""

    def make(program: str = "/exits", **changes: object) -> Bundle:
        made = bundle(program, **changes)
        for name, code in (("exits", EXITS), ("waits", WAITS)):
            path = made.rootfs / name
            path.write_bytes(executable(code))
            path.chmod(0o755)
        return made

    return make


@pytest.mark.parametrize("no_new_privs", [False, True])
@pytest.mark.parametrize("action", [ERRNO, KILL])
def test_a_program_needs_execve_alone(crunw, smallest, action, no_new_privs):
    """By root, by a user with ambient capabilities, in a user namespace, and by ``exec``."""
    sets = dict.fromkeys(("bounding", "permitted", "inheritable", "ambient"), ["CAP_KILL"])
    changes = {
        "linux__seccomp": allow(action, "execve", "exit_group"),
        "process__noNewPrivileges": no_new_privs,
    }
    assert crunw.run(smallest(**changes)).ok() == ""
    user = {"uid": 1000, "gid": 1000, "additionalGids": [5]}
    made = smallest(**changes, process__user=user, process__capabilities=sets)
    assert crunw.run(made).ok() == ""
    if os.geteuid() == 0:
        assert crunw.run(in_user_namespace(smallest(**changes))).ok() == ""


@pytest.mark.parametrize("no_new_privs", [False, True])
@pytest.mark.parametrize("action", [ERRNO, KILL])
def test_nor_does_exec_need_more(crunw, smallest, action, no_new_privs):
    made = smallest("/waits", process__noNewPrivileges=no_new_privs)
    made.change(linux__seccomp=allow(action, "execve", "exit_group", *WAITING))
    crunw.start(made)
    assert crunw("exec", made.id, "/exits").ok() == ""
    assert crunw("exec", "--user", "1000:1000", made.id, "/exits").ok() == ""


@pytest.mark.parametrize("call", ["execve", "exit_group"])
def test_these_are_needed(crunw, smallest, call):
    assert crunw.run(smallest(linux__seccomp=deny(KILL, call))).status != 0
