"""usage: freeze.py PACKAGE-DIRECTORY OUTPUT-DIRECTORY

Write ``boot.pyc`` and ``modules.bin`` (see ``boot.py``) for the interpreter that runs this.
"""

from __future__ import annotations

import __future__

import ast
import marshal
import py_compile
import sys
from pathlib import Path

# Verbs that start containers: what they import is listed, to be run in that order.
_PRELOADED = ("create", "exec", "run")


class Package:
    """The modules of a package, by name."""

    def __init__(self, directory: Path) -> None:
        self._parent = directory.parent
        self._files = {self._name(path): path for path in sorted(directory.rglob("*.py"))}
        # A file of the standard library that every module of ours imports first.
        self._files["__future__"] = Path(__future__.__file__)

    def modules(self) -> dict[str, tuple[bool, str, bytes]]:
        """Return name → (is a package, source relative to the package's parent, compiled code)."""
        return {
            name: (path.name == "__init__.py", self._source(path), self._compiled(path))
            for name, path in self._files.items()
        }

    def order(self, name: str, done: list[str] | None = None) -> list[str]:
        """Return ``name`` behind everything of the package that it imports when it is imported."""
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

    def _compiled(self, path: Path) -> bytes:
        """The module's code without docstrings, which take a tenth of the time to decode."""
        text = path.read_bytes()
        return marshal.dumps(
            compile(text, self._source(path), "exec", dont_inherit=True, optimize=2)
        )


if __name__ == "__main__":
    package, output = Package(Path(sys.argv[1])), Path(sys.argv[2])
    output.mkdir(parents=True, exist_ok=True)
    start = package.order("crunw.cli.main")
    orders = {verb: package.order(f"crunw.cli.{verb}", [*start]) for verb in _PRELOADED}
    (output / "modules.bin").write_bytes(marshal.dumps((package.modules(), orders)))
    boot = Path(__file__).with_name("boot.py")
    py_compile.compile(
        str(boot),
        cfile=str(output / "boot.pyc"),
        dfile="crunw/lib/boot.pyc",
        doraise=True,
        optimize=2,
        invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
    )
