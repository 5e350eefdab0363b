"""How long modules and functions may be; those that are longer, each with its reason."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MODULES = [str(path.relative_to(ROOT)) for path in sorted((ROOT / "crunw").rglob("*.py"))]
MOST_OF_MODULE = 300  # lines
MOST_OF_FUNCTION = 40
LONG_MODULES = {
    "crunw/effects/cgroups/group.py": "one class: a cgroup in each hierarchy",
    "crunw/effects/rootfs.py": "one class: paths inside a rootfs, resolved by descriptor",
    "crunw/effects/store.py": "one class: the files of a container's state directory",
    "crunw/plan/mounts.py": "one mount's options become the steps that make it",
    "crunw/plan/resources.py": "one table: a field, the file and the value of both cgroup versions",
    "crunw/oci/model.py": "data: the types of config.json, for the type checker",
    "crunw/oci/schema.py": "data: the same, to check it",
}
LONG_FUNCTIONS = {
    "crunw/aot/compiler.py:__init__": "the compiler's arguments, descriptors and limits",
    "crunw/lifecycle/exec.py:execute": "exec in its order, as create is",
    "crunw/lifecycle/features.py:features": "data: the document of features",
    "crunw/oci/example.py:example": "data: the config.json that spec writes",
    "crunw/oci/example.py:_mounts": "data: the mounts of that",
}


def functions(module: str) -> dict[str, int]:
    """``module:function`` → lines."""
    tree = ast.parse((ROOT / module).read_text())
    return {
        f"{module}:{node.name}": (node.end_lineno or 0) - node.lineno + 1
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef)
    }


@pytest.mark.parametrize("module", MODULES)
def test_length(module: str) -> None:
    length = len((ROOT / module).read_text().splitlines())
    assert (length > MOST_OF_MODULE) == (module in LONG_MODULES), f"{length} lines"
    for name, lines in functions(module).items():
        assert (lines > MOST_OF_FUNCTION) == (name in LONG_FUNCTIONS), f"{name}: {lines} lines"


def test_create_is_read_from_top_to_bottom() -> None:
    assert len((ROOT / "crunw/lifecycle/create.py").read_text().splitlines()) < 120


def test_exceptions_are_there() -> None:
    assert LONG_MODULES.keys() <= set(MODULES)
    assert {name.partition(":")[0] for name in LONG_FUNCTIONS} <= set(MODULES)
