"""The system calls that are left to the process of a module (``csrc/init/fence.c``)."""

from __future__ import annotations

import ctypes
import errno
import os
import re
import signal
import struct
from collections.abc import Callable
from pathlib import Path

import pytest
from support.containers import LIBC, Bundle, Runtime, skip_without_root

from crunw.effects.seccomp.compile import ACTIONS, _library

ANNOTATION = "run.oci.wasm.seccomp"
DOCUMENTED = (Path(__file__).parents[2] / "docs" / "wasm.md").read_text()
MACHINE = os.uname().machine
ALLOW_ALL = {"defaultAction": "SCMP_ACT_ALLOW"}
ALLOWED, REFUSED = ACTIONS["SCMP_ACT_ALLOW"], ACTIONS["SCMP_ACT_ERRNO"] | errno.EPERM
MISSING = ACTIONS["SCMP_ACT_ERRNO"] | errno.ENOSYS


def annotated(bundle: Bundle, **annotations: str) -> Bundle:
    added = {f"run.oci.wasm.{name}": value for name, value in annotations.items()}
    bundle.config.setdefault("annotations", {}).update(added)
    return bundle.write()


def status(crunw: Runtime, bundle: Bundle) -> dict[str, str]:
    pid = crunw.state(bundle)["pid"]
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    fields = (line.partition(":") for line in lines)
    return {name: value.strip() for name, _, value in fields}


def filters(crunw: Runtime, bundle: Bundle) -> tuple[int, int]:
    """How many filters a new container's process has, and its no_new_privs."""
    crunw.start(bundle)
    found = status(crunw, bundle)
    crunw("delete", "--force", bundle.id).ok()
    return int(found["Seccomp_filters"]), int(found["NoNewPrivs"])


# --- Where it is ----------------------------------------------------------------------------------


def test_it_is_on_by_default(crunw, wasm_bundle):
    assert filters(crunw, wasm_bundle("sleep")) == (1, 1)
    assert filters(crunw, wasm_bundle("sleep", linux__seccomp=ALLOW_ALL)) == (2, 1)


def test_it_can_be_left_out(crunw, wasm_bundle):
    made = annotated(wasm_bundle("sleep"), seccomp="off")
    assert filters(crunw, made.change(process__noNewPrivileges=False)) == (0, 0)
    assert filters(crunw, made.change(linux__seccomp=ALLOW_ALL)) == (1, 1)
    error = crunw.run(annotated(made, seccomp="maybe")).error()
    assert error == f"annotations.{ANNOTATION}: 'maybe' is not one of on, off"


def test_a_module_by_exec_has_it_too(crunw, wasm_bundle, modules):
    made = wasm_bundle("sleep")
    os.link(modules / "files.wasm", made.rootfs / "files.wasm")
    crunw.start(made)
    read = ("exec", made.id, "/files.wasm", "read", "/proc/self/status")
    assert "\nSeccomp_filters:\t1\n" in crunw(*read).ok()


HOOKS = {"startContainer": [{"path": "/busybox", "args": ["busybox", "touch", "/hook"]}]}


@pytest.mark.parametrize("profile", [None, ALLOW_ALL])
def test_hooks_run_before(crunw, wasm_bundle, busybox, profile):
    made = wasm_bundle("sleep")
    os.link(busybox, made.rootfs / "busybox")
    if profile:
        made.change(linux__seccomp=profile)
    made.change(hooks=HOOKS, process__noNewPrivileges=False)
    assert filters(crunw, made) == (1 + bool(profile), 1)
    assert (made.rootfs / "hook").exists()


def test_a_profile_that_forbids_another_filter(crunw, wasm_bundle, busybox):
    """Without hooks it is no hindrance."""
    rule = {"names": ["seccomp"], "action": "SCMP_ACT_KILL_PROCESS"}
    made = wasm_bundle("sleep", linux__seccomp={**ALLOW_ALL, "syscalls": [rule]})
    assert filters(crunw, made) == (2, 1)
    os.link(busybox, made.rootfs / "busybox")
    made.change(hooks=HOOKS)
    [notice] = crunw.create(made).notices()
    assert notice == (
        "the system calls of a module: the filter of linux.seccomp alone limits them: it forbids"
        " another one (allow seccomp(2) there)"
    )


# --- What it allows -------------------------------------------------------------------------------

PTRACE_DETACH, PTRACE_SEIZE, PTRACE_INTERRUPT = 17, 0x4206, 0x4207
PTRACE_SECCOMP_GET_FILTER = 0x420C
WALL = 0x40000000
Instruction = tuple[int, int, int, int]


def trace(request: int, pid: int, address: int = 0, data: object = None) -> int:
    result = LIBC.ptrace(ctypes.c_long(request), ctypes.c_long(pid), ctypes.c_void_p(address), data)
    if result < 0:
        number = ctypes.get_errno()
        if request == PTRACE_SECCOMP_GET_FILTER:
            pytest.skip(f"a filter can't be read here: {os.strerror(number)}")
        raise OSError(number, os.strerror(number))
    return int(result)


def filter_of(pid: int) -> list[Instruction]:
    """The filter of a process that has one (ptrace(2))."""
    trace(PTRACE_SEIZE, pid)
    try:
        trace(PTRACE_INTERRUPT, pid)
        os.waitpid(pid, WALL)
        count = trace(PTRACE_SECCOMP_GET_FILTER, pid)
        code = ctypes.create_string_buffer(8 * count)
        trace(PTRACE_SECCOMP_GET_FILTER, pid, 0, code)
    finally:
        trace(PTRACE_DETACH, pid)
    return list(struct.iter_unpack("HBBI", code.raw))


def action(code: list[Instruction], number: int, *arguments: int, architecture: int) -> int:
    """What the filter says to a call: the operations of BPF that it is made of."""
    values = (*arguments, *(0,) * (6 - len(arguments)))
    data = struct.pack("IIQ6Q", number, architecture, 0, *values)
    accumulator, at = 0, 0
    tests = {
        0x15: lambda value: accumulator == value,
        0x25: lambda value: accumulator > value,
        0x35: lambda value: accumulator >= value,
    }
    while True:
        operation, true, false, value = code[at]
        at += 1
        if operation == 0x20:
            (accumulator,) = struct.unpack_from("I", data, value)
        elif operation == 0x54:
            accumulator &= value
        elif operation == 0x06:
            return value
        else:
            at += true if tests[operation](value) else false


@pytest.fixture
def decide(crunw: Runtime, wasm_bundle: Callable[..., Bundle]) -> Callable[..., int]:
    """What the filter of a module's process says to a call by its name and arguments."""
    skip_without_root("to read a filter")
    made = wasm_bundle("sleep")
    crunw.start(made)
    code = filter_of(crunw.state(made)["pid"])
    native = _library()[1].seccomp_arch_native()

    def found(name: str | int, *arguments: int, architecture: int = native) -> int:
        number = name if isinstance(name, int) else resolve(name)
        return action(code, number, *arguments, architecture=architecture)

    return found


def resolve(name: str) -> int:
    return int(_library()[1].seccomp_syscall_resolve_name(name.encode()))


def documented() -> set[int]:
    """The numbers of the calls that docs/wasm.md lists for this machine."""
    blocks = re.findall(r"^```syscalls(?:-(\w+))?\n(.*?)^```", DOCUMENTED, re.MULTILINE | re.DOTALL)
    assert blocks
    names = [name for machine, text in blocks if machine in ("", MACHINE) for name in text.split()]
    assert len(names) == len(set(names))
    return {number for number in map(resolve, names) if number >= 0}


def test_what_is_allowed_is_what_the_documentation_says(decide):
    numbers = {number for number in range(1024) if decide(number) == ALLOWED}
    by_argument = {resolve("prlimit64")}
    assert numbers - by_argument == documented()


THREAD = 0x3D0F00  # as glibc makes one: CLONE_VM, _FS, _FILES, _SIGHAND, _THREAD and others


@pytest.mark.parametrize(
    ("name", "arguments", "wanted"),
    [
        ("clone", (THREAD,), ALLOWED),
        ("clone", (signal.SIGCHLD,), REFUSED),
        ("clone", (THREAD | 0x10000000,), REFUSED),  # CLONE_NEWUSER
        ("clone3", (), MISSING),
        ("socket", (2, 1), ALLOWED),
        ("socket", (16, 3), REFUSED),  # AF_NETLINK
        ("socket", (38, 5), REFUSED),  # AF_ALG
        ("ioctl", (0, 0x5401), ALLOWED),
        ("ioctl", (0, 0x5412), REFUSED),  # TIOCSTI
        ("prctl", (15,), ALLOWED),
        ("prctl", (8,), REFUSED),  # PR_SET_KEEPCAPS
        ("prlimit64", (1,), REFUSED),
        ("tgkill", (1 << 20,), REFUSED),
        ("seccomp", (1,), ALLOWED),
        ("execve", (), REFUSED),
        ("ptrace", (), REFUSED),
        ("io_uring_setup", (), REFUSED),
        ("mount", (), REFUSED),
        (1023, (), MISSING),
    ],
)
def test_arguments(decide, name, arguments, wanted):
    assert decide(name, *arguments) == wanted


def test_another_architecture_has_no_calls(decide):
    i386 = 0x40000003
    assert decide(4, architecture=i386) == MISSING
    assert decide(0x40000000 | 1) == MISSING  # x32


# --- What it is worth -----------------------------------------------------------------------------


def calls(number: int) -> str:
    """Code of x86-64, in hexadecimal digits: ends with the error of a call, its arguments 0."""
    load = struct.pack("<BI", 0xB8, number).hex()
    return f"{load} 31ff 31f6 31d2 4d31d2 0f05 f7d8 89c7 b8e7000000 0f05".replace(" ", "")


@pytest.mark.skipif(MACHINE != "x86_64", reason="the code is of x86-64")
@pytest.mark.parametrize(
    ("name", "otherwise"), [("unshare", 0), ("ptrace", 0), ("execve", errno.EFAULT)]
)
def test_native_code_is_refused_what_no_module_needs(crunw, wasm_bundle, weakened, name, otherwise):
    """Where a module may write over the engine, what runs then is its own native code."""
    made = wasm_bundle("overwrite", "/proc/self/mem", calls(resolve(name)))
    annotated(made, proc="writable")
    assert crunw.run(made).status == errno.EPERM
    assert weakened("FENCE").run(made).status == otherwise
