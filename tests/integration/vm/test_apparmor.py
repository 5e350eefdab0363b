"""AppArmor: the profile is that of the container's processes, native and WebAssembly, and holds."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.containers import Runtime

NAME = "crunw-test"
PROFILE = f"""
profile {NAME} flags=(attach_disconnected, mediate_deleted) {{
    file,
    capability,
    network,
    signal,
    deny /closed rw,
    deny /closed/** rw,
}}
"""


def load(option: str) -> None:
    command = ["apparmor_parser", option, "--skip-cache"]
    subprocess.run(command, input=PROFILE, text=True, check=True)


@pytest.fixture(scope="module", autouse=True)
def profile() -> Iterator[None]:
    load("--replace")
    yield
    load("--remove")


def confined(made, *args: str, profile: str = NAME):
    (made.rootfs / "closed").mkdir(exist_ok=True)
    (made.rootfs / "closed/file").write_text("secret\n")
    if args:
        made.process["args"] = list(args)
    return made.change(process__apparmorProfile=profile)


def label(pid: int) -> str:
    return Path(f"/proc/{pid}/attr/apparmor/current").read_text().strip()


@pytest.mark.parametrize("privileges", ["new", "no new"])
def test_native(crunw: Runtime, bundle, privileges: str) -> None:
    made = confined(bundle("cat", "/proc/self/attr/apparmor/current", "/closed/file"))
    result = crunw.run(made.change(process__noNewPrivileges=privileges == "no new"))
    assert result.out == f"{NAME} (enforce)\n"
    assert "/closed/file': Permission denied" in result.err


@pytest.mark.parametrize("privileges", ["new", "no new"])
def test_module(crunw: Runtime, wasm_bundle, privileges: str) -> None:
    """What runs it executes no other program: the profile is in force without one."""
    made = confined(wasm_bundle("files"), "/files.wasm", "read", "/closed/file")
    made.change(process__noNewPrivileges=privileges == "no new")
    result = crunw.run(made)
    assert (result.status, result.out) == (1, "/closed/file: Permission denied\n")
    sleeping = confined(wasm_bundle("sleep"))
    crunw.start(sleeping)
    assert label(crunw.state(sleeping)["pid"]) == f"{NAME} (enforce)"


def test_compiled_module(crunw: Runtime, wasm_bundle, cache) -> None:
    made = confined(wasm_bundle("files"), "/files.wasm", "read", "/closed/file")
    made.config["annotations"]["run.oci.wasm.aot"] = "always"
    result = crunw.run(made.write())
    assert (result.status, result.out) == (1, "/closed/file: Permission denied\n")


def test_exec(crunw: Runtime, bundle) -> None:
    made = confined(bundle("sleep", "1000"))
    crunw.start(made)
    show = ("cat", "/proc/self/attr/apparmor/current")
    assert crunw("exec", made.id, *show).ok() == f"{NAME} (enforce)\n"
    other = bundle("sleep", "1000")
    crunw.start(other)
    assert crunw("exec", other.id, *show).ok() == "unconfined\n"
    assert crunw("exec", "--apparmor", NAME, other.id, *show).ok() == f"{NAME} (enforce)\n"


@pytest.mark.parametrize("kind", ["native", "wasm"])
def test_profile_that_is_not_loaded(crunw: Runtime, bundle, wasm_bundle, kind: str) -> None:
    made = bundle("true") if kind == "native" else wasm_bundle("exit3")
    error = crunw.run(confined(made, profile="crunw-missing")).error()
    assert "crunw-missing" in error
    assert "AppArmor" in error
