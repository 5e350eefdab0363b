"""Components that tools make of other languages: the examples in Python and JavaScript."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from real_programs import sources
from support.containers import skip_without_root

EXAMPLES = Path(__file__).parents[2] / "examples"
LOCK = ("package.json", "package-lock.json")
pytestmark = pytest.mark.slow


def componentize_py(directory: Path) -> list[Path]:
    """What goes before PATH to have it, as the example's requirements pin it."""
    requirements = EXAMPLES / "component-python" / "requirements.txt"
    subprocess.run([sys.executable, "-m", "venv", directory], check=True)
    pip = [directory / "bin/pip", "install", "--quiet", "--require-hashes", "-r", requirements]
    subprocess.run(pip, check=True)
    return [directory / "bin"]


def componentize_qjs(directory: Path) -> list[Path]:
    """The same of the example's package-lock.json."""
    for name in LOCK:
        shutil.copy(EXAMPLES / "component-js" / name, directory)
    sources.npm("ci", "--silent", "--ignore-scripts", cwd=directory)
    return [directory / "node_modules/.bin", sources.node()]


@pytest.mark.parametrize(
    ("language", "tool"), [("python", componentize_py), ("js", componentize_qjs)]
)
def test_example(crunw, bundle, tmp_path, language, tool):
    skip_without_root("to keep what is fetched")
    name = f"component_{language}.wasm"
    (tmp_path / "tools").mkdir()
    path = ":".join(map(str, (*tool(tmp_path / "tools"), os.environ["PATH"])))
    build = [EXAMPLES / f"component-{language}" / "build", tmp_path]
    subprocess.run(build, env=os.environ | {"PATH": path}, check=True, capture_output=True)
    made = bundle(f"/{name}", "one", "two")
    shutil.copy(tmp_path / name, made.rootfs)
    title = {"python": "Python", "js": "JavaScript"}[language]
    # wasmtime compiles all of Python as it starts.
    assert crunw.run(made, timeout=600).ok() == f"Hello one, two, from {title}\n"
