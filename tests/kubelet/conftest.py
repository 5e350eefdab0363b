"""A kubelet for the tests of this directory; no pod is left between them."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from containerd.node import HERE, Containerd, make_archives, wait_for
from kubelet.node import Kubelet


@pytest.fixture(scope="session")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kubelet]:
    if os.geteuid() != 0:
        pytest.skip("needs root")
    archives = make_archives(tmp_path_factory.mktemp("archives"))
    config = (HERE / "config.toml").read_text()
    containerd = Containerd(tmp_path_factory.mktemp("containerd"), config)
    kubelet = Kubelet(tmp_path_factory.mktemp("kubelet"), containerd)
    try:
        containerd.start()
        containerd.load(archives)
        kubelet.start()
        yield kubelet
    finally:
        if kubelet.process:
            kubelet.stop()
        containerd.clear()
        wait_for(lambda: not containerd.leftovers(), "nothing is left")
        containerd.stop()


@pytest.fixture
def kubelet(running: Kubelet) -> Iterator[Kubelet]:
    """The running kubelet, without pods before and after the test."""
    yield running
    running.clear()
