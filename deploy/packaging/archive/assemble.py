"""usage: assemble.py TREE VERSION --root ROOT --machine MACHINE [--without-llvm]

Completes TREE, an installation of crunw below its top directory, to one that needs nothing of its
host: with the loader, C library, Python and libraries of the Debian in ROOT, their licences and a
list of them (sbom.cdx.json). ROOT may be for another processor than this one, and is then of the
same release: which files are wanted is found here. The launcher starts the interpreter with them.
Into crunw's other programs install.sh writes where they are: `lib/crunw/relocations` says where
there is room for it.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import py_compile
import re
import shutil
import subprocess
import sys
import sysconfig
from modulefinder import ModuleFinder
from pathlib import Path
from typing import TYPE_CHECKING

import sbom

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

ROOM = 255  # bytes for a path in a program
MARKS = {"interpreter": "/@interpreter@", "libraries": "/@libraries@"}
HERE = sysconfig.get_config_var("MULTIARCH")  # x86_64-linux-gnu: also in names of files
LIBRARIES = Path(sysconfig.get_config_var("LIBDIR"))
PYTHON = f"python{sys.version_info[0]}.{sys.version_info[1]}"
STDLIB = Path(sysconfig.get_path("stdlib"))
# What crunw's modules import of Debian's, and the library of components of pip's.
PACKAGES = ("jeepney", "_cffi_backend")
# What the interpreter imports without being asked to, or by names that it is given.
BY_NAME = ("encodings", "site", "_sitebuiltins", f"_sysconfigdata__{HERE}")
# Imported by others where they can, and not missed: they drag hundreds of files in.
NOT_MISSED = (
    *("asyncio", "concurrent", "ctypes", "doctest", "email", "http", "multiprocessing", "pdb"),
    *("_pyrepl", "code", "codeop", "readline", "rlcompleter", "sitecustomize", "usercustomize"),
    *("pydoc", "sqlite3", "ssl", "_ssl", "tarfile", "test", "tkinter", "unittest", "urllib", "xml"),
    "zipfile",
)


class Archive:
    """The tree, and which files of Debian went into it."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.tree: Path = options.tree
        self.version: str = options.version
        self.root: Path = options.root
        self.multiarch = f"{options.machine}-linux-gnu"
        self.llvm: bool = not options.without_llvm
        self.own = self.tree / "lib/crunw"
        self.sources: set[Path] = set()

    def theirs(self, path: Path) -> Path:
        """The file of ROOT that is for its processor what ``path`` is here."""
        name = str(path.relative_to("/")).replace(HERE, self.multiarch)
        return self.root / name

    def copy(self, here: Path, target: Path) -> None:
        """Copy a file of ROOT, as it is named here; what a link leads to."""
        source = self.theirs(here)
        target = target.with_name(target.name.replace(HERE, self.multiarch))
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
        target.chmod(0o755 if os.access(source, os.X_OK) else 0o644)
        self.sources.add(source)

    def add_python(self) -> None:
        """The interpreter, and the modules that crunw can come to import."""
        self.copy(Path(f"/usr/bin/{PYTHON}"), self.own / "bin" / PYTHON)
        (self.own / "bin" / PYTHON).chmod(0o755)
        library = self.own / "lib" / PYTHON
        for name, file in imported(self.own):
            if file.is_relative_to(STDLIB):
                self.copy(file, library / file.relative_to(STDLIB))
            elif name.split(".")[0] in PACKAGES:
                start = file.parts.index("dist-packages") + 1
                self.copy(file, self.own.joinpath(*file.parts[start:]))
        for source in (*library.rglob("*.py"), *(self.own / "jeepney").rglob("*.py")):
            # Its times are not compared: an archive's are all the same.
            py_compile.compile(
                str(source),
                dfile=str(source.relative_to(self.own)),
                doraise=True,
                invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
            )

    def add_libraries(self) -> None:
        """Those that anything here is linked with, or opens."""
        loader = self._loader()
        known = {loader.name: loader}
        wanted = ["libwasmedge.so.0", "libseccomp.so.2", *self._needed(self._programs())]
        while wanted:
            name = wanted.pop()
            if name in known or (name.startswith("libLLVM") and not self.llvm):
                continue
            known[name] = LIBRARIES / name
            wanted += self._needed([self.theirs(known[name])])
        for name, path in known.items():
            self.copy(path, self.own / "lib" / name)
        (self.own / "lib" / loader.name).chmod(0o755)
        (self.own / "lib/ld.so").symlink_to(loader.name)  # its name on all processors
        if not self.llvm:
            (self.own / "crunw/lib/without-llvm").touch()  # crunw.paths.has_llvm

    def _programs(self) -> list[Path]:
        return [path for path in self.own.rglob("*") if is_elf(path)]

    def _loader(self) -> Path:
        """What the programs were linked for."""
        command = ["readelf", "-lW", self.own / "crunw/lib/crunw-init"]
        shown = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        return Path(re.findall(r"program interpreter: (/.*)\]", shown)[0])

    def _needed(self, files: Iterable[Path]) -> list[str]:
        shown = subprocess.run(
            ["readelf", "-dW", *files], check=True, capture_output=True, text=True
        ).stdout
        return re.findall(r"\(NEEDED\).*\[(.*)\]", shown)

    def make_relocatable(self) -> None:
        """Give each program room for the two paths; list where that is."""
        lines = []
        for path in sorted((self.own / "crunw/lib").glob("crunw-*")):
            marks = {kind: mark.ljust(ROOM, "_") for kind, mark in MARKS.items()}
            subprocess.run(
                [
                    *("patchelf", "--set-interpreter", marks["interpreter"]),
                    *("--force-rpath", "--set-rpath", marks["libraries"], path),
                ],
                check=True,
            )
            content = path.read_bytes()
            for kind, mark in marks.items():
                if content.count(mark.encode()) != 1:
                    sys.exit(f"assemble.py: {path}: patchelf did not write one path of {kind}")
                lines.append(f"{kind} {content.index(mark.encode())} {path.relative_to(self.tree)}")
        (self.own / "relocations").write_text("\n".join(lines) + "\n")

    def add_documents(self) -> None:
        """Each Debian package's licences, and the list of packages."""
        found = sbom.packages(self.sources, self.root)
        licences = self.tree / "share/doc/crunw/licences"
        for name in found:
            source = self.root / "usr/share/doc" / name / "copyright"
            licences.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, licences / name)
            for common in re.findall(r"/usr/share/common-licenses/([\w.-]*\w)", source.read_text()):
                with contextlib.suppress(FileNotFoundError):
                    shutil.copyfile(
                        f"/usr/share/common-licenses/{common}", licences / f"common-{common}"
                    )
        (self.tree / "sbom.cdx.json").write_text(sbom.document(self.version, found, self.tree))


def is_elf(path: Path) -> bool:
    """Whether it is a program or a shared object."""
    if path.is_symlink() or not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(4) == b"\x7fELF"


def imported(package: Path) -> Iterator[tuple[str, Path]]:
    """All modules that those of crunw can come to import, with their files."""
    finder = ModuleFinder([str(package), *sys.path[1:]], excludes=NOT_MISSED)
    for source in sorted((package / "crunw").rglob("*.py")):
        finder.load_file(str(source))
    for name in (*PACKAGES, *BY_NAME):
        finder.import_hook(name, fromlist=["*"])
    for codec in sorted((STDLIB / "encodings").glob("*.py")):
        yield f"encodings.{codec.stem}", codec
    for name, module in sorted(finder.modules.items()):
        if module.__file__ and not name.startswith(("crunw", "encodings.")):
            yield name, Path(module.__file__)


def main() -> None:
    """Complete the tree."""
    parser = argparse.ArgumentParser()
    parser.add_argument("tree", type=Path)
    parser.add_argument("version")
    parser.add_argument("--root", type=Path, required=True)
    parser.add_argument("--machine", required=True)
    parser.add_argument("--without-llvm", action="store_true")
    archive = Archive(parser.parse_args())
    archive.add_python()
    archive.add_libraries()
    archive.make_relocatable()
    archive.add_documents()


if __name__ == "__main__":
    main()
