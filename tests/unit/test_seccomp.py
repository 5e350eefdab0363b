"""Seccomp filters: loaded in a child that then makes system calls; and the cache."""

from __future__ import annotations

import ctypes
import errno
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from crunw.effects import seccomp
from crunw.errors import SpecError

pytest.importorskip("crunw._seccomp", reason="crunw._seccomp is not built")
from crunw.effects.seccomp import compile as compiler

LIBC = ctypes.CDLL(None, use_errno=True)
# What an interpreter needs to make one system call and report it.
RUNTIME = ["brk", "exit_group", "futex", "madvise", "mmap", "munmap", "rt_sigreturn"]


class Program(ctypes.Structure):
    """``struct sock_fprog``."""

    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_char_p))


def result(section: dict[str, Any], call: Callable[[], int]) -> int:
    """Load the filter in a child: the errno of ``call`` (0: it succeeded), or -signal."""
    code, _ = compiler.compile_filter(section)  # type: ignore[arg-type]
    program = Program(len(code) // 8, code)
    child = os.fork()
    if not child:
        ctypes.set_errno(0)
        if LIBC.prctl(38, 1, 0, 0, 0) or LIBC.prctl(22, 2, ctypes.byref(program), 0, 0):
            os._exit(255)  # PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP
        os._exit(ctypes.get_errno() if call() < 0 else 0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def denied(*rules: dict[str, Any]) -> dict[str, Any]:
    """All is allowed but for what the rules say, which fails with errno 77."""
    filled = [{"action": "SCMP_ACT_ERRNO", "errnoRet": 77, **rule} for rule in rules]
    return {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": filled}


def allowed(*names: str, **section: Any) -> dict[str, Any]:
    rule = {"names": [*RUNTIME, *names], "action": "SCMP_ACT_ALLOW"}
    return {"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [rule], **section}


def getppid() -> int:
    return int(LIBC.syscall(number("getppid")))


def number(name: str) -> int:
    _, lib = compiler._library()
    return int(lib.seccomp_syscall_resolve_name(name.encode()))


def seek(offset: int, whence: int = 0) -> Callable[[], int]:
    """lseek on /dev/zero, which succeeds with any offset."""
    fd = os.open("/dev/zero", os.O_RDONLY)
    function = LIBC.lseek
    function.argtypes = (ctypes.c_int, ctypes.c_long, ctypes.c_int)
    function.restype = ctypes.c_long
    return lambda: int(function(fd, offset, whence))


def test_a_system_call_is_denied_with_its_errno() -> None:
    assert result(denied({"names": ["getppid"]}), getppid) == 77
    assert result(denied({"names": ["getpid"]}), getppid) == 0


def test_the_errno_is_eperm_when_not_said() -> None:
    section = denied()
    section["syscalls"] = [{"names": ["getppid"], "action": "SCMP_ACT_ERRNO"}]
    assert result(section, getppid) == errno.EPERM


@pytest.mark.parametrize(
    ("action", "expected"),
    [
        ("SCMP_ACT_KILL", -signal.SIGSYS),
        ("SCMP_ACT_KILL_PROCESS", -signal.SIGSYS),
        ("SCMP_ACT_KILL_THREAD", -signal.SIGSYS),
        ("SCMP_ACT_TRAP", -signal.SIGSYS),
        ("SCMP_ACT_LOG", 0),
        ("SCMP_ACT_TRACE", errno.ENOSYS),  # without a tracer
    ],
)
def test_actions(action: str, expected: int) -> None:
    section = denied()
    section["syscalls"] = [{"names": ["getppid"], "action": action}]
    assert result(section, getppid) == expected


BIG = 1 << 40


@pytest.mark.parametrize(
    ("operator", "value", "two", "hits", "misses"),
    [
        ("EQ", BIG, 0, [BIG], [0, BIG + 1]),
        ("NE", BIG, 0, [0, BIG - 1], [BIG]),
        ("LT", BIG, 0, [BIG - 1, 0], [BIG, BIG + 1]),
        ("LE", BIG, 0, [BIG - 1, BIG], [BIG + 1]),
        ("GT", BIG, 0, [BIG + 1], [BIG, 0]),
        ("GE", BIG, 0, [BIG + 1, BIG], [BIG - 1]),
        ("MASKED_EQ", 0xF0 | BIG, 0x30 | BIG, [0x3F | BIG, 0x30 | BIG], [0x30, 0x70 | BIG]),
    ],
)
def test_operators(operator: str, value: int, two: int, hits: list[int], misses: list[int]) -> None:
    arg = {"index": 1, "value": value, "valueTwo": two, "op": f"SCMP_CMP_{operator}"}
    section = denied({"names": ["lseek"], "args": [arg]})
    assert [result(section, seek(offset)) for offset in hits] == [77] * len(hits)
    assert [result(section, seek(offset)) for offset in misses] == [0] * len(misses)


def test_conditions_on_two_arguments_must_both_hold() -> None:
    args = [
        {"index": 1, "value": 5, "op": "SCMP_CMP_EQ"},
        {"index": 2, "value": 1, "op": "SCMP_CMP_EQ"},
    ]
    section = denied({"names": ["lseek"], "args": args})
    assert result(section, seek(5, 1)) == 77
    assert result(section, seek(5, 0)) == 0
    assert result(section, seek(6, 1)) == 0


def test_conditions_on_the_same_argument_are_alternatives() -> None:
    args = [{"index": 1, "value": value, "op": "SCMP_CMP_EQ"} for value in (5, 6)]
    section = denied({"names": ["lseek"], "args": args})
    assert [result(section, seek(offset)) for offset in (5, 6, 7)] == [77, 77, 0]


def test_unknown_names_and_rules_like_the_default_are_passed_over() -> None:
    section = denied({"names": ["no_such_call", "getppid"]})
    section["syscalls"].append({"names": ["getppid"], "action": "SCMP_ACT_ALLOW"})
    assert result(section, getppid) == 77


def test_what_is_not_named_gets_the_default() -> None:
    assert result(allowed("getppid"), getppid) == 0
    assert result(allowed(), getppid) == errno.EPERM
    assert result(allowed(defaultErrnoRet=99), getppid) == 99


def test_calls_newer_than_the_profile_are_not_implemented() -> None:
    def call(number: int) -> Callable[[], int]:
        return lambda: int(LIBC.syscall(number))

    assert result(allowed(), call(number("mount_setattr"))) == errno.EPERM
    assert result(allowed(), call(number("mount_setattr") + 1)) == errno.ENOSYS
    newest = number("landlock_restrict_self")
    section = allowed("landlock_restrict_self")
    assert result(section, call(newest - 1)) == errno.EPERM
    assert result(section, call(newest + 1)) == errno.ENOSYS
    section = allowed(defaultAction="SCMP_ACT_KILL_PROCESS")
    assert result(section, call(newest)) == -signal.SIGSYS


def interpret(code: bytes, arch: int, nr: int) -> int:
    """What a filter without conditions on arguments returns: classic BPF."""
    data = {0: nr, 4: arch}
    accumulator = position = 0
    while True:
        record = code[position * 8 : position * 8 + 8]
        operation = int.from_bytes(record[:2], sys.byteorder)
        true, false, value = record[2], record[3], int.from_bytes(record[4:], sys.byteorder)
        position += 1
        if operation == 0x20:
            accumulator = data[value]
        elif operation == 0x05:
            position += value
        elif operation == 0x06:
            return value
        else:
            tests = {
                0x15: accumulator == value,
                0x25: accumulator > value,
                0x35: accumulator >= value,
            }
            position += true if tests[operation] else false


ALLOW, EPERM, ENOSYS, KILL = 0x7FFF0000, 0x50001, 0x50026, 0
AARCH64, S390X, X86, X86_64, X32 = 0xC00000B7, 0x80000016, 0x40000003, 0xC000003E, 1 << 30


@pytest.mark.parametrize(
    ("arch", "nr", "expected"),
    [
        (X86_64, 39, ALLOW),
        (X86_64, 40, EPERM),
        (X86_64, 442, EPERM),
        (X86_64, 443, ENOSYS),
        (X86_64, X32 + 39, ALLOW),
        (X86_64, X32 + 442, EPERM),
        (X86_64, X32 + 443, ENOSYS),
        (X86, 20, ALLOW),
        (X86, 21, EPERM),
        (X86, 443, ENOSYS),
        (AARCH64, 172, ALLOW),
        (AARCH64, 443, ENOSYS),
        (0x1234, 443, KILL),
    ],
)
def test_newer_calls_of_every_architecture(arch: int, nr: int, expected: int) -> None:
    names = ("X86_64", "X32", "X86", "AARCH64")
    section = {
        "defaultAction": "SCMP_ACT_ERRNO",
        "architectures": [f"SCMP_ARCH_{name}" for name in names],
        "syscalls": [{"names": ["getpid"], "action": "SCMP_ACT_ALLOW"}],
    }
    code, _ = compiler.compile_filter(section)  # type: ignore[arg-type]
    assert interpret(code, arch, nr) == expected


@pytest.mark.parametrize(
    ("nr", "expected"), [(0, ENOSYS), (20, ALLOW), (442, ALLOW), (443, ENOSYS)]
)
def test_newer_calls_of_s390x(nr: int, expected: int) -> None:
    """libseccomp does not mix byte orders in a filter, so the prologue is tried alone."""
    _, lib = compiler._library()
    permit = compiler._instruction(0x06, 0, 0, ALLOW)
    assert interpret(compiler._newer_calls(lib, [S390X], set()) + permit, S390X, nr) == expected


def test_x32_calls_are_left_to_the_filter_when_it_is_not_an_architecture() -> None:
    code, _ = compiler.compile_filter(allowed(architectures=["SCMP_ARCH_X86_64"]))  # type: ignore[arg-type]
    assert interpret(code, X86_64, X32 + 39) == KILL


NOTIFY = {"names": ["mkdir"], "action": "SCMP_ACT_NOTIFY"}


@pytest.mark.parametrize(
    ("section", "flags"),
    [
        ({}, 4),
        ({"flags": []}, 0),
        ({"flags": ["SECCOMP_FILTER_FLAG_LOG", "SECCOMP_FILTER_FLAG_TSYNC"]}, 3),
        ({"flags": ["SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"]}, 0),
        ({"syscalls": [NOTIFY], "listenerPath": "/x"}, 12),
        (
            {
                "flags": ["SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV", "SECCOMP_FILTER_FLAG_TSYNC"],
                "syscalls": [NOTIFY],
                "listenerPath": "/x",
            },
            57,
        ),
    ],
)
def test_flags(section: dict[str, Any], flags: int) -> None:
    whole: Any = {"defaultAction": "SCMP_ACT_ALLOW", **section}
    assert compiler.compile_filter(whole)[1] == flags


@pytest.mark.parametrize(
    ("section", "field"),
    [
        ({"defaultAction": "ALLOW"}, "defaultAction"),
        ({"defaultAction": "SCMP_ACT_NOTIFY"}, "defaultAction"),
        ({"defaultErrnoRet": 1}, "defaultErrnoRet"),
        ({"architectures": ["SCMP_ARCH_PDP11"]}, "architectures[0]"),
        ({"flags": ["SECCOMP_FILTER_FLAG_X"]}, "flags[0]"),
        ({"syscalls": [NOTIFY]}, "listenerPath"),
        ({"syscalls": [NOTIFY | {"names": ["write"]}], "listenerPath": "/"}, "syscalls[0].names"),
        ({"syscalls": [{"names": ["a"], "action": "NO"}]}, "syscalls[0].action"),
        (
            {"syscalls": [{"names": ["a"], "action": "SCMP_ACT_TRAP", "errnoRet": 1}]},
            "syscalls[0].errnoRet",
        ),
        (
            {"syscalls": [{"names": ["a"], "action": "SCMP_ACT_ERRNO", "errnoRet": 1 << 16}]},
            "syscalls[0].errnoRet",
        ),
    ],
)
def test_errors_name_the_field(section: dict[str, Any], field: str) -> None:
    whole: Any = {"defaultAction": "SCMP_ACT_ALLOW", **section}
    with pytest.raises(SpecError) as caught:
        compiler.compile_filter(whole)
    assert caught.value.field == f"linux.seccomp.{field}"


@pytest.mark.parametrize(
    ("arg", "field"),
    [
        ({"index": 6, "value": 0, "op": "SCMP_CMP_EQ"}, "index"),
        ({"index": 0, "value": 0, "op": "EQ"}, "op"),
    ],
)
def test_bad_conditions(arg: dict[str, Any], field: str) -> None:
    with pytest.raises(SpecError) as caught:
        compiler.compile_filter(denied({"names": ["lseek"], "args": [arg]}))  # type: ignore[arg-type]
    assert caught.value.field == f"linux.seccomp.syscalls[0].args[0].{field}"


SECTION: Any = denied({"names": ["getppid"]})


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    """A cache with the one entry of ``SECTION``."""
    directory = tmp_path / "seccomp"
    seccomp.program(SECTION, str(directory))
    return directory


@pytest.fixture
def compilations(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Sections that were compiled, not taken from the cache."""
    found: list[Any] = []
    original = compiler.compile_filter

    def compile_filter(section: Any) -> tuple[bytes, int]:
        found.append(section)
        return original(section)

    monkeypatch.setattr(compiler, "compile_filter", compile_filter)
    return found


def entry_of(cache: Path) -> Path:
    (entry,) = cache.iterdir()
    return entry


def test_a_second_start_takes_the_program_from_the_cache(
    cache: Path, compilations: list[Any]
) -> None:
    assert seccomp.program(SECTION, str(cache)) == compiler.compile_filter(SECTION)
    assert len(compilations) == 1  # the line above
    assert cache.stat().st_mode & 0o777 == 0o700
    assert entry_of(cache).stat().st_mode & 0o777 == 0o600


def truncate(entry: Path) -> None:
    os.truncate(entry, entry.stat().st_size - 8)


def flip(entry: Path) -> None:
    content = bytearray(entry.read_bytes())
    content[-1] ^= 1
    entry.write_bytes(content)


def empty(entry: Path) -> None:
    entry.write_bytes(b"")


def grow(entry: Path) -> None:
    with entry.open("ab") as file:
        file.write(bytes(1 << 20))


def open_to_others(entry: Path) -> None:
    entry.chmod(0o644)


def replace_by_link(entry: Path) -> None:
    target = entry.parent.parent / "elsewhere"
    entry.rename(target)
    entry.symlink_to(target)


def replace_by_fifo(entry: Path) -> None:
    entry.unlink()
    os.mkfifo(entry, 0o600)


def give_away(entry: Path) -> None:
    if os.geteuid():
        pytest.skip("needs root to change the owner")
    os.chown(entry, 1, 1)


@pytest.mark.parametrize(
    "damage",
    [truncate, flip, empty, grow, open_to_others, replace_by_link, replace_by_fifo, give_away],
)
def test_a_damaged_or_foreign_entry_is_replaced(
    cache: Path, compilations: list[Any], damage: Callable[[Path], None]
) -> None:
    damage(entry_of(cache))
    expected = compiler.compile_filter(SECTION)
    assert seccomp.program(SECTION, str(cache)) == expected
    assert seccomp.program(SECTION, str(cache)) == expected
    assert len(compilations) == 2
    assert entry_of(cache).is_file()
    assert not entry_of(cache).is_symlink()


def test_another_libseccomp_makes_another_program(
    cache: Path, compilations: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(seccomp, "_identity", lambda _library: "1 2 3 4")
    seccomp.program(SECTION, str(cache))
    assert len(compilations) == 1


def test_another_section_is_another_entry(cache: Path) -> None:
    seccomp.program(SECTION | {"flags": []}, str(cache))
    assert len(list(cache.iterdir())) == 2


def test_a_cache_open_to_others_is_not_used(cache: Path, compilations: list[Any]) -> None:
    cache.chmod(0o777)
    before = entry_of(cache).stat().st_mtime_ns
    seccomp.program(SECTION, str(cache))
    assert len(compilations) == 1
    assert entry_of(cache).stat().st_mtime_ns == before


def test_a_cache_that_others_may_only_read_is_closed(cache: Path, compilations: list[Any]) -> None:
    cache.chmod(0o755)
    seccomp.program(SECTION, str(cache))
    assert len(compilations) == 0
    assert cache.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("umask", [0o022, 0o027, 0o077])
def test_the_directories_above_are_created(tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        seccomp.program(SECTION, str(tmp_path / "missing" / "seccomp"))
    finally:
        os.umask(before)
    assert len(os.listdir(tmp_path / "missing" / "seccomp")) == 1
    assert (tmp_path / "missing").stat().st_mode & 0o777 == (0o700 if os.geteuid() else 0o755)


def test_a_cache_that_can_not_be_made_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    code, _ = seccomp.program(SECTION, str(tmp_path / "file" / "seccomp"))
    assert code


def test_a_full_cache_keeps_its_newer_half(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(seccomp, "_MAX_ENTRIES", 4)
    for index in range(3):
        entry = cache / f"old{index}"
        entry.touch()
        os.utime(entry, (index, index))
    seccomp.program(SECTION | {"flags": []}, str(cache))
    names = {entry.name[:4] for entry in cache.iterdir()}
    assert len(names) == 3
    assert "old2" in names
    assert not {"old0", "old1"} & names


def test_a_cache_that_can_not_be_used_is_a_detail(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each start then compiles: told with --debug, since nothing but time is lost."""
    told: list[str] = []
    monkeypatch.setattr(seccomp.notices, "detail", told.append)
    expected = compiler.compile_filter(SECTION)
    (tmp_path / "file").touch()
    assert seccomp.program(SECTION, str(tmp_path / "file")) == expected
    (problem,) = told
    assert problem.startswith("linux.seccomp: the cache of filters is not used: ")

    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(seccomp.posix, "rename", full)
    assert seccomp.program(SECTION, str(tmp_path / "cache")) == expected
    assert told[1].startswith(f"linux.seccomp: the filter is not kept in {tmp_path}/cache/")
    assert told[1].endswith(": No space left on device")
