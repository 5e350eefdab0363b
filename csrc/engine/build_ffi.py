"""Write the C source of ``crunw._engine``, cffi's view of ``engine.h``: ``build_ffi.py OUTPUT``."""

from __future__ import annotations

import sys
from pathlib import Path

from cffi import FFI


def declarations(header: Path) -> str:
    """Return a header without its preprocessor lines, as ``FFI.cdef`` wants it."""
    lines = header.read_text().splitlines()
    return "\n".join(line for line in lines if not line.startswith("#"))


def main(output: str) -> None:
    """Write the source."""
    ffi = FFI()
    ffi.cdef(declarations(Path(__file__).with_name("engine.h")))
    ffi.cdef("#define ENGINE_TRAP_STATUS ...")
    ffi.set_source("crunw._engine", '#include "engine.h"')
    ffi.emit_c_code(output)


if __name__ == "__main__":
    main(*sys.argv[1:])
