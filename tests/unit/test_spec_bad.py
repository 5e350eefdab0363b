"""Every broken config gives exactly one line, which names the field."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from support.bad_configs import CASES, CONFIGS, FILES, config

from crunw.errors import SpecError
from crunw.oci.load import check, load, load_process

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

DATA = Path(__file__).parents[1] / "data" / "configs"


@pytest.mark.parametrize(
    ("changes", "field", "problem"),
    [case[1:] for case in CONFIGS],
    ids=[case[0] for case in CONFIGS],
)
def test_config(changes: dict[str, Any], field: str, problem: str) -> None:
    with pytest.raises(SpecError) as caught:
        check(config(changes))
    assert caught.value.field == field
    assert str(caught.value) == f"{field}: {problem}"
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("make", "problem"), [case[1:] for case in FILES], ids=[case[0] for case in FILES]
)
def test_file(tmp_path: Path, make: Callable[[Path], None], problem: str) -> None:
    path = tmp_path / "config.json"
    make(path)
    with pytest.raises(SpecError) as caught:
        load(str(tmp_path))
    assert str(caught.value).startswith(f"{path}: {problem}")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("make", "words"), [case[1:] for case in CASES], ids=[case[0] for case in CASES]
)
def test_case_for_the_whole_program(
    tmp_path: Path, make: Callable[[Path], None], words: str
) -> None:
    make(tmp_path)
    with pytest.raises(SpecError) as caught:
        load(str(tmp_path))
    assert words in str(caught.value)


ODD: list[Any] = [None, True, -1, 1 << 70, 0.5, "", "x", "\0", [], {}, [None], {"": None}, [[]]]
BASE = json.loads((DATA / "every-field.json").read_bytes())


def _places(value: Any, at: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """The path of every value in a document; of a list's values, the first three."""
    yield at
    if isinstance(value, dict):
        for key in value:
            yield from _places(value[key], (*at, key))
    if isinstance(value, list):
        for index in range(min(3, len(value))):
            yield from _places(value[index], (*at, index))


@pytest.mark.parametrize("odd", ODD, ids=repr)
def test_odd_value_anywhere(odd: Any) -> None:
    """Whatever stands wherever, it is taken or refused in one line; nothing else happens."""
    text = json.dumps(BASE)
    for *steps, last in list(_places(BASE))[1:]:
        document = place = json.loads(text)
        for step in steps:
            place = place[step]
        place[last] = odd
        try:
            check(document)
        except SpecError as error:
            assert error.field  # noqa: PT017
            assert "\n" not in str(error)  # noqa: PT017


def test_names_are_unique() -> None:
    assert len({name for name, _, _ in CASES}) == len(CASES)


def test_bundle_is_missing(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"/none: no such bundle directory$"):
        load(str(tmp_path / "none"))


def test_bundle_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SpecError, match=r"/file: is not a directory$"):
        load(str(tmp_path / "file"))


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("[]", "process: must be an object, is an array"),
        ("null", "process: is required"),
        ('{"args": [], "cwd": "/"}', "process.args: must not be empty"),
        ('{"args": ["a"], "cwd": "b"}', "process.cwd: must be an absolute path, is 'b'"),
        ('{"args": [""], "cwd": "/"}', "process.args[0]: must not be empty"),
        (
            '{"args": ["a"], "cwd": "/", "scheduler": {"policy": "SCHED_OTHER", "priority": 1}}',
            "process.scheduler.priority: means nothing with SCHED_OTHER",
        ),
    ],
)
def test_process(tmp_path: Path, text: str, line: str) -> None:
    path = tmp_path / "process.json"
    path.write_text(text)
    with pytest.raises(SpecError) as caught:
        load_process(str(path))
    assert str(caught.value) == line


def test_process_is_missing(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"/process\.json: can't be read: No such file"):
        load_process(str(tmp_path / "process.json"))
