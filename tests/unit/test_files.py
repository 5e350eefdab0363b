from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from crunw.aot import places
from crunw.effects.store import container_ids
from crunw.files import exists, is_directory

NOBODY = 65534


@pytest.fixture
def closed() -> Iterator[str]:
    """A directory in which an ordinary user, who asks, can look at nothing."""
    user = os.geteuid()
    with tempfile.TemporaryDirectory() as name:  # others can't come to those of pytest
        Path(name, "inside").mkdir()
        os.chmod(name, 0o644)  # names can be read
        os.seteuid(user or NOBODY)
        yield name
        os.seteuid(user)
        os.chmod(name, 0o700)


@pytest.mark.parametrize("ask", [exists, is_directory])
@pytest.mark.parametrize("path", ["nothing", "file/below", "loop", "x" * 300])
def test_what_is_not_there(ask: object, path: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "loop").symlink_to("loop")
    assert callable(ask)
    assert ask(f"{tmp_path}/{path}") is False


def test_what_is_there(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert exists(str(tmp_path))
    assert is_directory(str(tmp_path))
    assert exists(f"{tmp_path}/file")
    assert not is_directory(f"{tmp_path}/file")


def test_what_cannot_be_known_is_not_no(closed: str) -> None:
    for ask in (exists, is_directory):
        with pytest.raises(PermissionError, match="inside"):
            ask(f"{closed}/inside")
    with pytest.raises(PermissionError, match="inside"):
        container_ids(closed)


def test_a_closed_cache_has_nothing(closed: str) -> None:
    assert not places.has(f"{closed}/inside")
