"""README's first steps, on a host with systemd: podman and crunw both leave cgroups to it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.commands import wait_for

README = Path(__file__).parents[3] / "README.md"
ENTRIES = Path("/var/cache/crunw/aot/entries")
IMAGE = "localhost/crunw-first-steps:latest"


def call(*words: str) -> str:
    """What it prints. The settings are those that `crunw install` writes, not the tests' own."""
    environment = {name: value for name, value in os.environ.items() if "CONTAINERS_" not in name}
    done = subprocess.run(words, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, f"{words}: {done.stdout}{done.stderr}"
    return done.stdout


@pytest.fixture
def installed() -> Iterator[None]:
    """README's "Use it with an engine"."""
    _, _, section = README.read_text().partition("\n## Use it with an engine\n")
    block = re.search(r"```bash\n(.*?)```", section, re.DOTALL)
    assert block
    for command in block[1].splitlines():
        words = command.partition("#")[0].removeprefix("sudo ").split()
        assert "BROKEN" not in call(*words)
    yield
    call("crunw", "install", "--uninstall", "podman")


@pytest.fixture
def image(installed: None, busybox: Path, modules: Path, tmp_path: Path) -> Iterator[str]:
    """A shell, and a module that this node has not seen."""
    module = tmp_path / "sleep.wasm"
    name = os.urandom(16).hex().encode()
    module.write_bytes((modules / "sleep.wasm").read_bytes() + b"\0\x21\x20" + name)
    with tarfile.open(tmp_path / "root.tar", "w") as archive:
        archive.add(busybox, "bin/sh")
        archive.add(module, "sleep.wasm")
    call("podman", "import", str(tmp_path / "root.tar"), IMAGE)
    yield IMAGE
    call("podman", "rmi", IMAGE)


def is_compiled(image: str) -> bool:
    """Whether a container of the module runs compiled code, seen from outside."""
    container = call("podman", "--runtime=crunw", "run", "--detach", image, "/sleep.wasm").strip()
    try:
        state = json.loads(call("podman", "inspect", container))[0]["State"]
        assert state["CgroupPath"].endswith(f"libpod-{container}.scope")
        return "/module.so" in Path(f"/proc/{state['Pid']}/maps").read_text()
    finally:
        call("podman", "rm", "--force", "--time=0", container)


def test_both_kinds_and_a_compiled_second_start(image: str) -> None:
    assert json.loads(call("podman", "info", "--format=json"))["host"]["cgroupManager"] == "systemd"
    shell = ("--rm", image, "/bin/sh", "-c", "echo native runs")
    assert call("podman", "--runtime=crunw", "run", *shell) == "native runs\n"
    known = set(os.listdir(ENTRIES)) if ENTRIES.is_dir() else set()
    is_compiled(image)
    wait_for(lambda: ENTRIES.is_dir() and set(os.listdir(ENTRIES)) - known, "the compiled module")
    assert is_compiled(image)
