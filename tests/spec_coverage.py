"""docs/spec-coverage.md: each field of config.json, what becomes of it, the test that covers it.

The fields are those of ``crunw.oci.schema``; what is refused is found by asking the code, with the
config that has every field; the tests stand in ``spec_coverage.toml``.
"""

from __future__ import annotations

import ast
import json
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from crunw.errors import SpecError
from crunw.oci import schema
from crunw.oci.load import check
from crunw.plan.resources import writes

TESTS = Path(__file__).parent
DOCUMENT = TESTS.parent / "docs" / "spec-coverage.md"
RESOURCES = "linux.resources."
# Values that ask for something, where those of the config with every field do not.
MEANT = {"kernel": 1 << 20, "kernelTCP": 1 << 20, "disableOOMKiller": True}

HEAD = """# The runtime specification, field by field

Made by `ci/spec-coverage` from the code; a test compares. The fields are those of `config.json` as
the OCI runtime specification 1.3 has them, common and Linux. *implemented* means: carried out, or
refused with an error that names the field where the kernel can't do it. What only one version of
cgroups has is refused by name on the other; there *cgroup v1* or *cgroup v2* stands.

"""


def members(node: tuple[Any, ...], at: str = "") -> Iterator[str]:
    """The paths of a table: ``process.rlimits[].soft``, ``linux.timeOffsets[].secs``."""
    if node[0] in ("list", "map"):
        yield from members(node[1], f"{at}[]")
    if node[0] == "object":
        for key, member in node[1].items():
            path = f"{at}.{key}".lstrip(".")
            yield path
            yield from members(member, path)


@cache
def every_field() -> dict[str, Any]:
    """A config with every field, checked: none is refused as such."""
    config = json.loads((TESTS / "data/configs/every-field.json").read_bytes())
    check(config)
    return config


def state(path: str) -> str:
    """What becomes of a field."""
    if not path.startswith(RESOURCES):
        return "implemented"
    found = [version for version in (1, 2) if accepted(path, version)]
    if not found:
        raise LookupError(f"{path}: refused on both cgroup versions")
    return "implemented" if len(found) == 2 else f"cgroup v{found[0]}"


def accepted(path: str, version: int) -> bool:
    """Whether a cgroup version has this field of the resources."""
    group, _, rest = path.removeprefix(RESOURCES).partition(".")
    group = group.removesuffix("[]")
    member = rest.partition(".")[0].removesuffix("[]")
    if group == "network":  # that no controller of v2 has it, only the attempt to write it says
        return version == 1
    value = every_field()["linux"]["resources"][group]
    if member in value and isinstance(value, dict):
        value = alone({**value, **MEANT}, member, path.rpartition(".")[2])
    try:
        writes({group: value}, lambda _: version)  # type: ignore[misc]
    except SpecError:
        return not (member or group == "unified")
    return True


def alone(group: dict[str, Any], member: str, field: str) -> dict[str, Any]:
    """The group with that member and what it needs beside it; of a list's items, the field."""
    value = group[member]
    if isinstance(value, list):
        wanted = field if field == "leafWeight" else "weight"
        keys = {"major", "minor", "rate", wanted}
        value = [{key: item[key] for key in item if key in keys} for item in value]
    beside = {"limit": group["limit"]} if member == "swap" else {}
    return {**beside, member: value}


def tests(path: str, table: dict[str, str | list[str]]) -> list[str]:
    """The tests of a field. Raises LookupError where there is none."""
    parts = path.replace("[]", ".[]").split(".")
    for end in range(len(parts), 0, -1):
        start = ".".join(parts[:end]).replace(".[]", "[]")
        if start in table:
            found = table[start]
            return [found] if isinstance(found, str) else found
    raise LookupError(f"{path}: no test in spec_coverage.toml")


@cache
def functions(file: str) -> frozenset[str]:
    """The functions of a file of tests."""
    tree = ast.parse((TESTS / file).read_text())
    return frozenset(node.name for node in tree.body if isinstance(node, ast.FunctionDef))


def exists(test: str) -> bool:
    """Whether FILE::TEST is there."""
    file, _, name = test.partition("::")
    return (TESTS / file).exists() and name in functions(file)


def document() -> str:
    """The page. Raises LookupError for a field without a test, and a test that does not exist."""
    table = tomllib.loads((TESTS / "spec_coverage.toml").read_text())
    missing = [test for path in table for test in tests(path, table) if not exists(test)]
    if missing:
        raise LookupError(f"no such tests: {', '.join(missing)}")
    rows = [
        f"| `{path}` | {state(path)} | {', '.join(f'`{test}`' for test in tests(path, table))} |\n"
        for path in members(schema.CONFIG)
    ]
    return f"{HEAD}| field | state | tests, below `tests/` |\n|-|-|-|\n{''.join(rows)}"


if __name__ == "__main__":
    try:
        DOCUMENT.write_text(document())
    except LookupError as error:
        sys.exit(f"spec-coverage: {error.args[0]}")
