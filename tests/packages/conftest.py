"""A host on which nothing has been prepared, and the packages that ci/package builds."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from packages.deb import package
from packages.host import PROJECT, Host, running
from packages.roots import remove_unused, used


@pytest.fixture(scope="session")
def bare() -> Iterator[Path]:
    """The root directory of Debian's smallest system; those that nobody uses are removed."""
    is_there = False
    while not is_there:  # another tree may remove it before it is locked
        made = subprocess.run([PROJECT / "tests/packages/bare"], stdout=subprocess.PIPE, check=True)
        root = Path(made.stdout.decode().strip())
        with used(root) as is_there:
            if is_there:
                remove_unused(root.parent, root)
                yield root


@pytest.fixture(scope="module")
def host(bare: Path) -> Iterator[Host]:
    """A fresh host, that of the module's tests."""
    with running(bare) as started:
        yield started


@pytest.fixture(scope="session")
def packages() -> Iterator[Path]:
    """A directory that hosts see at the same path."""
    with tempfile.TemporaryDirectory(prefix="packages-", dir=PROJECT / "build") as directory:
        yield Path(directory)


@pytest.fixture(scope="session")
def deb(packages: Path) -> Path:
    return package("deb", packages)


@pytest.fixture(scope="session")
def wheel(packages: Path) -> Path:
    return package("wheel", packages)
