"""A host on which nothing has been prepared, and the packages that ci/package builds."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from packages.host import PROJECT, Host, running


@pytest.fixture(scope="session")
def bare() -> Path:
    """The root directory of Debian's smallest system."""
    made = subprocess.run([PROJECT / "tests/packages/bare"], stdout=subprocess.PIPE, check=True)
    return Path(made.stdout.decode().strip())


@pytest.fixture(scope="module")
def host(bare: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    """A fresh host, that of the module's tests."""
    with running(bare, tmp_path_factory.mktemp("host")) as started:
        yield started


def package(form: str) -> Path:
    built = subprocess.run(
        [PROJECT / "ci/package", f"--{form}"], stdout=subprocess.PIPE, check=True
    )
    return Path(built.stdout.decode().strip())


@pytest.fixture(scope="session")
def deb() -> Path:
    return package("deb")


@pytest.fixture(scope="session")
def wheel() -> Path:
    return package("wheel")
