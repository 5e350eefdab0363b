"""What surrounds the compiler of modules that nobody vouches for, while it works."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from pathlib import Path

import pytest
from support.aot import NOTES, background, below, entries, has_ended, read, settle, with_policy
from support.commands import wait_for
from support.containers import Bundle, Runtime, skip_without_root

from crunw.effects.cgroups.group import Cgroup
from crunw.effects.cgroups.layout import detect

PATH = "/crunw-compiler"
HALF = os.sysconf("SC_PHYS_PAGES") // 2 * os.sysconf("SC_PAGE_SIZE")
LIMITS = {  # by controller: files of v1 and v2, and what they hold
    "memory": {"memory.limit_in_bytes": HALF, "memory.max": HALF, "memory.swap.max": 0},
    "pids": {"pids.max": 1024},
}
LITTLE = 12 << 20  # bytes: LLVM alone takes more


def compiler(pid: int) -> list[str]:
    """The process that compiles, below one that was started for it; then those above it.

    Without its child, which waits to be asked about exceptions.
    """
    return [
        each
        for child in below(pid)
        for each in (*compiler(int(child)), child)
        if b"crunw-compiler" in read(f"/proc/{each}/cmdline")
        and status(each, "NSpid")[-1:] != ["3"]
    ]


def background_job() -> int:
    (pid,) = wait_for(background, "the background compiler")
    return pid


def status(pid: str, field: str) -> list[str]:
    for line in read(f"/proc/{pid}/status").decode().splitlines():
        name, _, value = line.partition(":")
        if name == field:
            return value.split()
    return []


def own_groups(pid: int) -> dict[str, Path]:
    """The directory of a compiler's job in the hierarchy of each controller."""
    group = Cgroup.at(detect(), f"{PATH}/{pid}")
    return {name: Path(group.directory(name)) for name in LIMITS if group.directory(name)}


def start(
    crunw: Runtime, bundle: Bundle, policy: str
) -> tuple[int, subprocess.Popen[bytes] | None]:
    """Have a module compiled: the process that was started for it, and who waits for it."""
    with_policy(bundle, policy)
    if policy == "auto":
        crunw.start(bundle)
        return background_job(), None
    process = crunw.spawn("create", "--bundle", bundle.path, bundle.id)

    def job() -> list[str]:
        return [pid for pid in below(process.pid) if b"\0build\0" in read(f"/proc/{pid}/cmdline")]

    return int(wait_for(job, "the compiler's parent")[0]), process


@pytest.mark.parametrize("policy", ["auto", "always"])
def test_limits_are_in_force(crunw, wasm_bundle, cache, policy: str) -> None:
    skip_without_root("to make cgroups")
    job, process = start(crunw, wasm_bundle("wasi_example_main"), policy)
    pid = wait_for(lambda: compiler(job), "the compiler")[0]
    groups = own_groups(job)
    for controller, directory in groups.items():
        assert pid in read(f"{directory}/cgroup.procs").decode().split(), controller
        for name, value in LIMITS[controller].items():
            limit = directory.parent / name
            assert not limit.exists() or limit.read_text() == f"{value}\n"
    assert groups
    if process:
        assert process.wait(60) == 0
    settle()
    assert len(entries()) == 1
    assert not any(directory.exists() for directory in groups.values())


def test_more_than_the_memory_limit_is_not_the_module_s_fault(crunw, wasm_bundle, cache) -> None:
    skip_without_root("to make cgroups")
    job, _ = start(crunw, wasm_bundle("wasi_example_main"), "auto")
    directory = own_groups(job)["memory"]
    # Somebody is in it, so that no other compiler takes it for a left one.
    with subprocess.Popen(["sleep", "600"]) as holder:
        try:
            hold(directory, holder.pid)
            limits = [directory / name for name in LIMITS["memory"] if (directory / name).exists()]
            if not limits:
                pytest.skip("no memory controller")
            for limit in (limits[0], directory / "memory.memsw.limit_in_bytes"):
                if limit.exists():
                    limit.write_text(str(LITTLE))
            settle()
        finally:
            holder.kill()
            holder.wait()
            with contextlib.suppress(OSError):
                directory.rmdir()
                directory.parent.rmdir()
    notes = [path.read_text() for path in (NOTES / "failed").iterdir()]
    assert notes
    for note in notes:
        assert note.splitlines()[1] == "passing", note
        assert "memory" in note, note
    assert entries() == []


def hold(directory: Path, pid: int) -> None:
    """Make a cgroup with a process in it; the one above may be removed meanwhile."""

    def held() -> bool:
        try:
            directory.mkdir(parents=True, exist_ok=True)
            (directory / "cgroup.procs").write_text(str(pid))
        except FileNotFoundError:
            return False
        return True

    wait_for(held, "the cgroup")


@pytest.mark.parametrize("policy", ["auto", "always"])
def test_its_own_pid_namespace_and_system_calls(crunw, wasm_bundle, cache, policy: str) -> None:
    job, process = start(crunw, wasm_bundle("wasi_example_main"), policy)
    pid = wait_for(
        lambda: [each for each in compiler(job) if status(each, "Seccomp") == ["2"]],
        "a compiler with a seccomp filter",
    )[0]
    own = len(status("self", "NSpid"))
    assert len(status(pid, "NSpid")) == own + 1
    assert status(pid, "NSpid")[-1] == "2"
    assert status(pid, "NoNewPrivs") == ["1"]
    assert status(pid, "CapEff") == status(pid, "CapBnd") or os.geteuid()
    if process:
        assert process.wait(60) == 0
    settle()
    assert len(entries()) == 1
    assert has_ended(int(pid))


@pytest.mark.parametrize("victim", [0, 1, 2])  # the compiler, its pid 1, who has started that
def test_a_killed_compiler_takes_the_others_along(crunw, wasm_bundle, cache, victim: int) -> None:
    job, _ = start(crunw, wasm_bundle("wasi_example_main"), "auto")

    def whole() -> list[str]:
        found = compiler(job)
        return found if len(found) == 3 and status(found[0], "Seccomp") == ["2"] else []

    found = wait_for(whole, "the compiler's three processes")
    os.kill(int(found[victim]), signal.SIGKILL)
    settle()
    wait_for(lambda: all(map(has_ended, map(int, found))), "their end")
    notes = [path.read_text().splitlines() for path in (NOTES / "failed").iterdir()]
    assert [note[1] for note in notes] == ["passing"] * len(notes)
    assert all("ended by signal 9" in note[-1] for note in notes)
    assert notes


def test_an_empty_cgroup_that_was_left_goes(crunw, wasm_bundle, cache) -> None:
    skip_without_root("to make cgroups")
    left = list(own_groups(os.getpid()).values())
    for directory in left:
        directory.mkdir(parents=True, exist_ok=True)
    job, _ = start(crunw, wasm_bundle("exit3"), "auto")
    settle()
    assert len(entries()) == 1, job
    assert not any(directory.exists() for directory in left)
