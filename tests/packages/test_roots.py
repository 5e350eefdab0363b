"""Trees with other lists of packages share the cache of root directories."""

from __future__ import annotations

from pathlib import Path

from packages.roots import remove_unused, used


def names(cache: Path) -> list[str]:
    return sorted(path.name for path in cache.iterdir() if path.is_dir())


def test_what_is_used_stays(tmp_path: Path) -> None:
    for name in ("1mine", "2theirs", "3old", "4unfinished.new", "kept"):
        (tmp_path / name / "etc").mkdir(parents=True)
    with used(tmp_path / "2theirs") as there, used(tmp_path / "2theirs") as also_there:
        assert there
        assert also_there
        remove_unused(tmp_path, tmp_path / "1mine")
        assert names(tmp_path) == ["1mine", "2theirs", "kept"]
    remove_unused(tmp_path, tmp_path / "1mine")
    assert names(tmp_path) == ["1mine", "kept"]


def test_what_was_removed_before_it_was_locked(tmp_path: Path) -> None:
    with used(tmp_path / "gone") as there:
        assert not there
