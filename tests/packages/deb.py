"""Build packages, and change Debian packages, outside of the host that they are for."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

from packages.host import PROJECT


def package(
    form: str, output: Path, project: Path = PROJECT, options: tuple[str, ...] = ()
) -> Path:
    """Build what an option of ci/package names, as "deb", of a checkout."""
    command = [project / "ci/package", f"--{form}", "--output", output, *options]
    built = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return Path(built.stdout.strip())


def copied(directory: Path) -> Path:
    """A copy of this checkout below ``directory``, where nothing is built yet."""
    checkout = directory / "checkout"
    built = f"{PROJECT}/build"
    shutil.copytree(
        PROJECT,
        checkout,
        symlinks=True,
        ignore=lambda parent, names: [name for name in names if f"{parent}/{name}" == built],
    )
    return checkout


def first_build(form: str, directory: Path) -> Path:
    """The package of a copy of this checkout below ``directory``."""
    return package(form, directory, copied(directory))


def repacked(deb: Path, directory: Path, version: str) -> Path:
    """The package with another version, in ``directory``."""
    tree, made = directory / "tree", directory / f"crunw_{version}.deb"
    subprocess.run(["dpkg-deb", "--raw-extract", deb, tree], check=True)
    control = tree / "DEBIAN/control"
    control.write_text(re.sub("(?m)^Version: .*$", f"Version: {version}", control.read_text()))
    command = ["dpkg-deb", "--root-owner-group", "--build", tree, made]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return made


def field(deb: Path, name: str) -> str:
    """A field of the package's control file."""
    command = ["dpkg-deb", "--field", deb, name]
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout.strip()


def lint(deb: Path) -> str:
    """What lintian says of the package."""
    command = ["lintian", "--allow-root", "--display-info", deb]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0 or done.stdout, done
    return done.stdout
