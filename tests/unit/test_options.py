"""Command lines as engines and people write them."""

from __future__ import annotations

import importlib
import re

import pytest

from crunw.cli.main import GLOBALS, VERBS
from crunw.cli.options import Option, Parsed, check, help_text, parse
from crunw.errors import UsageError

OPTIONS = (
    Option("bundle", "directory", "DIR", "b"),
    Option("force", "do it", short="f"),
    Option("env", "variable", "NAME=VALUE", "e", many=True),
    Option("number", "how many", "N"),
)
CHOICES = (
    Option("one", "", "O", choices=("a",)),
    Option("two", "", "T", choices=("a", "b")),
    Option("three", "", "T", choices="abc", many=True),
)


def words(text: str, *, interspersed: bool = True) -> Parsed:
    return parse(OPTIONS, text.split(), interspersed=interspersed)


@pytest.mark.parametrize(
    "text", ["--bundle /b ID", "--bundle=/b ID", "-b /b ID", "-b=/b ID", "ID --bundle /b"]
)
def test_value(text: str) -> None:
    parsed = words(text)
    assert (parsed.text("bundle"), parsed.arguments) == ("/b", ["ID"])


@pytest.mark.parametrize(
    ("text", "force"),
    [("", False), ("--force", True), ("-f", True), ("--force=true", True), ("--force=false", False),
     ("--force=0", False), ("--force=F", False), ("--force=T", True),
     ("--force --force=false", False), ("--force=false -f", True)],
)  # fmt: skip
def test_switch(text: str, force: bool) -> None:
    assert words(text).flag("force") is force


@pytest.mark.parametrize(
    ("text", "given"),
    [("-fe A=1 ID", (True, ["A=1"], ["ID"])), ("-ff ID", (True, [], ["ID"])),
     ("-e A=1 -f ID", (True, ["A=1"], ["ID"])), ("-eA=1 ID", (False, ["A=1"], ["ID"]))],
)  # fmt: skip
def test_bundled_letters(text: str, given: object) -> None:
    parsed = words(text)
    assert (parsed.flag("force"), parsed.texts("env"), parsed.arguments) == given


@pytest.mark.parametrize(
    ("text", "problem"),
    [("--forse", "unknown option --forse; did you mean --force? see --help"),
     ("--zzz", "unknown option --zzz; see --help"), ("-fx", "unknown option -fx; ")]
,
)  # fmt: skip
def test_unknown_option(text: str, problem: str) -> None:
    with pytest.raises(UsageError, match=re.escape(problem)):
        words(text)


def test_last_value_counts_and_many_are_kept() -> None:
    parsed = words("-b 1 -e A=1 --bundle=2 --env=B= -e C=x=y")
    assert parsed.text("bundle") == "2"
    assert parsed.texts("env") == ["A=1", "B=", "C=x=y"]


def test_nothing_given() -> None:
    parsed = words("")
    assert parsed.arguments == []
    assert (parsed.text("bundle"), parsed.text("bundle", ".")) == ("", ".")
    assert parsed.texts("env") == []
    assert (parsed.number("number"), parsed.number("number", 7)) == (0, 7)


def test_value_may_look_like_an_option_or_be_empty() -> None:
    assert words("--bundle --force").text("bundle") == "--force"
    assert not words("--bundle --force").flag("force")
    assert words("--bundle= ID").text("bundle", ".") == ""


def test_two_dashes_end_the_options() -> None:
    parsed = words("-f -- --bundle x -- y")
    assert parsed.arguments == ["--bundle", "x", "--", "y"]
    assert parsed.text("bundle") == ""


def test_first_argument_ends_them_where_a_command_follows() -> None:
    parsed = words("-f ID sh -c --force -- -b", interspersed=False)
    assert parsed.arguments == ["ID", "sh", "-c", "--force", "--", "-b"]
    assert words("ID -f x").arguments == ["ID", "x"]


def test_two_dashes_before_the_command() -> None:
    assert words("ID -- sh", interspersed=False).arguments == ["ID", "--", "sh"]


def test_a_long_one_with_a_single_dash() -> None:
    parsed = words("-force -number=3 -number 4")
    assert parsed.flag("force")
    assert parsed.number("number") == 4


def test_single_dash_is_an_argument() -> None:
    assert words("- -f").arguments == ["-"]


@pytest.mark.parametrize("word", ["--bundles", "--bun", "-x", "-fx", "---force", "--=a"])
def test_unknown(word: str) -> None:
    with pytest.raises(
        UsageError, match=r"^unknown option .*; (did you mean --\w+\? )?see --help$"
    ):
        words(word)


@pytest.mark.parametrize("word", ["--bundle", "-b"])
def test_missing_value(word: str) -> None:
    with pytest.raises(UsageError, match=f"^{word} requires an argument: DIR$"):
        words(word)


@pytest.mark.parametrize("value", ["-1", "1.5", "x", " 1", "0x10", "²"])
def test_no_number(value: str) -> None:
    with pytest.raises(UsageError, match=r"^--number: .* is not a number$"):
        parse(OPTIONS, [f"--number={value}"], interspersed=True).number("number")


def test_number() -> None:
    assert words("--number=12").number("number") == 12
    assert words("--number=0").number("number", 5) == 0


@pytest.mark.parametrize(
    ("text", "problem"),
    [("--one=b", "--one: 'b' is not a"), ("--two=c", "--two: 'c' is neither a nor b"),
     ("--three=", "--three: '' is none of a, b, c"),
     ("--three=b --three=d", "--three: 'd' is none"), ("--three=ab", "--three: 'ab' is none")],
)  # fmt: skip
def test_none_of_the_choices(text: str, problem: str) -> None:
    with pytest.raises(UsageError, match=f"^{re.escape(problem)}"):
        check(CHOICES, parse(CHOICES, text.split(), interspersed=True))


@pytest.mark.parametrize("text", ["", "--one=a --two=b", "--three=a --three=c"])
def test_of_the_choices(text: str) -> None:
    check(CHOICES, parse(CHOICES, text.split(), interspersed=True))


@pytest.mark.parametrize("verb", ["", *VERBS])
def test_help_names_the_choices(verb: str) -> None:
    options = importlib.import_module(f"crunw.cli.{verb}").OPTIONS if verb else GLOBALS
    for option in options:
        for choice in option.choices:
            assert choice in option.help, (option.name, choice)


def test_help_lists_each_option() -> None:
    text = help_text("crunw x ID", "Does it.", OPTIONS)
    assert text.splitlines() == [
        "usage: crunw x ID",
        "",
        "Does it.",
        "",
        "options:",
        "  -b, --bundle DIR      directory",
        "  -f, --force           do it",
        "  -e, --env NAME=VALUE  variable",
        "      --number N        how many",
    ]


def test_help_without_options() -> None:
    assert help_text("crunw", "It.", ()) == "usage: crunw\n\nIt.\n"
