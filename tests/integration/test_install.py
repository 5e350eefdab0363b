"""``crunw install``: the engines take what it writes."""

from __future__ import annotations

import subprocess

import pytest


def install(*words: str) -> subprocess.CompletedProcess[str]:
    command = ["crunw", "install", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.podman
def test_podman_takes_it(tmp_path, monkeypatch):
    done = install("podman", "--default", "--etc", tmp_path)
    path = tmp_path / "containers/containers.conf.d/crunw.conf"
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"--- /dev/null\n+++ {path}\n")
    monkeypatch.setenv("CONTAINERS_CONF_OVERRIDE", str(path))
    monkeypatch.setenv("PODMAN_IGNORE_CGROUPSV1_WARNING", "1")
    info = "{{.Host.OCIRuntime.Name}} {{.Host.OCIRuntime.Version}}"
    command = ["podman", "info", "--format", info]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert told.startswith("crunw crunw version ")


def test_dry_run_changes_nothing(tmp_path):
    done = install("crio", "--dry-run", "--etc", tmp_path)
    assert "+[crio.runtime.runtimes.crunw]\n" in done.stdout
    assert list(tmp_path.iterdir()) == []


def test_says_what_is_left_to_do(tmp_path):
    assert install("crio", "--etc", tmp_path).stderr == "next: systemctl restart crio\n"
    again = install("crio", "--etc", tmp_path)
    assert (again.stdout, again.stderr) == ("", "crio: nothing to change\n")
    back = install("crio", "--uninstall", "--etc", tmp_path)
    assert back.stdout.startswith("--- ")
    assert back.stderr == "next: systemctl restart crio\n"
    manifest = tmp_path / "kubernetes/crunw-runtimeclass.yaml"
    assert install("kubernetes", "--etc", tmp_path).stderr == f"next: kubectl apply -f {manifest}\n"


@pytest.mark.parametrize("words", [[], ["nerdctl"], ["crio", "podman"]])
def test_needs_one_engine(words):
    done = install(*words)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        "crunw: one engine is needed: crio, containerd, podman, docker, kubernetes\n"
    )
