"""The node's cache of compiled modules, through ``crunw``."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support.aot import (
    CACHE,
    NOTES,
    background,
    below,
    entries,
    mapped,
    mount,
    read,
    settle,
    with_policy,
    without_background,
)
from support.commands import wait_for
from support.containers import LIBC, SANITIZED, Bundle, Runtime, mounts, skip_without_root

from crunw.effects.cgroups.layout import detect
from crunw.paths import library_dir

if TYPE_CHECKING:
    from collections.abc import Iterator

# sched(7): sessions compete with each other, and SCHED_IDLE and nice count within one alone.
AUTOGROUP = Path("/proc/self/autogroup")
LANDLOCK_CREATE_RULESET, LANDLOCK_VERSION = 444, 1  # landlock_create_ruleset(2)


def is_compiled(crunw: Runtime, bundle: Bundle) -> bool:
    """Whether a new container of the bundle runs compiled code. Ends it."""
    crunw.start(bundle)
    maps = mapped(crunw.state(bundle)["pid"])
    crunw("delete", "--force", bundle.id).ok()
    return b"/module.so" in maps


@pytest.mark.parametrize(
    ("policy", "first", "second"),
    [("", False, True), ("auto", False, True), ("always", True, True), ("off", False, False)],
)
def test_policies(crunw, wasm_bundle, cache, policy: str, first: bool, second: bool) -> None:
    bundle = with_policy(wasm_bundle("sleep"), policy)
    assert is_compiled(crunw, bundle) == first
    settle()
    assert is_compiled(crunw, bundle) == second
    assert len(entries()) == (policy != "off")
    assert background() == []


@pytest.fixture
def without_llvm() -> Iterator[None]:
    """The installation says that it has none."""
    skip_without_root("to change the installation")
    mark = Path(library_dir(), "without-llvm")
    mark.touch()
    yield
    mark.unlink()


def test_code_is_used_by_an_installation_without_llvm(
    crunw, wasm_bundle, cache, request: pytest.FixtureRequest
) -> None:
    """Nothing is compiled, or begun; what is there is loaded."""
    bundle, other = with_policy(wasm_bundle("sleep"), ""), with_policy(wasm_bundle("exit3"), "")
    assert not is_compiled(crunw, bundle)
    settle()
    request.getfixturevalue("without_llvm")
    assert is_compiled(crunw, bundle)
    crunw.create(other).ok()
    assert crunw.state(other)["wasm"]["reason"] == "this installation has no LLVM"
    assert background() == []


def test_unknown_policy(crunw, wasm_bundle, cache) -> None:
    bundle = with_policy(wasm_bundle("exit3"), "sometimes")
    assert crunw.run(bundle).error() == (
        "annotations.run.oci.wasm.aot: 'sometimes' is not one of auto, always, off"
    )


def test_configuration(crunw, wasm_bundle, cache, configuration: Path) -> None:
    bundle = with_policy(wasm_bundle("sleep"), "")
    configuration.write_text('[aot]\npolicy = "off"\n')
    assert not is_compiled(crunw, bundle)
    assert background() == []
    configuration.write_text('[aot]\npolicy = "always"\nmax-size = "2M"\n')
    assert is_compiled(crunw, bundle)
    configuration.write_text('[aot]\npolicy = "never"\n')
    assert crunw.run(bundle).error().startswith("/etc/crunw/crunw.toml: aot.policy: 'never'")
    with_policy(bundle, "off")
    assert not is_compiled(crunw, bundle)


def test_status_output_and_traps(crunw, wasm_bundle, cache) -> None:
    for name, status in (("exit3", 3), ("trap", 134), ("return", 0)):
        bundle = with_policy(wasm_bundle(name), "always")
        first, second = crunw.run(bundle), crunw.run(bundle)
        assert first == second
        assert first.status == status
        assert ("trap" in first.err) == (status == 134)
    assert len(entries()) == 3


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_compiled_code_ends_at_once(crunw, wasm_bundle, cache, number: int) -> None:
    bundle = with_policy(wasm_bundle("loop"), "always")
    process = crunw.spawn("run", "--bundle", bundle.path, bundle.id)
    crunw.wait_status(bundle, "running")
    assert b"/module.so" in mapped(crunw.state(bundle)["pid"])
    crunw("kill", bundle.id, str(int(number))).ok()
    assert process.wait(5) == 128 + number


def test_start_section_waits_for_the_start(crunw, wasm_bundle, cache) -> None:
    bundle = with_policy(wasm_bundle("start_section"), "always")
    assert crunw.run(bundle).ok() == "start\n"
    assert crunw.create(bundle).ok() == ""
    assert entries()


def test_exec_uses_the_cache(crunw, wasm_bundle, modules: Path, cache) -> None:
    bundle = with_policy(wasm_bundle("sleep"), "auto")
    os.link(modules / "exit3.wasm", bundle.rootfs / "exit3.wasm")
    crunw("cache", "warm", bundle.path).ok()
    before = [(path / "module.so").stat().st_atime_ns for path in entries()]
    assert len(before) == 2
    crunw.start(bundle)
    assert crunw("exec", bundle.id, "/exit3.wasm").status == 3


def test_background_compiler(crunw, wasm_bundle, cache) -> None:
    """Out of the container's cgroup, with the lowest priority, without the caller's descriptors."""
    bundle = with_policy(wasm_bundle("wasi_example_main"), "auto")
    reading, writing = os.pipe()
    os.set_inheritable(writing, True)
    crunw.create(bundle, pass_fds=[writing]).ok()
    assert background() == []
    crunw("start", bundle.id, pass_fds=[writing]).ok()
    os.close(writing)
    assert os.read(reading, 1) == b""  # nobody holds the other end
    os.close(reading)
    (pid,) = wait_for(background, "the background compiler")
    wait_for(lambda: os.getpriority(os.PRIO_PROCESS, pid) == 19)
    wait_for(lambda: os.sched_getscheduler(pid) == os.SCHED_IDLE)
    if AUTOGROUP.exists():
        wait_for(lambda: read(f"/proc/{pid}/autogroup").endswith(b" nice 19\n"))
    # An ordinary user's stays in his: he may not leave it.
    own = {"/", f"/crunw-compiler/{pid}"}
    assert groups(str(pid)) <= (groups("self") if os.geteuid() else own)
    assert read(f"/proc/{pid}/oom_score_adj") == b"1000\n"
    assert os.getsid(pid) == pid
    compiler = wait_for(lambda: read(f"/proc/{pid}/task/{pid}/children").split())[0].decode()
    wait_for(lambda: in_sandbox(compiler), "the sandbox")
    settle()
    assert len(entries()) == 1


def groups(pid: str) -> set[str]:
    """Of the hierarchies that are mounted, which it can leave."""
    mounted = detect().tops
    lines = (line.split(":", 2) for line in read(f"/proc/{pid}/cgroup").decode().splitlines())
    return {path for _, controllers, path in lines if controllers in mounted}


def in_sandbox(pid: str) -> bool:
    """Whether a compiler has given up its rights, by the last of them."""
    status = read(f"/proc/{pid}/status")
    if b"NoNewPrivs:\t1" not in status:
        return False
    assert os.geteuid() or b"Uid:\t65534\t65534\t65534\t65534" in status
    assert os.geteuid() or b"CapEff:\t0000000000000000" in status
    assert os.geteuid() or b"CapBnd:\t0000000000000000" in status
    limits = read(f"/proc/{pid}/limits").decode()
    names = ["Max cpu time", "Max file size"]
    if not SANITIZED:  # AddressSanitizer takes terabytes of addresses
        names.append("Max address space")
    for name in names:
        found = re.search(rf"^{name} +(\d+) +(\d+) ", limits, re.MULTILINE)
        assert found, limits
        # At the soft limit SIGXCPU says why it ends, the hard one's SIGKILL would not.
        assert (int(found[1]) < int(found[2])) == (name == "Max cpu time")
    return True


def compilers_below(create: int) -> list[str]:
    """With `always`: below the child of `create` who waits for the pid namespace, the first process
    there, and the compiler.
    """
    found = below(create)
    for _ in ("who waits", "the first", "the compiler"):
        found = [child for pid in found for child in below(pid)]
    return [pid for pid in found if b"crunw-compiler" in read(f"/proc/{pid}/cmdline")]


def test_the_compiler_inherits_nothing(crunw, wasm_bundle, cache) -> None:
    """With `always` it is below `create`, which may have been given descriptors."""
    bundle = with_policy(wasm_bundle("wasi_example_main"), "always")
    reading, writing = os.pipe()
    process = crunw.spawn("create", "--bundle", bundle.path, bundle.id, pass_fds=[writing])
    (pid,) = wait_for(lambda: compilers_below(process.pid), "the compiler")
    wait_for(lambda: in_sandbox(pid), "the sandbox")
    links = {os.readlink(f"/proc/{pid}/fd/{name}") for name in os.listdir(f"/proc/{pid}/fd")}
    pipe = os.readlink(f"/proc/self/fd/{writing}")
    os.close(reading)
    os.close(writing)
    assert pipe not in links
    assert any(link.startswith("pipe:") for link in links)  # the report
    assert process.wait(30) == 0


def test_a_signal_while_create_waits_for_the_compiler(crunw, wasm_bundle, cache) -> None:
    """Nothing of the container is left; what was compiled is kept, and nothing beside it."""
    bundle = with_policy(wasm_bundle("wasi_example_main"), "always")
    process = crunw.spawn("create", "--bundle", bundle.path, bundle.id)
    wait_for(lambda: compilers_below(process.pid), "the compiler")
    process.send_signal(signal.SIGTERM)
    assert process.wait(10) == 128 + signal.SIGTERM
    assert crunw("list", "--quiet").ok() == ""
    assert list(crunw.root.iterdir()) == []
    assert mounts(bundle.path) == []
    settle()
    assert len(entries()) == 1
    assert list((CACHE / "new").iterdir()) == []
    assert list((CACHE / "queue").iterdir()) == []


def test_a_compiler_that_is_killed(crunw, wasm_bundle, cache) -> None:
    """As by the kernel, for lack of memory. It is not the module's fault: it is tried again."""
    bundle = with_policy(wasm_bundle("wasi_example_main"), "always")
    words = ("create", "--bundle", bundle.path, bundle.id)
    process = crunw.spawn(*words)
    wait_for(lambda: compilers_below(process.pid), "the compiler")
    (builder,) = (p for p in below(process.pid) if b"\0cache\0" in read(f"/proc/{p}/cmdline"))
    os.kill(int(builder), signal.SIGKILL)
    error = process.communicate(timeout=30)[1]
    assert error.endswith("asks for: failed: the compiler was killed by signal 9\n")
    assert process.returncode == 1
    settle()
    crunw.create(bundle).ok()


def test_a_background_compiler_that_can_not_be_started(crunw, wasm_bundle, cache) -> None:
    """It is told, and kept; the program runs."""
    bundle = with_policy(wasm_bundle("sleep"), "auto")
    cause = "the compiler can't be started: Permission denied"
    problem = f"compiled code: {cause} (nothing is compiled for later starts)"
    crunw.create(bundle).ok()
    assert crunw("start", bundle.id, prefix=without_background()).notices() == [problem]
    assert crunw.state(bundle)["notices"] == [problem]
    assert crunw.status(bundle) == "running"
    assert background() == []


@pytest.mark.parametrize("change", ["content", "replaced", "link", "gone"])
def test_a_module_that_changes_before_its_start(crunw, wasm_bundle, cache, change: str) -> None:
    """What `create` has looked at, or nothing, is compiled: no other file is even opened."""
    bundle = with_policy(wasm_bundle("sleep"), "auto")
    module = bundle.rootfs / "sleep.wasm"
    crunw.create(bundle).ok()
    content = module.read_bytes()
    module.rename(bundle.path / "aside")
    if change == "content":
        (bundle.path / "aside").rename(module)
        os.utime(module)
    elif change == "replaced":
        module.write_bytes(content)
    elif change == "link":
        module.symlink_to(bundle.path / "aside")
    notices = crunw("start", bundle.id).notices()
    cause = "No such file or directory" if change == "gone" else "Stale file handle"
    assert notices == [
        f"compiled code: open the module again: {cause} (nothing is compiled for later starts)"
    ]
    assert crunw.status(bundle) == "running"
    assert background() == []
    assert entries() == []


def test_the_compiler_sees_its_own_directory_alone(crunw, modules: Path, cache, tmp_path) -> None:
    """Landlock (landlock(7)), where the kernel has it."""
    log = tmp_path / "calls"
    strace = ["strace", "-f", "-o", log, "-e", "trace=landlock_restrict_self,openat"]
    crunw("cache", "warm", modules / "exit3.wasm", prefix=strace).ok()
    if LIBC.syscall(LANDLOCK_CREATE_RULESET, None, 0, LANDLOCK_VERSION) < 1:
        pytest.skip("this kernel has no Landlock")
    before, entered, after = log.read_text().partition("landlock_restrict_self(")
    assert entered
    pid = before.splitlines()[-1].split()[0]
    result, *calls = after.splitlines()
    assert result.endswith("= 0")
    opened = [call for call in calls if call.split()[0] == pid and " openat(" in call]
    assert any("/output" in call for call in opened)
    assert [call for call in opened if '"/proc/self/cwd/output' not in call] == []


def test_shared_pages_and_no_way_to_write(crunw, wasm_bundle, cache) -> None:
    bundle = with_policy(wasm_bundle("sleep"), "always")
    crunw.start(bundle)
    pid = crunw.state(bundle)["pid"]
    lines = mapped(pid).splitlines()
    inode = (entries()[0] / "module.so").stat().st_ino
    code = [line.split() for line in lines if b"/module.so" in line]
    assert {int(fields[4]) for fields in code} == {inode}
    assert any(fields[1] == b"r-xp" for fields in code)
    links = [os.readlink(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd")]
    assert not [link for link in links if "module.so" in link]
    where = code[0][0].decode()
    refused = "Operation not permitted" if os.geteuid() else "Read-only file system"
    with pytest.raises(OSError, match=refused):
        os.close(os.open(f"/proc/{pid}/map_files/{where}", os.O_RDWR))


def test_what_has_been_parsed_leaves_memory(crunw, wasm_bundle, cache) -> None:
    bundle = with_policy(wasm_bundle("sleep"), "always")
    path = bundle.rootfs / "sleep.wasm"
    module = path.read_bytes()
    path.unlink()  # it is a link to the tests' own
    much = 1 << 20
    custom = b"\1x" + b"\1" * (much - 2)
    length = bytes([much & 0x7F | 0x80, much >> 7 & 0x7F | 0x80, much >> 14])
    path.write_bytes(module + b"\0" + length + custom)
    crunw.start(bundle)
    parts = read(f"/proc/{crunw.state(bundle)['pid']}/smaps").split(b"VmFlags")
    resident = [
        int(found[1])
        for part in parts
        if b"/module.so" in part and (found := re.search(rb"\nRss: +(\d+) kB", part))
    ]
    assert resident
    assert sum(resident) < much // 2048  # KB: half of it


def flip(path: Path) -> None:
    """One bit, with the times put back."""
    status = path.stat()
    path.chmod(0o600)
    with path.open("r+b") as file:
        file.seek(status.st_size // 2)
        byte = file.read(1)[0]
        file.seek(status.st_size // 2)
        file.write(bytes([byte ^ 1]))
    path.chmod(status.st_mode & 0o777)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def truncate(path: Path) -> None:
    path.chmod(0o600)
    os.truncate(path, 1000)
    path.chmod(0o444)


def link(path: Path) -> None:
    path.rename(path.with_name("else"))
    path.symlink_to("else")


def give_away(path: Path) -> None:
    skip_without_root("to give files away")
    os.chown(path, 65534, 65534)


def open_up(path: Path) -> None:
    path.chmod(0o666)


def remove_description(path: Path) -> None:
    path.with_name("meta.json").unlink()


TAMPERING = [flip, truncate, link, give_away, open_up, remove_description, Path.unlink]


@pytest.mark.parametrize("change", TAMPERING, ids=lambda change: change.__name__)
@pytest.mark.parametrize("booted", [False, True])
def test_tampering(crunw, wasm_bundle, cache, change, booted: bool) -> None:
    bundle = with_policy(wasm_bundle("sleep"), "always")
    assert is_compiled(crunw, bundle)
    change(entries()[0] / "module.so")
    if booted:
        shutil.rmtree(NOTES / "verified", ignore_errors=True)
    with_policy(bundle, "auto")
    if change is remove_description and not booted:
        return  # what is mapped is what was verified
    assert not is_compiled(crunw, bundle)
    settle()
    assert is_compiled(crunw, bundle)
    assert crunw("cache", "verify").ok() == "1 entries, 0 damaged\n"


def test_verify(crunw, modules: Path, cache) -> None:
    crunw("cache", "warm", modules / "exit3.wasm", modules / "return.wasm").ok()
    flip(entries()[0] / "module.so")
    result = crunw("cache", "verify", "--json")
    assert result.status == 1
    document = json.loads(result.out)
    assert document["entries"] == 2
    assert document["damaged"][0]["problem"] == "the content is not what was written"
    assert len(entries()) == 1


@pytest.mark.parametrize("wrong", ["mode", "owner", "link"])
def test_a_cache_that_others_may_write_to_is_not_used(
    crunw, wasm_bundle, cache, tmp_path: Path, wrong: str
) -> None:
    """It is said what is wrong with it, where somebody relies on it."""
    bundle = with_policy(wasm_bundle("sleep"), "always")
    assert is_compiled(crunw, bundle)
    if wrong == "mode":
        CACHE.chmod(0o757)
    elif wrong == "owner":
        skip_without_root("to give files away")
        os.chown(CACHE, 65534, 0)
    else:
        skip_without_root("to mount")
        subprocess.run(["umount", CACHE], check=True)
        real = tmp_path / "real"
        mount(real, "mode=700")
        CACHE.rename(CACHE.with_name("aside"))
        CACHE.symlink_to(real)
    reasons = {
        "mode": "others may write to it, mode 0757 (remove it)",
        "owner": "belongs to user 65534 (remove it)",
        "link": "not a directory (remove it)",
    }
    try:
        assert crunw.run(bundle).error() == (
            "sleep.wasm: no compiled code, which run.oci.wasm.aot=always asks for:"
            f" the cache can't be used: {CACHE}: {reasons[wrong]}"
        )
        wrong_cache = f"the cache can't be used: {CACHE}: {reasons[wrong]}"
        assert crunw.create(with_policy(bundle, "auto")).notices() == [
            f"compiled code: {wrong_cache} (the module is interpreted)"
        ]
        assert crunw.state(bundle)["wasm"] == {"execution": "interpreted", "reason": wrong_cache}
        crunw("delete", "--force", bundle.id).ok()
    finally:
        if wrong == "link":
            CACHE.unlink()
            CACHE.with_name("aside").rename(CACHE)
            mount(CACHE, "mode=700")
            subprocess.run(["umount", real], check=True)
        CACHE.chmod(0o700)
        os.chown(CACHE, os.geteuid(), -1)


def free_bytes() -> int:
    status = os.statvfs(CACHE)
    return status.f_bavail * status.f_bsize


def test_disk_full(crunw, wasm_bundle, cache) -> None:
    """That is not the module's fault: when there is room again, it is compiled."""
    skip_without_root("to mount")
    for name in ("entries", "new", "queue"):
        (CACHE / name).mkdir(mode=0o700)
    with (CACHE / "ballast").open("wb") as ballast:
        subprocess.run(["mount", "-o", "remount,size=256k", CACHE], check=True)
        os.posix_fallocate(ballast.fileno(), 0, free_bytes())
    bundle = with_policy(wasm_bundle("exit3"), "always")
    assert crunw.run(bundle).error().startswith("exit3.wasm: no compiled code, which ")
    assert crunw.run(bundle).error().endswith(": No space left on device")
    os.truncate(CACHE / "ballast", os.stat(CACHE / "ballast").st_size - 3 * 4096)
    assert "exit3.wasm: not enough space in /var/cache/crunw/aot: " in crunw.run(bundle).error()
    with_policy(bundle, "auto")
    assert crunw.run(bundle).status == 3
    settle()
    assert entries() == []
    listed = json.loads(crunw("cache", "ls", "--format", "json").out)
    assert {each["status"] for each in listed} == {"waiting"}
    assert "not enough space" in listed[0]["reason"]
    (CACHE / "ballast").unlink()
    with_policy(bundle, "always")
    wait_for(lambda: crunw.run(bundle).status == 3, "another attempt")
    assert len(entries()) == 1
    assert json.loads(crunw("cache", "ls", "--json").out)[0]["status"] == "compiled"
    assert list((CACHE / "new").iterdir()) == []


def test_read_only_cache(crunw, wasm_bundle, cache) -> None:
    skip_without_root("to mount")
    bundle = with_policy(wasm_bundle("sleep"), "always")
    assert is_compiled(crunw, bundle)
    settle()  # a better tier may be made behind it
    remount = ["mount", "-o", "remount,ro", CACHE]
    # The last descriptor of a compiler may be closed a moment later.
    wait_for(lambda: subprocess.run(remount, check=False).returncode == 0, "the cache read only")
    assert is_compiled(crunw, bundle)


def test_noexec_cache(crunw, wasm_bundle, cache) -> None:
    """What can't be loaded is interpreted, and stays for those who can."""
    skip_without_root("to mount")
    bundle = with_policy(wasm_bundle("exit3"), "auto")
    crunw("cache", "warm", bundle.path).ok()
    subprocess.run(["mount", "-o", "remount,noexec", CACHE], check=True)
    for _ in range(2):
        done = crunw.run(bundle)
        assert done.status == 3
        assert done.err.startswith("crunw: warning: compiled code: ")
        assert done.err.endswith(" (the module is interpreted)\n")
    assert len(entries()) == 1
    assert "unusable code: " in crunw.run(with_policy(bundle, "always")).err.splitlines()[-1]
    crunw("cache", "prune", "--all").ok()
    assert "/var/cache/crunw/aot: mounted noexec" in crunw.run(bundle).error()
    subprocess.run(["mount", "-o", "remount,exec", CACHE], check=True)
    wait_for(lambda: crunw.run(bundle).status == 3, "another attempt")


def test_container_without_proc(crunw, wasm_bundle, cache) -> None:
    bundle = wasm_bundle("sleep")
    mounts = [mount for mount in bundle.config["mounts"] if mount["destination"] != "/proc"]
    bundle.change(mounts=mounts, linux__maskedPaths=[], linux__readonlyPaths=[])
    assert crunw.run(with_policy(bundle, "always")).err.splitlines()[-1] == (
        "crunw: sleep.wasm: no compiled code, which run.oci.wasm.aot=always asks for:"
        " unusable code: the container has no usable /proc"
    )
    with_policy(bundle, "auto")
    notice = "compiled code: the container has no usable /proc (the module is interpreted)"
    assert crunw.create(bundle).notices() == [notice]
    assert crunw.state(bundle)["notices"] == [notice]
    crunw("delete", "--force", bundle.id).ok()
    (bundle.rootfs / "proc/self/fd").mkdir(parents=True)
    for number in range(20):  # what an image can put there
        shutil.copy("/bin/true", bundle.rootfs / f"proc/self/fd/{number}")
    assert crunw.create(bundle).notices() == [notice]


def test_writers_at_once(crunw, modules: Path, cache) -> None:
    module = modules / "wasi_example_main.wasm"
    running = [crunw.spawn("cache", "warm", module) for _ in range(4)]
    assert [process.wait(60) for process in running] == [0] * 4
    assert len(entries()) == 1
    assert crunw("cache", "verify").ok() == "1 entries, 0 damaged\n"
    assert list((CACHE / "new").iterdir()) == []


def test_list_and_prune(crunw, modules: Path, cache) -> None:
    for name in ("exit3", "return", "trap"):
        crunw("cache", "warm", modules / f"{name}.wasm").ok()
    listed = json.loads(crunw("cache", "ls", "--json").ok())
    assert {entry["name"] for entry in listed} == {"exit3.wasm", "return.wasm", "trap.wasm"}
    for age, entry in enumerate(listed):
        path = CACHE / "entries" / entry["key"]
        assert entry["size"] == (path / "module.so").stat().st_size
        os.utime(path, (time.time() - 10 * age, time.time() - 10 * age))
    limit = listed[0]["size"] + listed[1]["size"]
    dropped = json.loads(crunw("cache", "prune", "--max-size", str(limit), "--json").ok())
    assert [entry["key"] for entry in dropped] == [listed[2]["key"]]
    assert crunw("cache", "ls").ok().splitlines()[1].startswith(listed[0]["key"][:12])
    crunw("cache", "prune", "--all").ok()
    assert entries() == []


def test_last_use_is_noted(crunw, wasm_bundle, cache) -> None:
    bundle = with_policy(wasm_bundle("exit3"), "always")
    assert crunw.run(bundle).status == 3
    (entry,) = entries()
    os.utime(entry, (1000, 1000))
    assert crunw.run(bundle).status == 3
    assert time.time() - entry.stat().st_mtime < 60


def test_what_can_not_be_compiled_is_tried_once(crunw, wasm_bundle, cache) -> None:
    bundle = with_policy(wasm_bundle("invalid"), "auto")
    for _ in range(2):
        assert "not valid" in crunw.run(bundle).error()
    bundle = with_policy(wasm_bundle("exit3"), "always")
    assert crunw.run(bundle).status == 3


def test_replaced_module(crunw, wasm_bundle, modules: Path, cache) -> None:
    """Another content with the same size and time is another module."""
    exit3 = (modules / "exit3.wasm").read_bytes()
    bundle = with_policy(wasm_bundle("exit3"), "always")
    path = bundle.rootfs / "exit3.wasm"
    for status in (3, 4, 5):
        path.unlink()
        path.write_bytes(exit3.replace(b"\x41\x03\x10\x00", bytes([0x41, status, 0x10, 0])))
        os.utime(path, (1000, 1000))
        assert crunw.run(bundle).status == status
    assert len(entries()) == 3


def test_index_of_large_modules(crunw, wasm_bundle, modules: Path, cache) -> None:
    exit3 = (modules / "exit3.wasm").read_bytes()
    bundle = with_policy(wasm_bundle("exit3"), "always")
    path = bundle.rootfs / "exit3.wasm"
    path.unlink()
    padding = b"\0" + b"\xff\xff\x0f" + b"\1x" + bytes(0x3FFFF - 2)  # a custom section
    path.write_bytes(exit3 + padding)
    time.sleep(2.1)
    for _ in range(2):
        assert crunw.run(bundle).status == 3
    (name,) = os.listdir(NOTES / "index")
    changed = time.monotonic()
    with path.open("r+b") as file:
        file.write((exit3 + padding).replace(b"\x41\x03\x10\x00", b"\x41\x04\x10\x00"))
    assert crunw.run(bundle).status == 4
    if time.monotonic() - changed < 2:  # compiling can take longer on a busy machine
        assert os.listdir(NOTES / "index") == [name]  # changed too lately to be noted
