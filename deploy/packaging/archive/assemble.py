"""usage: assemble.py TREE VERSION [--without-llvm]

Completes TREE, an installation of crunw below its top directory, to one that needs nothing of its
host: with the loader, C library, Python and libraries of the Debian that this runs on, their
licences and a list of them (sbom.cdx.json). The launcher starts the interpreter with them. Into
crunw's other programs install.sh writes where they are: `lib/crunw/relocations` says where there
is room for it.
"""

from __future__ import annotations

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
LOADER = "ld-linux-x86-64.so.2"
MARKS = {"interpreter": "/@interpreter@", "libraries": "/@libraries@"}
LIBRARIES = Path(sysconfig.get_config_var("LIBDIR"))
PYTHON = f"python{sys.version_info[0]}.{sys.version_info[1]}"
STDLIB = Path(sysconfig.get_path("stdlib"))
# What crunw's modules import of Debian's, and the library of components of pip's.
PACKAGES = ("jeepney", "_cffi_backend")
# What the interpreter imports without being asked to, or by names that it is given.
BY_NAME = ("encodings", "site", "_sitebuiltins", "_sysconfigdata__x86_64-linux-gnu")
# Imported by others where they can, and not missed: they drag hundreds of files in.
NOT_MISSED = (
    *("asyncio", "concurrent", "ctypes", "doctest", "email", "http", "multiprocessing", "pdb"),
    *("_pyrepl", "code", "codeop", "readline", "rlcompleter", "sitecustomize", "usercustomize"),
    *("pydoc", "sqlite3", "ssl", "_ssl", "tarfile", "test", "tkinter", "unittest", "urllib", "xml"),
    "zipfile",
)


class Archive:
    """The tree, and which files of Debian went into it."""

    def __init__(self, tree: Path, version: str, *, llvm: bool) -> None:
        self.tree = tree
        self.version = version
        self.llvm = llvm
        self.own = tree / "lib/crunw"
        self.sources: set[Path] = set()

    def copy(self, source: Path, target: Path) -> None:
        """Copy a file; what a link leads to."""
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
        known = {LOADER: Path("/lib64", LOADER)}
        wanted = ["libwasmedge.so.0", "libseccomp.so.2", *self._needed(self._programs())]
        while wanted:
            name = wanted.pop()
            if name in known or (name.startswith("libLLVM") and not self.llvm):
                continue
            known[name] = LIBRARIES / name
            wanted += self._needed([known[name]])
        for name, path in known.items():
            self.copy(path, self.own / "lib" / name)
        (self.own / "lib" / LOADER).chmod(0o755)
        (self.own / "lib/ld.so").symlink_to(LOADER)  # its name on all processors
        if not self.llvm:
            (self.own / "crunw/lib/without-llvm").touch()  # crunw.paths.has_llvm

    def _programs(self) -> list[Path]:
        return [path for path in self.own.rglob("*") if is_elf(path)]

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
        found = sbom.packages(self.sources)
        licences = self.tree / "share/doc/crunw/licences"
        for name in found:
            source = Path("/usr/share/doc", name, "copyright")
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
    tree, version, *options = sys.argv[1:]
    archive = Archive(Path(tree), version, llvm="--without-llvm" not in options)
    archive.add_python()
    archive.add_libraries()
    archive.make_relocatable()
    archive.add_documents()


if __name__ == "__main__":
    main()
