"""usage: freeze.py PACKAGE-DIRECTORY OUTPUT-DIRECTORY

Write ``boot.pyc`` and ``modules.bin`` (see ``boot.py``) for the interpreter that runs this.
"""

from __future__ import annotations

import __future__

import marshal
import py_compile
import sys
from pathlib import Path


def modules(package: Path) -> dict[str, tuple[bool, str, bytes]]:
    """Return name → (is a package, source relative to the package's parent, compiled code)."""
    found = {}
    for path in sorted(package.rglob("*.py")):
        source = path.relative_to(package.parent)
        is_package = path.name == "__init__.py"
        parts = source.parent.parts if is_package else source.with_suffix("").parts
        found[".".join(parts)] = (is_package, str(source), _compiled(path, f"{source}"))
    # A file of the standard library that every module of ours imports first.
    future = Path(__future__.__file__)
    found["__future__"] = (False, "__future__.py", _compiled(future, "__future__.py"))
    return found


def _compiled(path: Path, name: str) -> bytes:
    code = compile(path.read_bytes(), name, "exec", dont_inherit=True, optimize=0)
    return marshal.dumps(code)


if __name__ == "__main__":
    package, output = map(Path, sys.argv[1:])
    output.mkdir(parents=True, exist_ok=True)
    (output / "modules.bin").write_bytes(marshal.dumps(modules(package)))
    boot = Path(__file__).with_name("boot.py")
    py_compile.compile(
        str(boot),
        cfile=str(output / "boot.pyc"),
        dfile="crunw/lib/boot.pyc",
        doraise=True,
        invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
    )
