"""Compile ``linux.seccomp`` (config-linux.md "Seccomp") with libseccomp.

What libseccomp can't know is decided as in runc and crun: names of system calls that it does not
know are passed over, and several conditions on the same argument are alternatives. Beyond crun, a
system call that is newer than the profile answers ENOSYS, see :func:`_newer_calls`.
"""

from __future__ import annotations

import errno
import os
import sys

from crunw import notices
from crunw.errors import CrunwError, SpecError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from crunw.oci.model import Seccomp, SyscallArg, SyscallRule

_FIELD = "linux.seccomp"

_FLAG_TSYNC = 1
_FLAG_NEW_LISTENER = 8
_FLAG_TSYNC_ESRCH = 16
_FLAG_WAIT_KILLABLE_RECV = 32
FLAGS = {
    "SECCOMP_FILTER_FLAG_TSYNC": _FLAG_TSYNC,
    "SECCOMP_FILTER_FLAG_LOG": 2,
    "SECCOMP_FILTER_FLAG_SPEC_ALLOW": 4,
    "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV": _FLAG_WAIT_KILLABLE_RECV,
}
_DEFAULT_FLAGS = FLAGS["SECCOMP_FILTER_FLAG_SPEC_ALLOW"]  # SPEC_ALLOW, as in runc and crun

# SECCOMP_RET_*, which are libseccomp's SCMP_ACT_* too.
_ERRNO = 0x00050000  # the errno in the low 16 bits
_TRACE = 0x7FF00000  # likewise
_NOTIFY = 0x7FC00000
ACTIONS = {
    "SCMP_ACT_ALLOW": 0x7FFF0000,
    "SCMP_ACT_ERRNO": _ERRNO,
    "SCMP_ACT_KILL": 0,
    "SCMP_ACT_KILL_PROCESS": 0x80000000,
    "SCMP_ACT_KILL_THREAD": 0,
    "SCMP_ACT_LOG": 0x7FFC0000,
    "SCMP_ACT_NOTIFY": _NOTIFY,
    "SCMP_ACT_TRACE": _TRACE,
    "SCMP_ACT_TRAP": 0x00030000,
}
OPERATORS = {
    "SCMP_CMP_NE": 1,  # enum scmp_compare
    "SCMP_CMP_LT": 2,
    "SCMP_CMP_LE": 3,
    "SCMP_CMP_EQ": 4,
    "SCMP_CMP_GE": 5,
    "SCMP_CMP_GT": 6,
    "SCMP_CMP_MASKED_EQ": 7,
}
# Those of the specification; libseccomp knows them by their names in lower case.
ARCHITECTURES = frozenset(
    "SCMP_ARCH_" + name
    for name in (
        *("X86", "X86_64", "X32", "ARM", "AARCH64", "LOONGARCH64", "M68K", "SH", "SHEB"),
        *("MIPS", "MIPS64", "MIPS64N32", "MIPSEL", "MIPSEL64", "MIPSEL64N32"),
        *("PPC", "PPC64", "PPC64LE", "S390", "S390X", "PARISC", "PARISC64", "RISCV64"),
    )
)
_X32_BIT = 0x40000000  # of the numbers of x32 system calls (__X32_SYSCALL_BIT)


def compile_filter(section: Seccomp) -> tuple[bytes, int]:
    """The program and its SECCOMP_FILTER_FLAG_* for a section of a specification.

    Raises :class:`SpecError` for what is unknown or contradicts itself.
    """
    ffi, lib = _library()
    default = _action(section, "defaultAction", "defaultErrnoRet", _FIELD)
    if default == _NOTIFY:
        problem = "SCMP_ACT_NOTIFY would stop the program that has to answer it"
        raise SpecError(f"{_FIELD}.defaultAction", problem)
    context = ffi.gc(lib.seccomp_init(default), lib.seccomp_release)
    architectures = _architectures(lib, context, section)
    notify = False
    for index, rule in enumerate(section.get("syscalls", ())):
        field = f"{_FIELD}.syscalls[{index}]"
        action = _action(rule, "action", "errnoRet", field)
        notify |= action == _NOTIFY
        if action != default:
            _add_rule(ffi, lib, context, action, rule, field)
    if notify and not section.get("listenerPath"):
        raise SpecError(f"{_FIELD}.listenerPath", "is required by SCMP_ACT_NOTIFY")
    prologue = b""
    if default & 0xFFFF0000 == _ERRNO and default != _ERRNO | errno.ENOSYS:
        names = {name for rule in section.get("syscalls", ()) for name in rule["names"]}
        prologue = _newer_calls(lib, architectures, names)
    return prologue + _export(lib, context), _flags(section, notify)


def library_path() -> str:
    """The file of the libseccomp that :func:`compile_filter` has loaded."""
    with open("/proc/self/maps", encoding="utf-8", errors="surrogateescape") as maps:
        for line in maps:
            if "/libseccomp.so" in line:
                return line.rstrip("\n").split(maxsplit=5)[5]
    return ""


def is_available() -> bool:
    """Whether libseccomp, and what calls it, can be loaded."""
    try:
        _library()
    except CrunwError:
        return False
    return True


def _library() -> tuple[Any, Any]:
    from crunw.paths import enable_site_packages

    enable_site_packages()
    try:
        from crunw._seccomp import ffi, lib
    except ImportError as error:
        raise CrunwError(f"{_FIELD}: {error}") from error
    return ffi, lib


def _action(section: Any, key: str, errno_key: str, field: str) -> int:
    name = section[key]
    if name in ("SCMP_ACT_ERRNO", "SCMP_ACT_TRACE"):
        number = section.get(errno_key, errno.EPERM)
        if not 0 <= number <= 0xFFFF:
            raise SpecError(f"{field}.{errno_key}", f"{number} is not an errno")
        return int(number) | (_ERRNO if name == "SCMP_ACT_ERRNO" else _TRACE)
    if errno_key in section:
        raise SpecError(f"{field}.{errno_key}", f"means nothing with {name}")
    if name not in ACTIONS:
        raise SpecError(f"{field}.{key}", f"{name!r} is not an action")
    return int(ACTIONS[name])


def _architectures(lib: Any, context: Any, section: Seccomp) -> list[int]:
    """Add the architectures to the filter; the native one is in it from the start."""
    tokens = [int(lib.seccomp_arch_native())]
    for index, name in enumerate(section.get("architectures", ())):
        own_name = name.removeprefix("SCMP_ARCH_").lower().encode()
        token = lib.seccomp_arch_resolve_name(own_name) if name in ARCHITECTURES else 0
        if not token:
            raise SpecError(f"{_FIELD}.architectures[{index}]", f"{name!r} is not an architecture")
        if token in tokens:
            continue
        _check(lib.seccomp_arch_add(context, token), f"{_FIELD}.architectures[{index}]")
        tokens.append(token)
    return tokens


def _check(result: int, field: str) -> None:
    if result < 0:
        raise SpecError(field, f"libseccomp: {os.strerror(-result)}")


def _add_rule(ffi: Any, lib: Any, context: Any, action: int, rule: SyscallRule, field: str) -> None:
    compared = [
        _comparison(arg, f"{field}.args[{index}]") for index, arg in enumerate(rule.get("args", ()))
    ]
    arguments = {comparison[0] for comparison in compared}
    # libseccomp takes one comparison of each argument: more than one are alternatives.
    groups = [compared] if len(arguments) == len(compared) else [[one] for one in compared]
    for name in rule["names"]:
        if action == _NOTIFY and name == "write":
            raise SpecError(f"{field}.names", "write is needed to hand the listener over")
        number = lib.seccomp_syscall_resolve_name(name.encode())
        if number == -1:  # __NR_SCMP_ERROR
            notices.detail(f"{field}.names: {name!r} is not known to libseccomp, and left out")
            continue
        for group in groups:
            array = ffi.new("struct scmp_arg_cmp[]", group)
            _check(
                lib.seccomp_rule_add_array(context, action, number, len(group), array),
                f"{field}.names ({name})",
            )


def _comparison(arg: SyscallArg, field: str) -> tuple[int, int, int, int]:
    """A ``struct scmp_arg_cmp``."""
    if arg["op"] not in OPERATORS:
        raise SpecError(f"{field}.op", f"{arg['op']!r} is not an operator")
    if not 0 <= arg["index"] <= 5:
        raise SpecError(f"{field}.index", "is not from 0 to 5")
    return arg["index"], OPERATORS[arg["op"]], arg["value"], arg.get("valueTwo", 0)


def _flags(section: Seccomp, notify: bool) -> int:
    flags = 0 if "flags" in section else _DEFAULT_FLAGS
    for index, name in enumerate(section.get("flags", ())):
        if name not in FLAGS:
            raise SpecError(f"{_FIELD}.flags[{index}]", f"{name!r} is not a flag")
        flags |= FLAGS[name]
    if not notify:
        return flags & ~_FLAG_WAIT_KILLABLE_RECV
    # With a listener the kernel wants to report a thread that can't be synchronised as ESRCH.
    return flags | _FLAG_NEW_LISTENER | (_FLAG_TSYNC_ESRCH if flags & _FLAG_TSYNC else 0)


def _export(lib: Any, context: Any) -> bytes:
    fd = os.memfd_create("seccomp", os.MFD_CLOEXEC)
    try:
        _check(lib.seccomp_export_bpf(context, fd), _FIELD)
        return os.pread(fd, os.fstat(fd).st_size, 0)
    finally:
        os.close(fd)


def _newer_calls(lib: Any, architectures: list[int], names: set[str]) -> bytes:
    """A prologue that answers ENOSYS to system calls that the profile's author can't have known.

    A C library tries a new system call and falls back on ENOSYS, not on the EPERM that most
    profiles give to what they do not name. As in runc, a call counts as newer when its number is
    above all that the profile names; unlike in runc, calls that every supported kernel (5.12) has
    are never newer, so that a profile with few names still gets what it says for them.
    """
    names = names | {"mount_setattr"}  # the last one of Linux 5.12
    newest = {
        token: max(lib.seccomp_syscall_resolve_name_arch(token, name.encode()) for name in names)
        for token in architectures
    }
    sections: dict[int, list[bytes]] = {}
    for token, number in newest.items():
        if token == lib.SCMP_ARCH_X32:
            continue  # the same architecture to the kernel as x86_64, see there
        code = []
        if token in (lib.SCMP_ARCH_S390, lib.SCMP_ARCH_S390X):
            # Numbers above 255 that the kernel does not know come as 0 there.
            code += [_jump(_EQUAL, 0, 0, 1), _return_enosys()]
        if token == lib.SCMP_ARCH_X86_64:
            x32 = newest.get(lib.SCMP_ARCH_X32, 0xFFFFFFFF)
            code += [_jump(_GREATER_EQUAL, _X32_BIT, 0, 2), _jump(_GREATER, x32, 0, 3)]
            code += [_return_enosys()]
        code += [_jump(_GREATER, number, 0, 1), _return_enosys()]
        sections[token] = code
    program = [_instruction(_LOAD, 0, 0, 4)]  # seccomp_data.arch
    rest = sum(len(code) + 3 for code in sections.values())
    for token, code in sections.items():
        rest -= len(code) + 3
        program += [
            _jump(_EQUAL, token, 0, len(code) + 2),
            _instruction(_LOAD, 0, 0, 0),  # seccomp_data.nr
            *code,
            _instruction(_JUMP, 0, 0, rest),
        ]
    return b"".join(program)


# Operations of classic BPF (linux/bpf_common.h).
_LOAD = 0x20  # BPF_LD | BPF_W | BPF_ABS
_JUMP = 0x05
_EQUAL = 0x15
_GREATER = 0x25
_GREATER_EQUAL = 0x35
_RETURN = 0x06


def _instruction(code: int, true: int, false: int, value: int) -> bytes:
    """A ``struct sock_filter``."""
    return code.to_bytes(2, sys.byteorder) + bytes((true, false)) + value.to_bytes(4, sys.byteorder)


def _jump(test: int, value: int, true: int, false: int) -> bytes:
    return _instruction(test, true, false, value)


def _return_enosys() -> bytes:
    return _instruction(_RETURN, 0, 0, _ERRNO | errno.ENOSYS)
