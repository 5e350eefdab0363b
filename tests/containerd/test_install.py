"""containerd with, before and after what ``crunw install containerd`` writes."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from containerd.node import Containerd
from containerd.test_cri import Pod
from support.commands import run, wait_for

GREETING = "Hello from WebAssembly"
CRI = "io.containerd.grpc.v1.cri"


@pytest.fixture
def node(tmp_path: Path, archives: Path) -> Iterator[Containerd]:
    """A containerd that knows nothing of crunw yet."""
    containerd = Containerd(tmp_path)
    containerd.install("--uninstall").text()
    try:
        containerd.start()
        containerd.load(archives)
        yield containerd
        containerd.clear()
        wait_for(lambda: not containerd.leftovers(), f"nothing is left: {containerd.leftovers()}")
    finally:
        containerd.stop()


def restart(node: Containerd) -> None:
    node.end()
    node.launch()


def loaded(node: Containerd):
    """The runtimes as containerd itself has understood its configuration."""
    dump = run(["containerd", "--config", str(node.config), "config", "dump"]).text()
    return tomllib.loads(dump)["plugins"][CRI]["containerd"]


def check_both_kinds(pod: Pod) -> None:
    module = pod.start("hello-c", "module")
    native = pod.start("busybox", "native", "echo", "native")
    assert [pod.end(module), pod.end(native)] == [0, 0]
    assert pod.logs(module) == GREETING
    assert pod.logs(native) == "native"


def test_install_and_back(node: Containerd, tmp_path: Path) -> None:
    text = node.config.read_text()
    assert "crunw" not in loaded(node)["runtimes"]
    before = loaded(node)["default_runtime_name"]
    assert node.install().err == "next: systemctl restart containerd\n"
    restart(node)
    assert loaded(node)["default_runtime_name"] == before
    pod = Pod(node, tmp_path, handler="crunw")
    check_both_kinds(pod)
    node.clear()

    node.install("--default").text()
    restart(node)
    assert loaded(node)["default_runtime_name"] == "crunw"
    (tmp_path / "default").mkdir()
    check_both_kinds(Pod(node, tmp_path / "default"))
    assert node.install().err == "containerd: nothing to change\n"
    node.clear()

    node.install("--uninstall").text()
    assert node.config.read_text() == text
    restart(node)
    assert "crunw" not in loaded(node)["runtimes"]
    refused = node.crictl("runp", "--runtime=crunw", pod.config)
    assert 'no runtime for \\"crunw\\" is configured' in refused.err


def test_plugin_in_an_imported_file(node: Containerd, tmp_path: Path) -> None:
    """The import's settings replace the plugin's in config.toml: crunw must go there."""
    whole = node.config.read_text()
    main, plugin, cri = whole.partition(f'[plugins."{CRI}"]\n')
    imported = tmp_path / "cri.toml"
    imported.write_text(f"version = 2\n\n{plugin}{cri}")
    node.config.write_text(f'imports = ["{imported}"]\n{main}')
    node.install("--default").text()
    restart(node)
    check_both_kinds(Pod(node, tmp_path))


def test_what_an_administrator_adds(node: Containerd) -> None:
    node.install().text()
    text = node.config.read_text()
    node.config.write_text(text.replace("BinaryName", "NoNewKeyring = true\nBinaryName"))
    node.install("--default").text()
    runtime = loaded(node)["runtimes"]["crunw"]
    assert runtime["options"]["NoNewKeyring"]
