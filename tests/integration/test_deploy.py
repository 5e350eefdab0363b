"""``deploy/install``, the script of the DaemonSet, on a node of directories and stand-ins."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]
NSENTER = 'while [ "$1" != -- ]; do shift; done; shift; exec "$@"'
SYSTEMCTL = 'echo "systemctl $*"'
# In a mount namespace of its own, so that the node's directories are the test's.
PLAY = """
mount --bind "$1/opt" /opt
mkdir -p /etc/containerd
mount --bind "$1/etc" /etc/containerd
exec "$2"
"""


@pytest.fixture
def node(tmp_path):
    """The directory of the node: crunw lies where the image has it."""
    if os.geteuid() != 0:
        pytest.skip("needs root")
    (tmp_path / "etc").mkdir()
    (tmp_path / "bin").mkdir()
    crunw = shutil.which("crunw")
    assert crunw
    shutil.copytree(Path(crunw).parents[1], tmp_path / "opt" / "crunw", symlinks=True)
    for name, script in {"nsenter": NSENTER, "systemctl": SYSTEMCTL}.items():
        (tmp_path / "bin" / name).write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / "bin" / name).chmod(0o755)
    return tmp_path


def install(node: Path, engine: str) -> subprocess.CompletedProcess[str]:
    command = ["unshare", "--mount", "sh", "-euc", PLAY, "sh", node, PROJECT / "deploy" / "install"]
    environment = {
        "PATH": f"{node}/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "ENGINE": engine,
        "LC_ALL": "C.UTF-8",
    }
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def test_install_and_once_more(node):
    first = install(node, "containerd")
    assert (first.returncode, first.stderr) == (0, "next: systemctl restart containerd\n")
    assert "ok       libwasmedge" in first.stdout
    assert first.stdout.endswith("systemctl restart containerd\n")
    config = (node / "etc" / "config.toml").read_text()
    assert 'BinaryName = "/opt/crunw/bin/crunw"' in config
    again = install(node, "containerd")
    assert (again.returncode, again.stderr) == (0, "containerd: nothing to change\n")
    assert "systemctl" not in again.stdout
    assert os.listdir(node / "opt") == ["crunw"]


def test_engine_that_is_not_known(node):
    done = install(node, "docker-swarm")
    assert done.returncode == 1
    assert done.stderr.startswith("crunw: one engine is needed: ")
