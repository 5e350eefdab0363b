"""The portable archive for arm64, in an emulated machine that has nothing but busybox.

``CRUNW_TEST_ARM64_LOG`` names a file for what was done there.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path

import pytest
from archive.emulated import BUNDLES, Done, Machine
from archive.hosts import unpacked
from packages.deb import package
from packages.host import PROJECT

from crunw import __version__

CREATE = "crunw create --bundle {bundle} {name} >/run/{name}.log 2>&1 </dev/null"
PID = "$(crunw state {name} | sed -n 's/^ *\"pid\": \\([0-9]*\\),*/\\1/p')"
MODULE = f"{BUNDLES}/wasm/rootfs/app.wasm"


def run(name: str) -> str:
    return f"crunw run --bundle {BUNDLES}/{name} {name}"


def looked_at(name: str, command: str) -> str:
    """A step: create the container, look at its process, remove it."""
    create = CREATE.format(bundle=f"{BUNDLES}/wasm", name=name)
    look = command.format(PID.format(name=name))
    return f"{create}; {look}; crunw delete --force {name}"


INSTALL = "/srv/archive/install.sh"
INTERPRETED = looked_at("first", "grep -c /module.so /proc/{}/maps")
FILTERED = looked_at("filtered", "grep Seccomp /proc/{}/status")
COMPILED = looked_at("second", "grep -c /module.so /proc/{}/maps")
STEPS = [
    "uname -srm",
    INSTALL,
    "crunw --version",
    "crunw features",
    "crunw doctor",
    f"crunw inspect {MODULE}",
    run("native"),
    run("wasm"),
    run("hello"),
    run("component"),
    FILTERED,
    "crunw cache prune --all",
    INTERPRETED,
    f"crunw compile {MODULE}",
    f"crunw cache warm {BUNDLES}/wasm",
    COMPILED,
    "crunw list --format json",
]


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Done]:
    """What the machine has said of each step."""
    directory = tmp_path_factory.mktemp("arm64")
    given = os.environ.get("CRUNW_TEST_ARM64_ARCHIVE")
    archive = Path(given) if given else package("archive", directory, options=("--arch", "arm64"))
    made = subprocess.run(
        [PROJECT / "ci/arm64-root"], stdout=subprocess.PIPE, text=True, check=True
    )
    machine = Machine(directory, Path(made.stdout.strip()))
    unpacked(archive, machine.root / "srv").rename(machine.root / "srv/archive")
    subprocess.run([PROJECT / "ci/modules"], check=True)
    modules = PROJECT / "build/tests/modules"
    machine.add_bundle("native", machine.root / "bin/busybox", "/bin/sh", "-c", "echo native runs")
    machine.add_bundle("wasm", modules / "exit3.wasm", "/app.wasm")
    machine.add_bundle("hello", modules / "hello.wasm", "/app.wasm")
    machine.add_bundle("component", modules / "component_hello.wasm", "/app.wasm")
    said = machine.run(STEPS)
    lines = [f"$ {step}\n{one.text}= {one.status}\n" for step, one in said.items()]
    if log := os.environ.get("CRUNW_TEST_ARM64_LOG"):
        Path(log).write_text("".join(lines))
    return said


def test_programs_start(done: dict[str, Done]) -> None:
    assert done["uname -srm"].text.rstrip().endswith("aarch64")
    assert done[INSTALL].text.endswith("is installed: /opt/crunw/bin/crunw\n")
    assert done["crunw --version"].text.startswith(f"crunw version {__version__}")
    features = json.loads(done["crunw features"].text)
    assert "SCMP_ARCH_AARCH64" in features["linux"]["seccomp"]["archs"]


def test_doctor_is_content(done: dict[str, Done]) -> None:
    status, said = done["crunw doctor"]
    assert status == 0
    assert not re.search("^(missing|broken)", said, re.MULTILINE), said


def test_both_kinds_run(done: dict[str, Done]) -> None:
    assert done[run("native")] == (0, "native runs\n")
    assert done[run("wasm")] == (3, "")
    assert done[run("hello")] == (0, "Hello from WebAssembly\n")


def test_component_runs(done: dict[str, Done]) -> None:
    status, said = done[run("component")]
    assert status == 0, said


def test_module_is_behind_two_filters(done: dict[str, Done]) -> None:
    """Its own, of crunw, and the profile's."""
    assert re.findall("[0-9]+", done[FILTERED].text) == ["2", "2"]


def test_second_start_is_compiled(done: dict[str, Done]) -> None:
    assert done[INTERPRETED].text == "0\n"
    assert done[f"crunw compile {MODULE}"].status == 0
    assert int(done[COMPILED].text) > 0
    assert json.loads(done["crunw list --format json"].text) in ([], None)
