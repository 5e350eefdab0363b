"""Manual pages and completions say what `--help` says."""

from __future__ import annotations

import importlib
import re
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


def plain(text: str) -> str:
    """As it is printed: what stands between backquotes is bold."""
    return text.replace("`", "")


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
    assert f"crunw-{verb} - {plain(VERBS[verb])}\n" in text
    for option in options(verb):
        assert f"--{option}" in text
    for heading in ("SYNOPSIS", "DESCRIPTION", "OPTIONS", "EXIT STATUS", "SEE ALSO"):
        assert f"\n{heading}\n" in text


def test_pages_refer_to_pages_that_are_there(documents: Path) -> None:
    for page in documents.glob("*.1"):
        for name in re.findall(r"\b(crunw[a-z-]*)\(1\)", manual(page)):
            assert (documents / f"{name}.1").exists(), (page, name)


def test_the_page_of_the_program(documents: Path) -> None:
    text = manual(documents / "crunw.1")
    for verb, summary in VERBS.items():
        assert f"crunw-{verb}(1)" in text
        assert plain(summary) in text
    for option in GLOBALS:
        assert f"--{option.name}" in text


def completed(documents: Path, *words: str) -> list[str]:
    """What bash offers where `crunw list` has two containers, with --root another one."""
    script = (
        'crunw() { case "$*" in "list --quiet") echo web; echo db ;; "--root /r list --quiet")'
        ' echo there ;; *) echo "crunw $*" >&2; return 1 ;; esac; };'
        ' source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _crunw;'
        ' printf "%s\\n" "${COMPREPLY[@]}"'
    )
    command = ["bash", "-uc", script, "-", documents / "crunw.bash", "crunw", *words]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    return done.stdout.split()


@pytest.mark.parametrize("verb", VERBS)
def test_bash_completes_options(documents: Path, verb: str) -> None:
    found = completed(documents, "--root", "/r", verb, "--")
    assert set(found) == {f"--{name}" for name in (*options(verb), "help")}


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("re", "restore resume"),
        ("--root re re", "restore resume"),
        ("--debug --root=re re", "restore resume"),
        ("--ro", "--root --rootless"),
        ("help st", "start state"),
        ("install p", "podman"),
        ("mounts ", "add remove"),
        ("cache w", "warm"),
        ("kill ", "web db"),
        ("kill --all ", "web db"),
        ("kill --all=false ", "web db"),
        ("kill w", "web"),
        ("--root /r kill ", "there"),
        ("--root=/r --debug kill ", "there"),
        ("mounts add ", "web db"),
        ("kill web US", "USR1 USR2"),
        ("kill web USR1 ", ""),
        ("kill --all web -", "--all --regex --help"),
        ("run ", ""),
        ("exec ", "web db"),
        ("exec --user 0 ", "web db"),
        ("exec -u 0 --t", "--tty"),
        ("exec web --", ""),
        ("exec web -u ", ""),
        ("list --format ", "table json"),
        ("list -f j", "json"),
        ("list --format=", "table json"),
        ("list --format=j", "json"),
        ("--cgroup-manager s", "systemd"),
        ("--log-level=d", "debug"),
        ("compile -O ", "0 1 2 3 s z"),
        ("exec --user ", ""),
    ],
)
def test_bash_completes(documents: Path, line: str, expected: str) -> None:
    """Of words as bash makes them: ``--name=value`` is three."""
    words = line.replace("=", " = ").split(" ")
    if line.endswith("="):
        words.pop()
    assert completed(documents, *words) == expected.split()


@pytest.mark.parametrize("verb", VERBS)
def test_a_container_is_offered_where_one_is_needed(documents: Path, verb: str) -> None:
    usage = importlib.import_module(f"crunw.cli.{verb}").USAGE
    takes_one = "ID" in re.findall(r"[A-Z-]+", usage) and verb not in ("create", "run", "restore")
    words = [verb, "add"] if verb == "mounts" else [verb]
    assert (completed(documents, *words, "") == ["web", "db"]) is takes_one


def test_shellcheck_has_nothing_to_say(documents: Path) -> None:
    command = ["shellcheck", "--exclude=SC2034", documents / "crunw.bash"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stdout == ""


@pytest.mark.parametrize("name", ["_crunw", "crunw.fish"])
def test_no_table_is_left_out(documents: Path, name: str) -> None:
    text = (documents / name).read_text()
    assert not re.search(r"^\s*@\w+@$", text, re.MULTILINE)
    for verb in VERBS:
        assert f"{verb}" in text
        for option in options(verb):
            assert option in text
