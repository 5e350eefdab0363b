"""The node that the tests share; when they are through nothing of it may be left."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from crio import suite
from crio.node import Node, Pod, may_lower_oom_score_adj


def running(node: Node) -> Iterator[Node]:
    """The node, started; it must leave nothing behind."""
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
    """CRI-O with crunw, each pod's namespaces held without a pause container."""
    node = Node(tmp_path_factory.mktemp("crio"))
    node.make_images()
    yield from running(node)


@pytest.fixture(scope="session")
def keeping_node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    """CRI-O with crunw, and a Wasm pause container in each pod."""
    node = Node(tmp_path_factory.mktemp("keeping"), drop_infra_ctr="false")
    node.make_images()
    yield from running(node)


@pytest.fixture(scope="session")
def critest_node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    """A node with the images that critest wants, and a Wasm pause container in each pod."""
    node = Node(tmp_path_factory.mktemp("critest"))
    if not may_lower_oom_score_adj():
        node.wrap_runtime()
    node.make_images()
    suite.make_images(node)
    yield from running(node)


@pytest.fixture
def pod(node: Node) -> Iterator[Pod]:
    """A pod of the test's own."""
    made = node.pod("pod")
    yield made
    made.remove()
