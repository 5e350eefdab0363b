"""``deploy/install``, the script of the DaemonSet, on a node of directories and stand-ins."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
from support.commands import PATIENCE, wait_for

PROJECT = Path(__file__).parents[2]
PREFIX = PROJECT / "build" / "release" / "prefix"
INSTALLER = PROJECT / "deploy" / "packaging" / "archive" / "install.sh"
NSENTER = 'while [ "$1" != -- ]; do shift; done; shift; exec "$@"'
# The engine starts unless its configuration, or the file `broken`, says otherwise.
SYSTEMCTL = """
[ "$1" != cat ] || [ "$2" = "${UNIT:-containerd}" ] || exit 1
[ "$1" = restart ] || exit 0
echo "systemctl $*"
[ ! -e "$NODE/broken" ] || ! grep -qsf "$NODE/broken" /etc/containerd/config.toml || exit 1
"""
# The API server and CRI-O: the node's document, the labels that are asked for.
CURL = """
[ "$1" = --config ] || exec cat "$NODE/crio"
grep -q "Bearer secret" || exit 1
while [ $# -gt 1 ]; do
    [ "$1" != --data ] || echo "$2" >>"$NODE/labels"
    shift
done
cat "$NODE/document"
"""
# In a mount namespace of its own, so that the node's directories are the test's.
PLAY = """
for directory in opt etc/containerd var/lib/crunw var/lib/rancher var/run/secrets; do
    mkdir -p "/$directory" "$NODE/$directory"
    mount --bind "$NODE/$directory" "/$directory"
done
exec "$@"
"""


@pytest.fixture
def node(tmp_path):
    """The directory of the node, with an archive whose programs are those of the machine."""
    if os.geteuid() != 0:
        pytest.skip("needs root")
    archive = tmp_path / "archive"
    shutil.copytree(PREFIX, archive, symlinks=True)
    shutil.copy(INSTALLER, archive)
    (archive / "VERSION").write_text("1\n")
    (archive / "lib" / "crunw" / "relocations").touch()
    (tmp_path / "bin").mkdir()
    for name, script in {"nsenter": NSENTER, "systemctl": SYSTEMCTL, "curl": CURL}.items():
        (tmp_path / "bin" / name).write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / "bin" / name).chmod(0o755)
    account = tmp_path / "var/run/secrets/kubernetes.io/serviceaccount"
    account.mkdir(parents=True)
    (account / "token").write_text("secret")
    return tmp_path


def command(node: Path, engine: str, *options: str, **more: str) -> dict[str, Any]:
    """What starts the script: the arguments of :class:`subprocess.Popen`."""
    play = ["unshare", "--mount", "sh", "-euc", PLAY, "sh", PROJECT / "deploy" / "install"]
    environment = {
        "PATH": f"{node}/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "ENGINE": engine,
        "ARCHIVE": f"{node}/archive",
        "NODE": str(node),
        "NODE_NAME": "node",
        "KUBERNETES_SERVICE_HOST": "api",
        "KUBERNETES_SERVICE_PORT": "443",
        "LC_ALL": "C.UTF-8",
        **more,
    }
    return {"args": [*play, *options], "env": environment}


def install(node: Path, engine: str, **more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        **command(node, engine, **more), capture_output=True, text=True, check=False
    )


def config(node: Path) -> Path:
    return node / "etc" / "containerd" / "config.toml"


def unread(node: Path) -> list[Path]:
    """The marks of restarts that were not finished."""
    return list((node / "var" / "lib" / "crunw").iterdir())


def test_install_and_once_more(node):
    first = install(node, "containerd")
    assert (first.returncode, first.stderr) == (0, "next: systemctl restart containerd\n")
    assert "ok       libwasmedge" in first.stdout
    assert first.stdout.endswith("systemctl restart containerd\n")
    assert 'BinaryName = "/opt/crunw/bin/crunw"' in config(node).read_text()
    again = install(node, "containerd")
    assert (again.returncode, again.stderr) == (0, "containerd: nothing to change\n")
    assert "systemctl" not in again.stdout
    there = sorted(os.listdir(node / "opt" / "crunw"))
    assert there == ["1", "bin", "current", "lib", "share"]


def test_engine_that_is_not_known(node):
    done = install(node, "docker-swarm")
    assert done.returncode == 1
    assert done.stderr.startswith(
        "crunw-installer: ENGINE: 'docker-swarm' is not containerd, crio, k3s or rke2"
    )


@pytest.mark.parametrize(
    ("file", "text", "error"),
    [
        ("archive/lib/crunw/crunw/lib/crunw-init", None, "crunw would not work on the node"),
        ("etc/containerd/config.toml", "version =\n", "config.toml: is not valid TOML"),
        ("etc/containerd/config.toml", "version = 9\n", "config.toml: unknown version 9"),
    ],
)
def test_what_can_not_work_changes_nothing(node, file, text, error):
    install(node, "containerd")
    config(node).unlink()
    (node / "archive" / "VERSION").write_text("2\n")
    if text is None:
        (node / file).unlink()
    else:
        (node / file).write_text(text)
    done = install(node, "containerd")
    assert done.returncode == 1
    assert error in done.stdout + done.stderr
    assert os.readlink(node / "opt" / "crunw" / "current") == "1"
    assert not (node / "opt" / "crunw" / "2").exists()
    assert "systemctl" not in done.stdout
    assert not unread(node)


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
        assert not config(node).exists()
    (node / "broken").unlink()
    assert install(node, "containerd").returncode == 0
    assert not unread(node)


def test_unfinished_restart_is_made_up_for(node):
    install(node, "containerd")
    (node / "broken").write_text("crunw\n")
    mark = node / "var/lib/crunw/restart-containerd"
    mark.touch()  # as one leaves it who was ended before
    failed = install(node, "containerd")
    assert failed.returncode == 1
    assert "containerd did not start" in failed.stderr
    assert mark.exists()
    (node / "broken").unlink()
    again = install(node, "containerd")
    assert again.returncode == 0
    assert again.stdout.endswith("systemctl restart containerd\n")
    assert "systemctl" not in install(node, "containerd").stdout


def test_new_version_takes_the_place_of_the_old_one(node):
    for version in ("1", "2", "3"):
        (node / "archive" / "VERSION").write_text(f"{version}\n")
        done = install(node, "containerd")
        assert done.returncode == 0
        assert ("systemctl restart" in done.stdout) == (version == "1")
    there = sorted(os.listdir(node / "opt" / "crunw"))
    assert there == ["2", "3", "bin", "current", "lib", "share"]
    assert os.readlink(node / "opt" / "crunw" / "current") == "3"


def labels(node: Path) -> list[Any]:
    """The values that the label ready has been given."""
    file = node / "labels"
    lines = file.read_text().splitlines() if file.exists() else []
    return [json.loads(line)["metadata"]["labels"]["crunw.io/ready"] for line in lines]


HANDLERS = {
    "containerd": ("document", '{"status": {"runtimeHandlers": [{"name": "%s"}]}}'),
    "crio": ("crio", "[crio.runtime.runtimes.%s]\n"),
}


@pytest.mark.parametrize("engine", HANDLERS)
def test_label_when_the_engine_reports_the_runtime(node, engine):
    """Until then there is none. As the first process of a pid namespace it ends on TERM."""
    file, text = HANDLERS[engine]
    (node / "document").touch()
    (node / file).write_text(text % "runc")
    play = command(node, engine, "--ready")
    play["args"][1:1] = ["--pid", "--fork", "--kill-child"]
    with subprocess.Popen(**play, stdout=subprocess.DEVNULL) as process:
        wait_for(lambda: labels(node) == [None], "the first label")
        (node / file).write_text(text % "crunw")
        wait_for(lambda: labels(node) == [None, "true"], "the label")
        (first,) = children(process.pid)
        os.kill(first, signal.SIGTERM)
        assert process.wait(PATIENCE) == 0


def test_uninstall(node):
    install(node, "containerd")
    (node / "document").touch()
    with subprocess.Popen(**command(node, "containerd", "--uninstall")) as process:
        wait_for(lambda: not (node / "opt" / "crunw").exists(), "the end of the installation")
        process.terminate()
        assert process.wait(PATIENCE) == 0
    assert labels(node) == [None]
    assert not config(node).exists()


@pytest.mark.parametrize(
    ("version", "name"), [("2", "config.toml.tmpl"), ("3", "config-v3.toml.tmpl")]
)
def test_k3s(node, version, name):
    """Its template gets the runtime, whatever else it has; the node's unit is that of an agent."""
    directory = node / "var/lib/rancher/k3s/agent/etc/containerd"
    directory.mkdir(parents=True)
    (directory / "config.toml").write_text(f"version = {version}\n  SystemdCgroup = true\n")
    done = install(node, "k3s", UNIT="k3s-agent")
    assert done.returncode == 0, done
    assert done.stdout.endswith("systemctl restart k3s-agent\n")
    base, _, rest = (directory / name).read_text().partition("\n")
    assert base == '{{ template "base" . }}'
    (runtime,) = tomllib.loads(rest)["plugins"].values()
    options = {"BinaryName": "/opt/crunw/bin/crunw", "SystemdCgroup": True}
    assert runtime["containerd"]["runtimes"]["crunw"]["options"] == options
    assert "systemctl" not in install(node, "k3s", UNIT="k3s-agent").stdout


def children(pid: int) -> list[int]:
    path = Path(f"/proc/{pid}/task/{pid}/children")
    return [int(word) for word in path.read_text().split()]
