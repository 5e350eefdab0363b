"""dockerd for the tests of this directory: one for all of them, clean after each."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator

import pytest
from dockerd.node import Docker
from support.engines import cleared


@pytest.fixture(scope="session")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Docker]:
    if os.geteuid() != 0 or not shutil.which("dockerd"):
        pytest.skip("needs root and dockerd")
    docker = Docker(tmp_path_factory.mktemp("docker"))
    try:
        docker.start()
        docker.load()
        yield docker
    finally:
        docker.stop()


@pytest.fixture
def docker(running: Docker) -> Iterator[Docker]:
    """The running dockerd; nothing may be left of a test's containers."""
    yield from cleared(running)
