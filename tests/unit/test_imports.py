"""What each verb imports: a module that comes from a file costs every call of crunw."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LIFECYCLE = ("create", "start", "state", "kill", "delete", "run", "exec")
# Builtin in Debian's interpreter; other builds have them as files.
EXTENSION_MODULES = {"_json", "fcntl", "_posixsubprocess", "_socket", "select"}
# Never on the way to a container: each costs a millisecond or more.
EXPENSIVE = set(
    "argparse collections contextlib dataclasses enum functools hashlib inspect json logging "
    "pathlib re shutil signal socket subprocess tempfile typing".split()
)

LOADED = """
import sys
sys.path.append(sys.argv[1])
before = set(sys.modules)
import crunw.cli.main
for name in sys.argv[2:]:
    __import__(name)
for name, module in sorted(sys.modules.items()):
    if name not in before:
        print(name, module.__spec__.origin)
"""


def loaded(*modules: str) -> dict[str, str]:
    """Module → origin of all that an interpreter as crunw starts it loads for them."""
    result = subprocess.run(
        [sys.executable, "-I", "-S", "-c", LOADED, str(ROOT), *modules],
        capture_output=True,
        text=True,
        check=True,
    )
    return dict(line.split(" ", 1) for line in result.stdout.splitlines())


def strangers(modules: dict[str, str]) -> set[str]:
    """What is neither ours nor part of the interpreter."""
    return {
        name
        for name, origin in modules.items()
        if origin not in ("built-in", "frozen")
        and name.partition(".")[0] not in ("crunw", "__future__")
    } - EXTENSION_MODULES


@pytest.mark.parametrize("verb", LIFECYCLE)
def test_verb_imports_nothing_from_files(verb: str) -> None:
    modules = loaded(f"crunw.cli.{verb}")
    assert "crunw.lifecycle" in modules
    assert strangers(modules) == set()
    assert EXPENSIVE.isdisjoint(modules)


@pytest.mark.parametrize("verb", ["start", "state", "kill", "delete"])
def test_what_only_create_needs_is_not_loaded(verb: str) -> None:
    modules = loaded(f"crunw.cli.{verb}")
    for name in ("crunw.plan.create", "crunw.oci.load", "crunw.effects.cgroups.group"):
        assert name not in modules


def test_compiling_waits_for_no_import() -> None:
    """A small module is compiled in less time than these take."""
    modules = loaded("crunw.cli.compile")
    assert strangers(modules) == set()
    assert EXPENSIVE.isdisjoint(modules)


@pytest.mark.parametrize("verb", LIFECYCLE)
def test_what_only_people_need_is_not_loaded(verb: str) -> None:
    modules = loaded(f"crunw.cli.{verb}")
    for name in (
        "crunw.plan.render",
        "crunw.oci.example",
        "crunw.engine",
        "crunw.effects.terminal",
    ):
        assert name not in modules


def test_a_plan_is_made_without_more(tmp_path: Path) -> None:
    """Not only importing, also deciding: what functions import as they run is counted too."""
    program = (
        "import sys, os\n"
        "sys.path.append(sys.argv[1])\n"
        "before = set(sys.modules)\n"
        "from crunw.oci.load import load\n"
        "from crunw.plan.create import create_plan\n"
        "from crunw.plan.encode import encode\n"
        "from crunw.plan.inputs import *\n"
        "spec = load(sys.argv[2])\n"
        "target = Target('a', '/b', '/b/rootfs', rootless=False)\n"
        "view = CgroupView(mounts=[CgroupMount('memory', 'memory', '/memory')])\n"
        "inputs = Inputs(target, None, view, Handoff(), Filter())\n"
        "assert encode(create_plan(spec, inputs))\n"
        "for name in sorted(set(sys.modules) - before):\n"
        "    print(name, sys.modules[name].__spec__.origin)\n"
    )
    config = (ROOT / "tests/data/configs/podman-default.json").read_text()
    (tmp_path / "config.json").write_text(config)
    result = subprocess.run(
        [sys.executable, "-I", "-S", "-c", program, str(ROOT), str(tmp_path)],
        capture_output=True,
        text=True,
        check=True,
    )
    modules = dict(line.split(" ", 1) for line in result.stdout.splitlines())
    assert strangers(modules) == set()
    assert EXPENSIVE.isdisjoint(modules)
