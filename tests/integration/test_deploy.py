"""``deploy/install``, the script of the DaemonSet, on a node of directories and stand-ins."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
from pathlib import Path

import pytest
from support.commands import PATIENCE, wait_for
from support.containers import skip_without_root

PROJECT = Path(__file__).parents[2]
PREFIX = PROJECT / "build" / "release" / "prefix"  # as the image has it in /opt/crunw
NSENTER = 'while [ "$1" != -- ]; do shift; done; shift; exec "$@"'
# The engine starts unless its configuration, or the file `broken`, says otherwise.
SYSTEMCTL = """
[ "$1" = restart ] || exit 0
echo "systemctl $*"
[ ! -e "$NODE/broken" ] || ! grep -qsf "$NODE/broken" /etc/containerd/config.toml || exit 1
"""
# In a mount namespace of its own, so that the node's directories are the test's.
PLAY = """
mount --bind "$1/opt" /opt
mkdir -p /etc/containerd
mount --bind "$1/etc" /etc/containerd
mkdir -p /var/lib/crunw
mount --bind "$1/lib" /var/lib/crunw
exec "$2"
"""


@pytest.fixture
def node(tmp_path):
    """The directory of the node: crunw lies where the image has it."""
    if os.geteuid() != 0:
        pytest.skip("needs root")
    for name in ("etc", "bin", "lib"):
        (tmp_path / name).mkdir()
    shutil.copytree(PREFIX, tmp_path / "opt" / "crunw", symlinks=True)
    for name, script in {"nsenter": NSENTER, "systemctl": SYSTEMCTL}.items():
        (tmp_path / "bin" / name).write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / "bin" / name).chmod(0o755)
    return tmp_path


def install(node: Path, engine: str) -> subprocess.CompletedProcess[str]:
    command = ["unshare", "--mount", "sh", "-euc", PLAY, "sh", node, PROJECT / "deploy" / "install"]
    environment = {
        "PATH": f"{node}/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "ENGINE": engine,
        "NODE": str(node),
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
    assert done.stderr.startswith(
        "crunw-installer: ENGINE: 'docker-swarm' is not containerd or crio"
    )


def before(node: Path) -> os.stat_result:
    """The directory of the earlier installation."""
    return (node / "opt" / "crunw").stat()


@pytest.mark.parametrize(
    ("file", "text", "error"),
    [
        ("opt/crunw/**/crunw-init", None, "crunw would not work on the node"),
        ("etc/config.toml", "version =\n", "config.toml: is not valid TOML"),
        ("etc/config.toml", "version = 9\n", "config.toml: unknown version 9"),
    ],
)
def test_what_can_not_work_changes_nothing(node, file, text, error):
    if text is None:
        (path,) = node.glob(file)
        path.unlink()
    else:
        (node / file).write_text(text)
    there = before(node)
    done = install(node, "containerd")
    assert done.returncode == 1
    assert error in done.stdout + done.stderr
    assert os.path.samestat(there, before(node))
    assert "systemctl" not in done.stdout
    assert not list((node / "lib").iterdir())


def test_engine_that_does_not_start_with_crunw(node):
    """It is started again without, and the installation has failed, also the next time."""
    (node / "broken").write_text("crunw\n")
    for _ in range(2):
        done = install(node, "containerd")
        assert done.returncode == 1
        assert done.stderr.endswith(
            "containerd did not start with crunw in its configuration, which was taken out\n"
        )
        assert done.stdout.endswith("systemctl restart containerd\n" * 2)
        assert not (node / "etc" / "config.toml").exists()
    (node / "broken").unlink()
    assert install(node, "containerd").returncode == 0
    assert not list((node / "lib").iterdir())


def test_unfinished_restart_is_made_up_for(node):
    install(node, "containerd")
    (node / "broken").write_text("crunw\n")
    (node / "lib" / "restart-containerd").touch()  # as one leaves it who was ended before
    failed = install(node, "containerd")
    assert failed.returncode == 1
    assert "containerd did not start" in failed.stderr
    assert (node / "lib" / "restart-containerd").exists()
    (node / "broken").unlink()
    again = install(node, "containerd")
    assert again.returncode == 0
    assert again.stdout.endswith("systemctl restart containerd\n")
    assert "systemctl" not in install(node, "containerd").stdout


def test_new_version_takes_the_place_of_the_old_one(node):
    install(node, "containerd")
    there = before(node)
    done = install(node, "containerd")
    assert done.returncode == 0
    assert not os.path.samestat(there, before(node))
    assert os.listdir(node / "opt") == ["crunw"]


def test_pod_of_the_daemonset_ends_on_term():
    """As the first process of its pid namespace, as in its container."""
    skip_without_root("to make a pid namespace")
    manifest = (PROJECT / "deploy" / "daemonset.yaml").read_text()
    (text,) = [line.partition(":")[2] for line in manifest.splitlines() if "trap" in line]
    command = ["unshare", "--pid", "--fork", "--kill-child", *json.loads(text)]
    with subprocess.Popen(command) as process:
        (first,) = wait_for(lambda: children(process.pid), "the first process")
        wait_for(lambda: children(first), "its sleep")
        os.kill(first, signal.SIGTERM)
        assert process.wait(PATIENCE) == 0


def children(pid: int) -> list[int]:
    path = Path(f"/proc/{pid}/task/{pid}/children")
    return [int(word) for word in path.read_text().split()]
