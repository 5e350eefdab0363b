"""Containers that a change of an engine's configuration would orphan, by their monitors."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from crunw.setup.running import orphans

CRUNW, CRUN = "/usr/bin/crunw", "/usr/bin/crun"


def process(proc: Path, pid: int, *words: str, ended: bool = False) -> None:
    """A process; a monitor's container has the same number and a zero."""
    (proc / str(pid)).mkdir(parents=True)
    if "-c" in words:
        pid_file = proc / f"{pid}.pidfile"
        pid_file.write_text(f"{pid}0")
        words = (*words, "-p", str(pid_file))
        if not ended:
            (proc / f"{pid}0").mkdir()
            (proc / f"{pid}0" / "cmdline").write_bytes(b"sleep\0")
    (proc / str(pid) / "cmdline").write_bytes(b"".join(f"{word}\0".encode() for word in words))


def crio_container(proc: Path, pid: int, runtime: str, handler: str) -> None:
    """A monitor as CRI-O starts it, and the configurations of the container and its sandbox."""
    containers = proc / "store" / "overlay-containers"
    annotations = {
        f"c{pid}": {"io.kubernetes.cri-o.SandboxID": f"s{pid}"},
        f"s{pid}": {"io.kubernetes.cri-o.RuntimeHandler": handler},
    }
    for identity, known in annotations.items():
        directory = containers / identity / "userdata"
        directory.mkdir(parents=True)
        (directory / "config.json").write_text(json.dumps({"annotations": known}))
    persist = str(containers / f"c{pid}" / "userdata")
    words = ["-b", "/run/bundle", "-c", f"c{pid}", "--exit-dir", "/run/crio/exits", "-r", runtime]
    process(proc, pid, "/usr/libexec/crio/conmon", *words, "--persist-dir", persist)


@pytest.fixture
def proc(tmp_path: Path) -> Path:
    process(tmp_path, 1, "/sbin/init")
    process(tmp_path, 2)
    crio_container(tmp_path, 3, CRUN, "")
    crio_container(tmp_path, 4, CRUN, "crun")
    crio_container(tmp_path, 5, CRUNW, "crunw")
    for pid, runtime in ((6, CRUN), (7, CRUNW), (8, CRUNW), (9, CRUNW)):
        words = ["-c", f"p{pid}", "-r", runtime, "--exit-command", "/usr/bin/podman"]
        words += ["-e"] if pid == 9 else []  # the monitor of an exec
        process(tmp_path, pid, "/usr/bin/conmon", *words, ended=pid == 8)
    return tmp_path


@pytest.mark.parametrize(
    ("engine", "default", "uninstall", "found"),
    [
        ("crio", False, False, []),
        ("crio", True, False, ["c3"]),
        ("crio", False, True, ["c5"]),
        ("podman", True, False, []),
        ("podman", False, True, ["p7"]),
        ("containerd", True, False, []),
        ("docker", False, True, []),
    ],
)
def test_orphans(proc, engine, default, uninstall, found):
    lost = orphans(engine, CRUNW, default=default, uninstall=uninstall, proc=str(proc))
    assert [container.identity for container in lost] == found


def test_link_to_the_program(proc, tmp_path):
    link = tmp_path / "link"
    link.symlink_to(CRUNW)
    lost = orphans("crio", str(link), default=False, uninstall=True, proc=str(proc))
    assert [container.identity for container in lost] == ["c5"]


def test_pod_whose_configuration_is_gone(proc, tmp_path):
    """Nobody knows its handler: it is counted."""
    (tmp_path / "store/overlay-containers/s4/userdata/config.json").unlink()
    lost = orphans("crio", CRUNW, default=True, uninstall=False, proc=str(proc))
    assert sorted(container.identity for container in lost) == ["c3", "c4"]
