"""Who imports whom: the table of docs/architecture.md."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "crunw"
MODULES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
    for path in sorted(PACKAGE.rglob("*.py"))
}

# From the top to the bottom. A module is of the first layer that has it or a package of it.
LAYERS = (
    ("crunw.cli", "crunw.__main__"),
    ("crunw.lifecycle", "crunw.setup"),
    ("crunw.effects", "crunw.aot", "crunw.engine"),
    ("crunw.plan", "crunw.workload", "crunw.status"),
    ("crunw.oci",),
    (
        "crunw.errors",
        "crunw.contract",
        "crunw.notices",
        "crunw.directories",
        "crunw.files",
        "crunw.paths",
    ),
)
# What other effects may import: who a process is, for those who wait for one.
SHARED_EFFECT = "crunw.effects.processes"
# The extension modules, and what they are made of: each has one module that imports it.
EXTENSIONS = {
    "crunw._engine": "crunw.engine",
    "crunw._seccomp": "crunw.effects.seccomp.compile",
}


def layer(module: str) -> int:
    for number, names in enumerate(LAYERS):
        if any(module == name or module.startswith(f"{name}.") for name in names):
            return number
    pytest.fail(f"{module} is in no layer")


def imports(path: Path) -> set[str]:
    """All modules of crunw that the file imports, wherever in it, also for types alone."""
    tree = ast.parse(path.read_text())
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            module = node.module or ""
            for alias in node.names:
                name = f"{module}.{alias.name}"
                found.add(name if name in MODULES or name in EXTENSIONS else module)
    return {name for name in found if name.partition(".")[0] == "crunw"} - {"crunw"}


def effect(module: str) -> str:
    """The effect a module belongs to: its file, or the package it is a part of."""
    return ".".join(module.split(".")[:3])


CHECKED = [name for name in MODULES if name != "crunw"]


@pytest.mark.parametrize("module", CHECKED)
def test_imports_only_what_is_not_above(module: str) -> None:
    own = layer(module)
    for imported in imports(MODULES[module]):
        if imported in EXTENSIONS:
            assert EXTENSIONS[imported] == module
        else:
            assert layer(imported) >= own, f"{module} imports {imported}"


@pytest.mark.parametrize("module", [name for name in CHECKED if name.startswith("crunw.effects.")])
def test_effects_do_not_import_each_other(module: str) -> None:
    others = {name for name in imports(MODULES[module]) if name.startswith("crunw.effects")}
    assert {effect(name) for name in others} <= {effect(module), SHARED_EFFECT}


def test_shared_effect_imports_no_other() -> None:
    others = {name for name in imports(MODULES[SHARED_EFFECT]) if "effects" in name}
    assert others == set()


@pytest.mark.parametrize("module", ["crunw", "crunw.errors", "crunw.files"])
def test_the_lowest_import_nothing_of_ours(module: str) -> None:
    assert imports(MODULES[module]) == set()


@pytest.mark.parametrize(
    "module", [name for name in CHECKED if layer(name) == 3 or name.startswith("crunw.oci")]
)
def test_decisions_touch_nothing(module: str) -> None:
    """Pure: but for the reader of the file they need not even posix."""
    allowed = {"__future__", "typing", "collections", "math", "_json", "json", "crunw"}
    if module == "crunw.oci.load":
        allowed.add("posix")
    tree = ast.parse(MODULES[module].read_text())
    for node in ast.walk(tree):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom):
            names = [node.module or ""]
        assert {name.partition(".")[0] for name in names} <= allowed


def test_there_are_no_circles() -> None:
    graph = {name: imports(path) - set(EXTENSIONS) for name, path in MODULES.items()}
    while graph:
        leaves = {name for name, wanted in graph.items() if not wanted & set(graph) - {name}}
        assert leaves, f"circle among {sorted(graph)}"
        graph = {name: wanted for name, wanted in graph.items() if name not in leaves}


def test_document_has_the_same_layers() -> None:
    text = (ROOT / "docs/architecture.md").read_text()
    rows = re.findall(r"^\|(.*)\|(.*)\|.*\|$", text.partition("## Layers")[2], re.MULTILINE)
    named = [tuple(re.findall(r"`(crunw[.\w]*)`", packages)) for _, packages in rows]
    expected = [tuple(name for name in names if name != "crunw.__main__") for names in LAYERS]
    assert [names for names in named if names] == expected
