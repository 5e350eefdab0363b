"""A module, which is not executed, is to the kernel what a program is that execve(2) has made."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.containers import Bundle, Runtime, has_capability, in_user_namespace, skip_without_root

DEFAULT = (
    "CHOWN DAC_OVERRIDE FSETID FOWNER MKNOD NET_RAW SETGID SETUID SETFCAP SETPCAP "
    "NET_BIND_SERVICE SYS_CHROOT KILL AUDIT_WRITE"
).split()
SETS = ("bounding", "effective", "permitted", "inheritable", "ambient")
FIELDS = (
    "Uid Gid Groups Umask CapInh CapPrm CapEff CapBnd CapAmb NoNewPrivs Seccomp SigBlk"
).split()


def capabilities(*names: str, **sets: tuple[str, ...]) -> dict[str, list[str]]:
    """``process.capabilities``: ``names`` in the first three sets, and what ``sets`` says."""
    wanted = dict.fromkeys(SETS[:3], names) | sets
    return {kind: [f"CAP_{name}" for name in wanted[kind]] for kind in wanted}


def status(text: str) -> dict[str, str]:
    """The fields of /proc/PID/status that say who a process is."""
    lines = dict(line.split(":", 1) for line in text.splitlines() if ":" in line)
    return {name: lines[name].strip() for name in FIELDS}


@pytest.fixture
def container(wasm_bundle: Callable[..., Bundle], busybox: Path) -> Callable[..., Bundle]:
    """A bundle with ``files.wasm`` and busybox, and a volume with a file of root's alone. Without
    the filter that modules alone have.
    """

    def make(*args: str, **changes: Any) -> Bundle:
        made = wasm_bundle("files", *args)
        os.link(busybox, made.rootfs / "busybox")
        (made.rootfs / "volume").mkdir()
        secret = made.rootfs / "volume" / "secret"
        secret.write_text("secret\n")
        secret.chmod(0o600)
        made.config["annotations"]["run.oci.wasm.seccomp"] = "off"
        return made.change(**{"process__capabilities": capabilities(*DEFAULT)} | changes)

    return make


USER = {"uid": 1000, "gid": 1000}
HIDDEN = "/volume/secret"


def attack(runtime: Runtime, made: Bundle) -> str:
    """What a module of an ordinary user reads and writes of a file of root's alone."""
    made.process["args"] = ["/files.wasm", "read", HIDDEN]
    read = runtime.run(made.write()).out
    made.process["args"] = ["/files.wasm", "write", HIDDEN]
    return read + runtime.run(made.write()).out


@pytest.mark.parametrize("no_new_privs", [False, True])
@pytest.mark.parametrize("user_namespace", [False, True])
def test_a_module_of_an_ordinary_user_has_no_capabilities(
    crunw, container, weakened, no_new_privs, user_namespace
):
    made = container(process__user=USER, process__noNewPrivileges=no_new_privs)
    if user_namespace:
        in_user_namespace(made)
    assert attack(crunw, made) == f"{HIDDEN}: Permission denied\n" * 2
    assert (made.rootfs / "volume" / "secret").read_text() == "secret\n"
    assert attack(weakened("EXECUTED"), made) == "secret\n"


def test_nor_has_one_by_exec(crunw, container, weakened):
    made = container(process__args=["/busybox", "sleep", "1000"])
    crunw.start(made)
    read = ("exec", "--user", "1000:1000", made.id, "/files.wasm", "read", HIDDEN)
    assert crunw(*read).out == f"{HIDDEN}: Permission denied\n"
    assert crunw("exec", "--cap", "CAP_DAC_OVERRIDE", *read[1:]).out == (
        f"{HIDDEN}: Permission denied\n"
    )
    assert weakened("EXECUTED")(*read).out == "secret\n"


CASES = list(
    itertools.product(
        (0, 1000),
        (False, True),
        (
            capabilities(*DEFAULT),
            capabilities("CHOWN", "KILL", bounding=("CHOWN", "KILL", "SETUID", "NET_RAW")),
            capabilities("CHOWN", "KILL", inheritable=("CHOWN", "KILL"), ambient=("KILL",)),
            {},
        ),
    )
)
RULES = {
    "defaultAction": "SCMP_ACT_ALLOW",
    "syscalls": [{"names": ["mount"], "action": "SCMP_ACT_ERRNO"}],
}


def module_and_program(runtime: Runtime, made: Bundle, **how: Any) -> list[dict[str, str]]:
    """Who either is, in containers that are the same but for what runs."""
    found = []
    for args in (["/files.wasm", "read"], ["/busybox", "cat"]):
        made.process["args"] = [*args, "/proc/self/status"]
        found.append(status(runtime.run(made.write(), **how).ok()))
    return found


@pytest.mark.parametrize("user_namespace", [False, True])
def test_a_module_is_who_a_program_is(crunw, container, user_namespace):
    made = container()
    if user_namespace:
        in_user_namespace(made)
    for uid, no_new_privs, sets in CASES:
        user = {"uid": uid, "gid": 5, "additionalGids": [6], "umask": 0o27}
        made.change(
            process__user=user, process__noNewPrivileges=no_new_privs, process__capabilities=sets
        )
        module, program = module_and_program(crunw, made)
        assert module == program, (user, no_new_privs, sets)


@pytest.mark.parametrize("uid", [0, 1000])
def test_nor_does_a_filter_change_it(crunw, container, uid):
    """A module executes nothing, so that no_new_privs takes nothing from it (docs/wasm.md)."""
    made = container(process__user={"uid": uid, "gid": 0}, linux__seccomp=RULES)
    made.change(process__noNewPrivileges=False)
    module, program = module_and_program(crunw, made)
    assert (module.pop("NoNewPrivs"), program.pop("NoNewPrivs")) == ("1", "0")
    assert module == program


@pytest.mark.parametrize("uid", [0, 1000])
def test_nor_does_the_filter_of_modules(crunw, container, uid):
    made = container(process__user={"uid": uid, "gid": 0})
    del made.config["annotations"]["run.oci.wasm.seccomp"]
    module, program = module_and_program(crunw, made.change(process__noNewPrivileges=False))
    assert (module.pop("NoNewPrivs"), program.pop("NoNewPrivs")) == ("1", "0")
    assert (module.pop("Seccomp"), program.pop("Seccomp")) == ("2", "0")
    assert module == program


@pytest.mark.skipif(not has_capability(8), reason="securebits need CAP_SETPCAP")
@pytest.mark.parametrize("bit", ["noroot", "no_setuid_fixup"])
def test_nor_do_the_securebits_of_the_caller(crunw, container, bit):
    """With noroot, root is a user like others (capabilities(7))."""
    skip_without_root("to set securebits")
    held = ",".join(f"+cap_{number}" for number in range(41) if has_capability(number))
    prefix = ["setpriv", "--inh-caps", held, "--ambient-caps", held, "--securebits", f"+{bit}"]
    for sets in (capabilities(*DEFAULT), capabilities("KILL", inheritable=("KILL",))):
        made = container(process__capabilities=sets)
        module, program = module_and_program(crunw, made, prefix=[*prefix, "--"])
        assert module == program
        assert (module["CapEff"] == "0" * 16) == (bit == "noroot")


def test_a_module_by_exec_is_who_a_program_is(crunw, container):
    made = container(process__args=["/busybox", "sleep", "1000"])
    crunw.start(made)
    for options in (
        [],
        ["--user", "1000"],
        ["--user", "1000", "--cap", "CAP_KILL"],
        ["--no-new-privs"],
    ):
        module, program = (
            status(crunw("exec", *options, made.id, *args, "/proc/self/status").ok())
            for args in (["/files.wasm", "read"], ["/busybox", "cat"])
        )
        assert module == program, options


# --- The module's own memory ----------------------------------------------------------------------

MEMORY = "/proc/self/mem"
ENDED_BY_CODE_OF_ITS_OWN = {128 + 4, 128 + 5, 128 + 7, 128 + 11}  # ILL, TRAP, BUS, SEGV


# Without a user namespace, an ordinary user's process is not dumpable: he can't even read there.
@pytest.mark.parametrize(("uid", "user_namespace"), [(0, False), (0, True), (1000, True)])
def test_a_module_can_not_overwrite_the_engine(crunw, wasm_bundle, weakened, uid, user_namespace):
    made = wasm_bundle("overwrite", process__user={"uid": uid, "gid": 0})
    if user_namespace:
        in_user_namespace(made)
    result = crunw.run(made)
    assert (result.status, result.out) == (1, f"{MEMORY}: Read-only file system\n")
    assert weakened("PROC").run(made).status in ENDED_BY_CODE_OF_ITS_OWN
    made.config["annotations"]["run.oci.wasm.proc"] = "writable"
    assert crunw.run(made.write()).status in ENDED_BY_CODE_OF_ITS_OWN


@pytest.mark.parametrize("path", ["/proc/1/mem", "/host/self/mem", "/proc/self/task/1/mem"])
def test_nor_by_another_way_there(crunw, wasm_bundle, path):
    """Also by a bind mount of the host's procfs, which its namespaces would not have."""
    made = wasm_bundle("overwrite", path)
    made.config["mounts"].append(
        {"destination": "/host", "type": "bind", "source": "/proc", "options": ["rbind", "rw"]}
    )
    result = crunw.run(made.write())
    assert (result.status, result.out) == (1, f"{path}: Read-only file system\n")


def test_nor_by_exec_which_leaves_the_others_alone(crunw, container, modules):
    """A native program of the same container may write to procfs, before and after."""
    made = container(process__args=["/busybox", "sleep", "1000"])
    os.link(modules / "overwrite.wasm", made.rootfs / "overwrite.wasm")
    crunw.start(made)
    adjust = ("exec", made.id, "/busybox", "sh", "-c", "echo 500 > /proc/self/oom_score_adj")
    assert crunw(*adjust).ok() == ""
    result = crunw("exec", made.id, "/overwrite.wasm")
    assert (result.status, result.out) == (1, f"{MEMORY}: Read-only file system\n")
    assert crunw(*adjust).ok() == ""
