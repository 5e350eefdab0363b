"""Hosts of other releases and distributions, with the portable archive unpacked on them.

``CRUNW_TEST_ARCHIVE`` names an unpacked archive; without it one is built.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from archive.hosts import HOSTS, Kind, made, unpacked
from packages.deb import package
from packages.host import PROJECT, Host, running


@pytest.fixture(scope="session")
def packages() -> Iterator[Path]:
    """A directory that hosts see at the same path."""
    (PROJECT / "build").mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="archive-", dir=PROJECT / "build") as directory:
        yield Path(directory)


@pytest.fixture(scope="session")
def packed(packages: Path) -> Path:
    return package("archive", packages)


@pytest.fixture(scope="session")
def archive(request: pytest.FixtureRequest, packages: Path) -> Path:
    """The archive, unpacked."""
    given = os.environ.get("CRUNW_TEST_ARCHIVE")
    return Path(given) if given else unpacked(request.getfixturevalue("packed"), packages)


@pytest.fixture(scope="module", params=HOSTS, ids=lambda kind: kind.suite)
def kind(request: pytest.FixtureRequest) -> Kind:
    return request.param


@pytest.fixture(scope="module")
def host(kind: Kind) -> Iterator[Host]:
    """A fresh host, that of the module's tests."""
    with running(made(kind), kind.shell) as started:
        yield started
