"""``crunw cache warm`` of images that CRI-O has."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from crio.node import Node, Pod
from support import warm

SOCKET = Path("/run/crio/crio.sock")  # where CRI-O listens by default


@pytest.fixture
def path(node: Node) -> Iterator[str]:
    """A PATH with CRI-O, which listens where it does by default."""
    SOCKET.parent.mkdir(exist_ok=True)
    SOCKET.symlink_to(node.socket)
    yield f"{node.engines}:{os.environ['PATH']}"
    SOCKET.unlink(missing_ok=True)


def test_first_start_is_compiled(node: Node, pod: Pod, path: str) -> None:
    with warm.empty_cache():
        warm.check_warm("crio", PATH=path)
        container = pod.start("localhost/wasm-pause", "/pause.wasm")
        assert warm.is_compiled(node.json("inspect", container)["info"]["pid"])
        node.crictl("rm", "--force", container)


def test_image_of_several_layers(node: Node, path: str) -> None:
    """What an upper layer has removed is not there."""
    steps = f"""
        exec >/dev/null
        box=$(buildah from localhost/wasm-pause)
        buildah copy $box {node.directory}/modules/exit3.wasm {node.directory}/modules/trap.wasm /
        buildah commit $box localhost/below
        box=$(buildah from localhost/below)
        rm "$(buildah mount $box)/trap.wasm"
        buildah commit $box localhost/layered
        buildah rm --all
    """
    subprocess.run(["sh", "-euc", steps], env=node.environment, check=True)
    with warm.empty_cache():
        done = warm.warm("crio", "layered", PATH=path)
        assert done.stderr == ""
        assert sorted(done.stdout.splitlines()) == ["layered /exit3.wasm", "layered /pause.wasm"]


def test_crio_does_not_run(path: str) -> None:
    SOCKET.unlink()
    warm.check_silent("crio", "connect: no such file", PATH=path)
    warm.check_silent("crio", "crio is not installed")
