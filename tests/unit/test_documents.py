"""Manual pages and completions say what `--help` says."""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path

import pytest

from crunw.cli.main import GLOBALS, VERBS

SCRIPT = Path(__file__).parents[2] / "deploy/packaging/documents.py"


@pytest.fixture(scope="module")
def documents(tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("documents")
    command = [sys.executable, "-I", SCRIPT, SCRIPT.parents[2], output]
    subprocess.run(command, check=True)
    return output


def options(verb: str) -> list[str]:
    return [option.name for option in importlib.import_module(f"crunw.cli.{verb}").OPTIONS]


def manual(page: Path) -> str:
    """The page as a terminal of any width shows it; groff has no complaint."""
    command = ["man", "--warnings=w", "--local-file", str(page)]
    environment = {"PATH": "/usr/bin:/bin", "MANWIDTH": "1000", "LC_ALL": "C.UTF-8"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    return done.stdout


@pytest.mark.parametrize("verb", VERBS)
def test_a_page_for_each_verb(documents: Path, verb: str) -> None:
    text = manual(documents / f"crunw-{verb}.1")
    assert f"crunw-{verb} - {VERBS[verb]}\n" in text
    for option in options(verb):
        assert f"--{option}" in text


def test_the_page_of_the_program(documents: Path) -> None:
    text = manual(documents / "crunw.1")
    for verb, summary in VERBS.items():
        assert f"crunw-{verb}(1)" in text
        assert summary in text
    for option in GLOBALS:
        assert f"--{option.name}" in text


def completed(documents: Path, *words: str) -> list[str]:
    """What bash offers after these words."""
    script = (
        'source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _crunw;'
        ' printf "%s\\n" "${COMPREPLY[@]}"'
    )
    command = ["bash", "-euc", script, "-", documents / "crunw.bash", "crunw", *words]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    return done.stdout.split()


@pytest.mark.parametrize("verb", VERBS)
def test_bash_completes_options(documents: Path, verb: str) -> None:
    found = completed(documents, "--root", "/r", verb, "--")
    assert set(found) == {f"--{name}" for name in (*options(verb), "help")}


def test_bash_completes_verbs_and_engines(documents: Path) -> None:
    assert completed(documents, "re") == ["restore", "resume"]
    assert "--root" in completed(documents, "--ro")
    assert completed(documents, "install", "p") == ["podman"]
