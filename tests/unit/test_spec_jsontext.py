"""The JSON reader and writer do what the json package does."""

from __future__ import annotations

import importlib.util
import json
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from crunw.oci import jsontext

VALUES: list[Any] = [
    None,
    True,
    False,
    0,
    -1,
    1 << 64,
    1.5,
    1e300,
    "",
    'a"b\\c\n\t\x01/é€😀\ud800',
    [],
    {},
    (),
    [[]],
    [{}],
    {"a": []},
    {"a": {}},
    [1, [2, [3, {"k": "v", "l": None}]], "x"],
    {"ociVersion": "1.2.0", "pid": 7, "annotations": {"é": "\u2028"}, "list": [1, 2], "t": True},
]


@pytest.fixture(params=["C", "json"])
def reader(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The module; and again as it is where there is no ``_json``."""
    if request.param == "C":
        return jsontext
    monkeypatch.setitem(sys.modules, "_json", None)
    found = importlib.util.spec_from_file_location("jsontext_without_c", jsontext.__file__)
    assert found is not None
    assert found.loader is not None
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


@pytest.mark.parametrize("value", VALUES)
@pytest.mark.parametrize("indent", [None, 0, 1, 2, 4])
def test_dumps(reader: ModuleType, value: Any, indent: int | None) -> None:
    assert reader.dumps(value, indent=indent) == json.dumps(value, indent=indent)


@pytest.mark.parametrize("value", [b"x", {1, 2}, object(), [b"x"], {"a": {1}}])
def test_dumps_of_what_is_not_json(value: Any) -> None:
    with pytest.raises(TypeError, match="has no JSON form"):
        jsontext.dumps(value)


@pytest.mark.parametrize("value", VALUES)
def test_loads(reader: ModuleType, value: Any) -> None:
    text = json.dumps(value, indent=1)
    assert reader.loads(f" \n{text}\r\n\t") == json.loads(text)


def test_last_of_equal_keys_counts(reader: ModuleType) -> None:
    assert reader.loads('{"a": 1, "a": 2}') == {"a": 2}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "invalid JSON at line 1, column 1: a value is missing"),
        ("\n\n  nul", "invalid JSON at line 3, column 3: a value is missing"),
        ('{"a" 1}', "invalid JSON at line 1, column 6: expecting ':' delimiter"),
        ('[\n"\x01"]', "invalid JSON at line 2, column 2: invalid control character"),
        ("{}\n}", "invalid JSON at line 2, column 1: text after the document's end"),
        ("[NaN]", "invalid JSON: NaN is not a JSON number"),
        ("-Infinity", "invalid JSON: -Infinity is not a JSON number"),
        ("[" * 200000, "invalid JSON: nested too deep"),
        (
            "9" * 5000,
            "invalid JSON: Exceeds the limit (4300 digits) for integer string conversion",
        ),
    ],
)
def test_errors(reader: ModuleType, text: str, message: str) -> None:
    with pytest.raises(ValueError, match="invalid JSON") as caught:
        reader.loads(text)
    assert str(caught.value).startswith(message)


# --- In an interpreter that has not imported json, as on the lifecycle verbs ----------------------

BARE = """
import sys
sys.path.append(sys.argv[1])
from crunw.oci.jsontext import loads
assert "json" not in sys.modules
for text in sys.argv[2:]:
    try:
        print(loads(text))
    except ValueError as error:
        print(error)
"""
MALFORMED = [
    '{"a" 1}',
    '["a',
    "{",
    "[1 2]",
    '"\\x"',
    '{"a": 1,}',
    "{1: 2}",
    '"a\nb"',
    "[1,]",
    "nul",
    "",
]
INTERPRETERS = [
    found
    for version in ("3.11", "3.12", "3.13", "3.14")
    for found in [
        shutil.which(f"python{version}"),
        *map(str, Path.home().glob(f".pyenv/versions/{version}.*/bin/python{version}")),
    ]
    if found and "/shims/" not in found
]


@pytest.mark.parametrize("interpreter", sorted({sys.executable, *INTERPRETERS}))
def test_malformed_text_in_a_bare_interpreter(interpreter: str) -> None:
    root = str(Path(__file__).parents[2])
    done = subprocess.run(
        [interpreter, "-I", "-S", "-c", BARE, root, *MALFORMED],
        capture_output=True,
        text=True,
        check=False,
    )
    lines = done.stdout.splitlines()
    assert len(lines) == len(MALFORMED), done.stderr
    assert all(line.startswith("invalid JSON at line 1, column ") for line in lines)


def test_a_scanner_that_needs_the_decoder(monkeypatch: pytest.MonkeyPatch) -> None:
    """As that of CPython 3.11 does."""

    def scan(text: str, start: int) -> tuple[Any, int]:
        if "json.decoder" not in sys.modules:
            raise SystemError("returned NULL without setting an exception")
        return json.JSONDecoder().scan_once(text, start)

    monkeypatch.setattr(jsontext, "_scan", scan)
    monkeypatch.delitem(sys.modules, "json.decoder")
    with pytest.raises(ValueError, match="line 1, column 6: expecting ':' delimiter"):
        jsontext.loads('{"a" 1}')


# --- Text around what is put in later -------------------------------------------------------------


def test_text_around_a_hole() -> None:
    value = {
        "id": "9007199254740992",
        "pid": jsontext.HOLE,
        "a": {"\0": '\0"'},
        "b": [jsontext.HOLE],
    }
    for indent in (None, 2):
        pieces = jsontext.dumps_around(value, indent)
        assert len(pieces) == 3
        filled = {**value, "pid": 7, "b": ["x"]}
        assert "7".join(pieces[:2]) + '"x"' + pieces[2] == json.dumps(filled, indent=indent)
