"""What an installation finds from where its package is, in every layout that installers make."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[2] / "crunw"
VERSION = f"python{sys.version_info.major}.{sys.version_info.minor}"
LAYOUTS = {
    "CMake": "lib/crunw",
    "pip": f"lib/{VERSION}/site-packages",
    "pip on Fedora": f"lib64/{VERSION}/site-packages",
    "pip --target": "",
}


@pytest.fixture(params=LAYOUTS)
def package(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """The package ``crunw``, in a prefix that has bin/crunw."""
    packages = tmp_path / LAYOUTS[request.param]
    packages.mkdir(parents=True, exist_ok=True)
    for name in ("__init__.py", "files.py", "paths.py"):
        (packages / "crunw").mkdir(exist_ok=True)
        shutil.copy(SOURCE / name, packages / "crunw")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/crunw").touch()
    return packages / "crunw"


def run(package: Path, program: str) -> str:
    """What Python prints, started as the launcher does; the package is the only one to import."""
    program = f"import sys; sys.path.append(sys.argv[1]); from crunw import paths; {program}"
    command = [sys.executable, "-I", "-S", "-B", "-c", program, str(package.parent)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def test_the_program(package: Path, tmp_path: Path) -> None:
    assert run(package, "print(paths.program_path())") == str(tmp_path / "bin/crunw")


def test_the_program_of_the_version_in_use(package: Path, tmp_path: Path) -> None:
    """Not of others: its path leads to the next version when there is one."""
    current = tmp_path.parent / "current"
    current.symlink_to(tmp_path)
    try:
        assert run(package, "print(paths.program_path())") == str(tmp_path.parent / "bin/crunw")
        current.unlink()
        current.symlink_to(tmp_path / "bin")
        assert run(package, "print(paths.program_path())") == str(tmp_path / "bin/crunw")
    finally:
        current.unlink()


def test_no_program(package: Path, tmp_path: Path) -> None:
    (tmp_path / "bin/crunw").unlink()
    assert run(package, "print(paths.program_path())") == ""


def test_what_was_installed_with_it_can_be_imported(package: Path) -> None:
    """As cffi and jeepney, which pip puts into the same directory as crunw."""
    (package.parent / "installed_too.py").write_text("print('found')")
    forget = "sys.path.remove(sys.argv[1]); paths.enable_site_packages()"
    assert run(package, f"{forget}; import installed_too") == "found"


def test_packages_without_machine_code_on_fedora(tmp_path: Path) -> None:
    both = [tmp_path / f"{lib}/{VERSION}/site-packages" for lib in ("lib64", "lib")]
    for directory in both:
        directory.mkdir(parents=True)
    shutil.copytree(SOURCE, both[0] / "crunw", ignore=shutil.ignore_patterns("__pycache__"))
    (both[1] / "installed_too.py").write_text("print('found')")
    enabled = "paths.enable_site_packages(); import installed_too"
    assert run(both[0] / "crunw", enabled) == "found"
