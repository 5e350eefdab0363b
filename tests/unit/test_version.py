"""deploy/packaging/version: what packages of commits are called, and in which order they are."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from documents.page import PROJECT

SCRIPT = "deploy/packaging/version"
RELEASE = "9.8.0"
Said = Callable[..., str]


def git(checkout: Path, *arguments: str, date: str = "2026-01-01T00:00:00Z") -> None:
    name = ["-c", "user.name=Somebody", "-c", "user.email=somebody@localhost"]
    subprocess.run(
        ["git", "-C", checkout, *name, *arguments],
        check=True,
        env={"PATH": "/usr/bin:/bin", "GIT_COMMITTER_DATE": date, "GIT_CONFIG_GLOBAL": "/nowhere"},
        stdout=subprocess.DEVNULL,
    )


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """With the script and the release's number; no repository yet."""
    for file in (SCRIPT, "crunw/__init__.py"):
        (tmp_path / file).parent.mkdir(parents=True)
        shutil.copy(PROJECT / file, tmp_path / file)
    source = tmp_path / "crunw/__init__.py"
    source.write_text(
        re.sub('__version__ = ".*"', f'__version__ = "{RELEASE}"', source.read_text())
    )
    return tmp_path


def says(checkout: Path, *options: str) -> str:
    done = subprocess.run([checkout / SCRIPT, *options], check=True, capture_output=True, text=True)
    return done.stdout


def commit(checkout: Path, day: int) -> None:
    git(checkout, "add", ".")
    git(
        checkout, "commit", "--allow-empty", "--message", "work", date=f"2026-01-{day:02}T00:00:00Z"
    )


def test_without_git(checkout: Path) -> None:
    assert says(checkout) == f"{RELEASE}\n"
    assert says(checkout, "--commit") == ""


def test_in_a_repository_of_somebody_else(checkout: Path) -> None:
    """Sources that lie below a checkout of something else."""
    git(checkout.parent, "init", "--quiet", str(checkout.parent))
    commit(checkout.parent, 1)
    assert says(checkout) == f"{RELEASE}\n"
    shutil.rmtree(checkout.parent / ".git")


def test_the_tag_is_the_release(checkout: Path) -> None:
    git(checkout, "init", "--quiet")
    commit(checkout, 1)
    git(checkout, "tag", f"v{RELEASE}")
    assert says(checkout) == f"{RELEASE}\n"
    assert says(checkout, "--commit") == f"v{RELEASE}\n"


def test_each_commit_is_newer_than_the_one_before(checkout: Path) -> None:
    """For dpkg as well as for rpm: before the release, at it, and after it, also with changes."""
    found = []
    git(checkout, "init", "--quiet")
    for day in range(1, 14):
        commit(checkout, day)
        if day == 2:
            git(checkout, "tag", f"v{RELEASE}")
        found.append(says(checkout).strip())
    (checkout / "crunw/__init__.py").write_text(f'__version__ = "{RELEASE}"\n')
    found.append(says(checkout).strip())
    assert found[0].startswith(f"{RELEASE}~git20260101000000.")
    assert found[1] == RELEASE
    assert re.fullmatch(rf"{RELEASE}\+git11\.g[0-9a-f]+", found[-2])
    assert found[-1] == f"{found[-2]}+dirty"
    for earlier, later in zip(found, [*found[1:], "9.8.1"], strict=True):
        subprocess.run(["dpkg", "--compare-versions", earlier, "lt", later], check=True)
        compare = f'%{{lua:print(rpm.vercmp("{earlier}", "{later}"))}}'
        shown = subprocess.run(["rpm", "--eval", compare], check=True, capture_output=True)
        assert shown.stdout == b"-1\n", (earlier, later)
