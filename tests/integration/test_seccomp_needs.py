"""What a seccomp profile must allow: for a native program what that itself does, and ``execve``."""

from __future__ import annotations

import os
import struct
from collections.abc import Callable

import pytest
from support.containers import Bundle, in_user_namespace

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
    sets = {kind: ["CAP_KILL"] for kind in ("bounding", "permitted", "inheritable", "ambient")}
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


# What the engine needs besides, to load and run a module that writes something (docs/wasm.md).
ENGINE = (
    "brk close close_range exit_group fcntl fstat madvise mmap munmap openat prctl pread64 read "
    "rt_sigaction write writev"
).split()
# What has been in the way of starts, with profiles older than the calls or without those by which
# crunw-init becomes who runs the program.
STARTING = (
    "capget capset faccessat faccessat2 fchdir fcntl futex getcwd getrandom mprotect newfstatat "
    "openat2 prctl setgroups setresgid setresuid sigaltstack statx umask"
).split()


@pytest.mark.parametrize("no_new_privs", [False, True])
@pytest.mark.parametrize("action", [ERRNO, KILL])
def test_a_module_needs_what_the_engine_needs(crunw, wasm_bundle, action, no_new_privs):
    rules = allow(action, *ENGINE)
    made = wasm_bundle("files", "args", "x", linux__seccomp=rules)
    made.change(process__noNewPrivileges=no_new_privs)
    assert crunw.run(made).ok() == "/files.wasm\nargs\nx\n"


@pytest.mark.parametrize("call", STARTING)
def test_a_module_does_not_need_what_starting_does(crunw, wasm_bundle, call):
    made = wasm_bundle("files", "args", linux__seccomp=deny(ERRNO, call))
    made.change(process__noNewPrivileges=False)
    assert crunw.run(made).ok() == "/files.wasm\nargs\n"


def test_nor_does_a_module_by_exec(crunw, smallest, modules):
    made = smallest("/waits", linux__seccomp=allow(ERRNO, "execve", *WAITING, *ENGINE))
    os.link(modules / "files.wasm", made.rootfs / "files.wasm")
    crunw.start(made.change(process__noNewPrivileges=False))
    assert crunw("exec", made.id, "/files.wasm", "args").ok() == "/files.wasm\nargs\n"
    user = ("exec", "--user", "1000:1000", made.id, "/files.wasm", "args")
    assert crunw(*user).ok() == "/files.wasm\nargs\n"
