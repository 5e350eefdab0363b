"""The page about the specification's fields is the one that the code and the tests make."""

from __future__ import annotations

import pytest
import spec_coverage


def test_page_is_up_to_date() -> None:
    assert spec_coverage.DOCUMENT.read_text() == spec_coverage.document()


def test_field_without_a_test() -> None:
    with pytest.raises(LookupError, match=r"process\.args: no test"):
        spec_coverage.tests("process.args", {"linux": "a.py::b"})


def test_test_that_does_not_exist() -> None:
    assert not spec_coverage.exists("unit/test_spec.py::test_nothing")
    assert not spec_coverage.exists("unit/test_nothing.py::test_version")
