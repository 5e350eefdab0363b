"""Edits of a TOML text: what is not meant stays as it is."""

from __future__ import annotations

import tomllib

import pytest

from crunw.errors import CrunwError
from crunw.setup import tomltext

TEXT = """# head
top = "a = b" # equals

  [one]
  x = [ # several
    1,
    2,
  ]
  s = '''
[not.a.table]
x = 9
'''

[one."two.three"]
y = {z = 1}
# tail
[[many]]
name = "first"
[[many]]
name = "second"
"""


def test_value_in_a_table_that_is_there():
    after = tomltext.merge(TEXT, {"one": {"new": True, "x": [1, 2], "two.three": {"w": '"q"'}}})
    lines = TEXT.splitlines()
    assert [line for line in after.splitlines() if line in lines] == lines
    added = [line for line in after.splitlines() if line not in lines]
    assert added == ["  new = true", 'w = "\\"q\\""']


def test_value_that_replaces_several_lines():
    after = tomltext.merge(TEXT, {"top": 1, "one": {"x": [3], "s": "plain"}})
    assert after.startswith('# head\ntop = 1\n\n  [one]\n  x = [3]\n  s = "plain"\n')


def test_new_table():
    assert tomltext.merge("a = 1", {"b": {"c d": {"e": ["f", {"g": 1}]}}}) == (
        'a = 1\n\n[b."c d"]\ne = ["f", {g = 1}]\n'
    )


def test_line_without_its_end():
    assert tomltext.merge("[a]\nb = 1", {"a": {"c": 2}}) == "[a]\nb = 1\nc = 2\n"


@pytest.mark.parametrize(
    "text", ["a = {b = 1}\n", "[[a]]\nb = 1\n", "[x]\na.b = 1\n[y]\n", "a = 1\n"]
)
def test_what_can_not_be_edited_is_refused_or_right(text):
    wanted = {"a": {"c": 2}}
    try:
        after = tomllib.loads(tomltext.merge(text, wanted))
    except tomltext.UnsafeError:
        return
    assert after == tomllib.loads(text) | wanted


def test_remove():
    after = tomltext.remove(TEXT, ("one", "x"), ("one", "two.three"), ("nothing",))
    expected = tomllib.loads(TEXT)
    del expected["one"]["x"]
    del expected["one"]["two.three"]
    assert tomllib.loads(after) == expected
    assert after.startswith('# head\ntop = "a = b" # equals\n\n  [one]\n  s = ')


def test_remove_leaves_no_empty_table():
    text = "# mark\n[a]\n[a.b]\nc = 1\n"
    assert tomltext.remove(text, ("a", "b", "c")) == "# mark\n"


def test_parse_names_the_file():
    with pytest.raises(CrunwError, match=r"^/etc/x: is not valid TOML: .*line 1"):
        tomltext.parse("/etc/x", "=\n")
