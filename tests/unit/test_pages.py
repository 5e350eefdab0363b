"""What a page in Markdown has a reader do: ``ci/docs`` runs that."""

from __future__ import annotations

from pathlib import Path

import pytest
from documents import page, prose, support
from documents.page import COMMANDS, Command


def blocks(*lines: str) -> list[page.Block]:
    return page.blocks("\n".join(lines) + "\n")


def test_a_transcript_is_commands_with_what_they_print() -> None:
    (block,) = blocks("```console", "$ true", "$ printf '%s\\n' \\", "    a b", "a", "b", "```")
    assert block.commands() == [
        Command(2, "true", None),
        Command(3, "printf '%s\\n' \\\n    a b", "a\nb"),
    ]


def test_a_script_ends_at_its_first_error() -> None:
    (block,) = blocks("```bash", "false", "true", "```")
    assert block.commands() == [Command(1, "set -e\nfalse\ntrue\nset +e\n", None)]


def test_a_block_after_the_name_of_a_file_is_that_file() -> None:
    first, second, third = blocks(
        "The pod, `pod.json`:", "", "```json", "{}", "```", "Then:", "```json", "[]", "```",
        "`x`:", "```console", "$ x", "```",
    )  # fmt: skip
    assert (first.file, first.text) == ("pod.json", "{}\n")
    assert second.file == third.file == ""


def test_a_block_that_is_not_run_has_its_reason() -> None:
    first, second = blocks(
        "<!-- before: x -->", "<!-- before: y -->",
        "<!-- not run: a", "long one -->", "```bash", "x", "```",
        "<!-- run by: tests/x.py -->", "```bash", "y", "```",
    )  # fmt: skip
    assert first.elsewhere == "a\nlong one"
    assert first.commands() == [Command(5, "x\ny", None)]
    assert second.elsewhere == "run by tests/x.py"


def test_a_whole_section_can_be_run_elsewhere() -> None:
    text = ("```bash", "x", "```")
    found = blocks("## A", "<!-- section run by: t -->", *text, "### B", *text, "## C", *text)
    assert [block.elsewhere for block in found] == ["run by t", "run by t", ""]


def test_comments() -> None:
    (varies,) = blocks("<!-- output varies -->", "```console", "$ date", "now", "```")
    (fails,) = blocks("<!-- fails -->", "```console", "$ true", "$ false", "```")
    assert varies.commands() == [Command(3, "date", None)]
    assert [command.fails for command in fails.commands()] == [False, True]
    with pytest.raises(ValueError, match="unknown comment nt run"):
        blocks("<!-- nt run: x -->", "```bash", "x", "```")


def test_a_block_in_a_list_is_an_error() -> None:
    with pytest.raises(ValueError, match="the site shows no block of code in a list"):
        blocks("- x:", "", "  ```bash", "  x", "  ```")


@pytest.mark.parametrize(
    ("expected", "output", "same"),
    [
        ("a\nb", "a\nb\n", True),
        ("a\nb", "a\nc\n", False),
        ("a…c", "abc", True),
        ("a…c", "a\nc", False),
        ("a\n…", "a\nb\nc", True),
        ("…\nc", "a\nb\nc", True),
        ("…\nx\n…", "a\nb\nc", False),
        ("real 0m0.…s", "real 0m0.123s", True),
        ("a  ", "a", True),
    ],
)
def test_an_ellipsis_is_any_text(expected: str, output: str, *, same: bool) -> None:
    assert page.matches(expected, output) is same


@pytest.mark.parametrize("path", page.pages(), ids=lambda path: str(path.relative_to(page.PROJECT)))
def test_each_page_can_be_read(path: Path) -> None:
    for block in page.read(path):
        if block.language in COMMANDS and not block.elsewhere:
            assert block.commands()


@pytest.mark.parametrize("path", page.pages(), ids=lambda path: str(path.relative_to(page.PROJECT)))
def test_what_runs_elsewhere_exists(path: Path) -> None:
    for block in page.read(path):
        for name in block.said.get("run by", "").replace(",", " ").replace(";", " ").split():
            if "/" in name:
                assert (page.PROJECT / name).exists()


def test_misleading_words_are_found_outside_of_code() -> None:
    text = "It is\ntold.\n\n`is told`\n\n```\nis told\n```\n"
    assert prose.in_text(text, "x.md") == ["x.md:1: 'is told' (is reported)"]


def test_each_row_of_the_support_table_has_tests() -> None:
    for row in support.rows():
        file, _, line = row["by"].partition(": ")
        assert line in (page.PROJECT / file).read_text()
