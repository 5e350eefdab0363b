"""usage: freeze.py PACKAGE-DIRECTORY OUTPUT-DIRECTORY

Write ``boot.bin``, ``modules.bin`` with its index, and a file for each verb that starts containers
(``boot.py``), for the interpreter that runs this. Call it with ``-X no_debug_ranges``: columns of
the source take a tenth of the time to decode.
"""

from __future__ import annotations

import __future__

import ast
import marshal
import py_compile
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import CodeType

# Verbs that start containers: what they import is in one file, in the order in which it is run.
_PRELOADED = ("create", "exec", "run")


class Package:
    """The modules of a package, by name."""

    def __init__(self, directory: Path) -> None:
        self._parent = directory.parent
        self._files = {self._name(path): path for path in sorted(directory.rglob("*.py"))}
        # A file of the standard library that every module of ours imports first.
        self._files["__future__"] = Path(__future__.__file__)

    def modules(self) -> tuple[dict[str, tuple[bool, str, int, int]], bytes]:
        """Return the compiled code of all modules, and where each is in it.

        Name → is a package, source relative to the package's parent, offset, length.
        """
        index = {}
        data = b""
        for name, code in self._codes():
            encoded = marshal.dumps(code)
            index[name] = (*self._described(name), len(data), len(encoded))
            data += encoded
        return index, data

    def preloaded(self, verb: str) -> list[tuple[str, bool, str, CodeType]]:
        """Return the modules that a verb imports: name, is a package, source, code.

        Together in one stream they share the names that they have in common.
        """
        codes = dict(self._codes())
        names = self.order(f"crunw.cli.{verb}", self.order("crunw.cli.main"))
        return [(name, *self._described(name), codes[name]) for name in names]

    def order(self, name: str, done: list[str] | None = None) -> list[str]:
        """Return ``name`` after everything of the package that it imports when it is imported."""
        done = [] if done is None else done
        parent = name.rpartition(".")[0]
        for wanted in [parent, *self._imports(name)]:
            if wanted in self._files and wanted != name and wanted not in done:
                self.order(wanted, done)
        if name not in done:
            done.append(name)
        return done

    def _imports(self, name: str) -> list[str]:
        """The modules named by the import statements at the top level of a module."""
        found = []
        for node in ast.parse(self._files[name].read_bytes()).body:
            if isinstance(node, ast.Import):
                found += [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module:
                found += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        return found

    def _name(self, path: Path) -> str:
        source = path.relative_to(self._parent)
        parts = source.parent if path.name == "__init__.py" else source.with_suffix("")
        return ".".join(parts.parts)

    def _source(self, path: Path) -> str:
        return str(path.relative_to(self._parent)) if self._parent in path.parents else path.name

    def _described(self, name: str) -> tuple[bool, str]:
        path = self._files[name]
        return path.name == "__init__.py", self._source(path)

    def _codes(self) -> Iterator[tuple[str, CodeType]]:
        """The modules' code without docstrings, which take a tenth of the time to decode."""
        for name, path in self._files.items():
            text = path.read_bytes()
            code = compile(text, self._source(path), "exec", dont_inherit=True, optimize=2)
            yield name, code


if __name__ == "__main__":
    package, output = Package(Path(sys.argv[1])), Path(sys.argv[2])
    output.mkdir(parents=True, exist_ok=True)
    index, data = package.modules()
    (output / "modules.index").write_bytes(marshal.dumps(index))
    (output / "modules.bin").write_bytes(data)
    for verb in _PRELOADED:
        (output / f"{verb}.bin").write_bytes(marshal.dumps(package.preloaded(verb)))
    boot = Path(__file__).with_name("boot.py")
    py_compile.compile(
        str(boot),
        cfile=str(output / "boot.bin"),
        dfile="crunw/lib/boot.bin",
        doraise=True,
        optimize=2,
        invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
    )
