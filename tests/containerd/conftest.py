"""containerd for the tests of this directory: one for all of them, clean after each."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator

import pytest
from containerd.node import Containerd
from support.engines import cleared, make_archives


@pytest.fixture(scope="session")
def archives(tmp_path_factory: pytest.TempPathFactory):
    """The directory of the example images' archives."""
    return make_archives(tmp_path_factory.mktemp("archives"))


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory, archives) -> Iterator[Containerd]:
    if os.geteuid() != 0 or not shutil.which("containerd"):
        pytest.skip("needs root and containerd")
    containerd = Containerd(tmp_path_factory.mktemp("containerd"))
    try:
        containerd.start()
        containerd.load(archives)
        yield containerd
    finally:
        containerd.stop()


@pytest.fixture
def containerd(running: Containerd) -> Iterator[Containerd]:
    """The running containerd; nothing may be left of a test's containers."""
    yield from cleared(running)
