"""The manifests of ``deploy`` and of ``crunw install``, checked by Kubernetes' own code."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from kubelet.node import build
from support.commands import PROJECT

# kustomize's own file is none of the API's.
MANIFESTS = sorted(
    path for path in (PROJECT / "deploy").rglob("*.yaml") if path.name != "kustomization.yaml"
)


def check(*paths: Path) -> subprocess.CompletedProcess[str]:
    command = [build("manifests"), *paths]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_there_are_manifests():
    names = {path.name for path in MANIFESTS}
    assert {"runtimeclass.yaml", "daemonset.yaml", "deployment.yaml", "mixed-pod.yaml"} <= names


@pytest.mark.parametrize("path", MANIFESTS, ids=lambda path: path.name)
def test_manifest(path):
    checked = check(path)
    assert (checked.returncode, checked.stderr) == (0, "")


def test_manifest_of_install(tmp_path):
    command = ["crunw", "install", "kubernetes", "--etc", tmp_path]
    subprocess.run(command, check=True, capture_output=True)
    checked = check(tmp_path / "kubernetes" / "crunw-runtimeclass.yaml")
    assert (checked.returncode, checked.stderr) == (0, "")


@pytest.mark.parametrize(
    ("old", "new", "error"),
    [
        ("handler: crunw", "handlr: crunw", 'unknown field "handlr"'),
        ("handler: crunw", "handler: CRUNW", "handler: Invalid value"),
        ("node.k8s.io/v1", "node.k8s.io/v9", "no kind"),
    ],
)
def test_mistakes_are_found(tmp_path, old, new, error):
    text = (PROJECT / "deploy" / "runtimeclass.yaml").read_text()
    path = tmp_path / "wrong.yaml"
    path.write_text(text.replace(old, new))
    checked = check(path)
    assert checked.returncode == 1
    assert error in checked.stderr
