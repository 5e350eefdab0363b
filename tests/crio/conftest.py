"""The node that the tests share; when they are through nothing of it may be left."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from crio.node import Node, Pod, wait_for


def run_node(directory, **options) -> Iterator[Node]:
    """A started node, which leaves nothing behind."""
    if os.geteuid() != 0:
        pytest.skip("needs root")
    node = Node(directory, **options)
    node.make_images()
    try:
        node.start()
        yield node
    finally:
        node.stop()
        left = node.leftovers()
        node.delete()
        assert left == []


@pytest.fixture(scope="session")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    """CRI-O with crunw, and each pod's namespaces held without a pause container."""
    yield from run_node(tmp_path_factory.mktemp("crio"))


@pytest.fixture(scope="session")
def keeping_node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    """CRI-O with crunw, and a Wasm pause container in each pod."""
    yield from run_node(tmp_path_factory.mktemp("keeping"), keep_infra=True)


@pytest.fixture
def pod(node: Node) -> Iterator[Pod]:
    """A pod of the test's own."""
    made = node.pod("pod")
    yield made
    made.remove()
