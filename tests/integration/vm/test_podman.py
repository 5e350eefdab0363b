"""podman as it comes with systemd: its cgroup manager is systemd, and so is the runtime's."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest
from support.commands import wait_for
from support.containers import last_number

IMAGE = "localhost/crunw-vm:latest"
TOP = Path("/sys/fs/cgroup")


@pytest.fixture(scope="module")
def image(busybox: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """An image of busybox alone."""
    path = tmp_path_factory.mktemp("image") / "root.tar"
    with tarfile.open(path, "w") as archive:
        archive.add(busybox, "bin/busybox")
        for applet in ("cat", "sh", "sleep"):
            link = tarfile.TarInfo(f"bin/{applet}")
            link.type, link.linkname = tarfile.SYMTYPE, "busybox"
            archive.addfile(link)
    podman("import", str(path), IMAGE)
    return IMAGE


def podman(*words: str) -> str:
    runtime = ["--runtime", str(shutil.which("crunw"))]
    done = subprocess.run(["podman", *runtime, *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_container_in_a_scope_with_limits(image, properties) -> None:
    assert json.loads(podman("info", "--format", "json"))["host"]["cgroupManager"] == "systemd"
    limits = (
        "--memory=64m",
        "--memory-swap=64m",
        "--pids-limit=50",
        "--cpus=0.5",
        "--cpuset-cpus=0",
    )
    words = ("run", "-d", *limits, "--cgroup-parent=pod_123-456.slice", image, "sleep", "1000")
    container = podman(*words).strip()
    try:
        group = podman("inspect", "--format", "{{.State.CgroupPath}}", container).strip()
        unit = f"libpod-{container}.scope"
        assert group == f"/pod_123.slice/pod_123-456.slice/{unit}"
        directory = TOP / group[1:]
        names = ("memory.max", "memory.swap.max", "pids.max", "cpu.max", "cpuset.cpus")
        found = [(directory / name).read_text().strip() for name in names]
        assert found == [str(64 << 20), "0", "50", "50000 100000", "0"]
        wanted = {"MemoryMax": str(64 << 20), "TasksMax": "50", "CPUQuotaPerSecUSec": "500ms"}
        assert properties(unit, *wanted) == wanted
        podman("update", "--memory=96m", container)
        assert properties(unit, "MemoryMax") == {"MemoryMax": str(96 << 20)}
        assert podman("exec", container, "cat", "/sys/fs/cgroup/pids.max") == "50\n"
        podman("pause", container)
        assert (directory / "cgroup.freeze").read_text() == "1\n"
        podman("unpause", container)
    finally:
        podman("rm", "--force", "--time", "0", container)
    wait_for(lambda: not os.path.exists(directory), "the end of the scope")


def test_checkpoint_and_restore(image, tmp_path: Path) -> None:
    """What counts goes on counting, in the same container and in one that is imported."""
    count = "i=0; while :; do i=$((i+1)); echo $i; sleep 0.2; done"
    container = podman("run", "-d", "--network=none", image, "sh", "-c", count).strip()
    archive = str(tmp_path / "checkpoint.tar")
    try:
        stopped_at = wait_for(lambda: last_logged(container, 2), "a count beyond 2")
        podman("container", "checkpoint", container)
        assert podman("inspect", "--format", "{{.State.Status}}", container) == "exited\n"
        podman("container", "restore", container)
        stopped_at = wait_for(lambda: last_logged(container, stopped_at), "the count to go on")
        podman("container", "checkpoint", "--leave-running", "--export", archive, container)
        podman("container", "restore", "--import", archive, "--name", "twin")
        for name in ("twin", container):
            wait_for(lambda name=name: last_logged(name, stopped_at), f"{name} to go on")
    finally:
        podman("rm", "--force", "--ignore", "--time", "0", container, "twin")


def last_logged(container: str, beyond: int) -> int:
    """The last number in the log, 0 if it is not greater than ``beyond``."""
    last = last_number(podman("logs", "--tail", "1", container))
    return last if last > beyond else 0
