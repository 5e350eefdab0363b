"""A kubelet for the tests of this directory; no pod is left between them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from containerd.node import Containerd
from crio.node import Node
from kubelet.node import Engine, Kubelet
from support.commands import wait_for
from support.engines import make_archives


@contextmanager
def containerd(directory: Path) -> Iterator[Containerd]:
    """containerd with crunw; it must have nothing left of its pods in the end."""
    for part in ("images", "node"):
        (directory / part).mkdir()
    archives = make_archives(directory / "images")
    engine = Containerd(directory / "node")
    try:
        engine.start()
        engine.load(archives)
        yield engine
    finally:
        engine.clear()
        wait_for(lambda: not engine.leftovers(), "nothing is left")
        engine.stop()


@contextmanager
def crio(directory: Path) -> Iterator[Node]:
    """CRI-O with crunw; likewise."""
    engine = Node(directory)
    engine.make_images()
    try:
        engine.start()
        yield engine
    finally:
        engine.stop()
        left = engine.leftovers()
        engine.delete()
        assert left == []


@pytest.fixture(scope="session", params=[containerd, crio], ids=["containerd", "crio"])
def engine(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory):
    if os.geteuid() != 0:
        pytest.skip("needs root")
    with request.param(tmp_path_factory.mktemp(request.param.__name__)) as engine:
        yield engine


@pytest.fixture(scope="session")
def running(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kubelet]:
    kubelet = Kubelet(tmp_path_factory.mktemp("kubelet"), engine)
    try:
        kubelet.start()
        yield kubelet
    finally:
        if kubelet.process:
            kubelet.end()


@pytest.fixture
def kubelet(running: Kubelet) -> Iterator[Kubelet]:
    """The running kubelet, without pods before and after the test."""
    yield running
    running.clear()
