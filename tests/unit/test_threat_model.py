"""docs/threat-model.md names tests that there are; each weakened build is used."""

from __future__ import annotations

import re
from pathlib import Path

PROJECT = Path(__file__).parents[2]
INTEGRATION = PROJECT / "tests" / "integration"


def test_the_tests_that_are_named_exist() -> None:
    text = (PROJECT / "docs" / "threat-model.md").read_text()
    named = re.findall(r"`(test_\w+\.py)::(test_\w+)`", text)
    assert named
    for file, name in named:
        assert f"def {name}(" in (INTEGRATION / file).read_text(), (file, name)


def test_each_weakened_build_has_a_test() -> None:
    built = re.findall(
        r"^crunw_weakened\((\w+)", (PROJECT / "csrc/init/CMakeLists.txt").read_text(), re.MULTILINE
    )
    tests = "".join(path.read_text() for path in INTEGRATION.glob("test_*.py"))
    assert built
    for defence in built:
        assert f'("{defence}")' in tests, defence
