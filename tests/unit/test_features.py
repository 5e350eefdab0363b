"""``crunw features`` and ``crunw --version``: only what can be loaded is claimed."""

from __future__ import annotations

import sys

import pytest

from crunw import paths
from crunw.cli.version import version_text
from crunw.lifecycle.features import features


def claims() -> tuple[set[str], list[bool]]:
    """The words of ``--version``; systemd, seccomp and WebAssembly in the document."""
    document = features()
    linux = document["linux"]
    words = set(version_text("1").splitlines()[-1].split())
    wasm = document["annotations"]["run.oci.crun.wasm"] == "true"
    return words, [linux["cgroup"]["systemd"], linux["seccomp"]["enabled"], wasm]


def test_all_that_is_installed():
    words, found = claims()
    assert found == [True, True, True]
    assert {
        "+SYSTEMD",
        "+SECCOMP",
        "+CRIU",
        "+WASM:wasmedge",
        "+WASM:wasmtime",
        "+CAP",
        "+EBPF",
    } <= words


@pytest.mark.parametrize(
    ("modules", "lacks", "words"),
    [
        (["jeepney"], [0], {"+SYSTEMD"}),
        (["crunw._seccomp"], [1], {"+SECCOMP"}),
        (["crunw.engine"], [2], {"+WASM:wasmedge", "+WASM:wasmtime"}),
        (
            ["crunw._seccomp", "crunw.engine"],  # no cffi
            [1, 2],
            {"+SECCOMP", "+WASM:wasmedge", "+WASM:wasmtime"},
        ),
    ],
)
def test_what_is_missing(monkeypatch, modules, lacks, words):
    everything, _ = claims()
    for module in modules:
        monkeypatch.setitem(sys.modules, module, None)
    assert claims() == (everything - words, [number not in lacks for number in range(3)])


def test_no_engine(monkeypatch):
    monkeypatch.setattr(paths, "engine_library", lambda: "libnothing.so.0")
    words, found = claims()
    assert found == [True, True, False]
    assert "+WASM:wasmedge" not in words


def test_no_criu(monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    assert "+CRIU" not in claims()[0]
    annotations = features()["annotations"]
    assert annotations["org.opencontainers.runc.checkpoint.enabled"] == "false"


def test_what_was_built(tmp_path, monkeypatch):
    monkeypatch.setattr("crunw.cli.version.library_dir", lambda: str(tmp_path))
    assert version_text("1").splitlines()[:2] == ["crunw version 1", "spec: 1.2.1"]
    (tmp_path / "version").write_text("1+git3.gabc")
    (tmp_path / "commit").write_text("v1-3-gabc")
    assert version_text("1").splitlines()[:2] == ["crunw version 1+git3.gabc", "commit: v1-3-gabc"]
