"""Where the parts of this installation are. Imports nothing but ``os`` and ``sys``.

Everything is found from where the package is, four directories below the prefix:
``<prefix>/lib/pythonX.Y/site-packages/crunw``, or ``<prefix>/lib/python3/dist-packages/crunw``.
"""

from __future__ import annotations

import os
import sys


def package_dir() -> str:
    """The directory of the package ``crunw``."""
    return os.path.dirname(os.path.abspath(__file__))


def bin_dir() -> str:
    """The directory of the programs ``crunw`` and ``crunw-init``."""
    prefix = os.path.abspath(os.path.join(package_dir(), "..", "..", "..", ".."))
    return os.path.join(prefix, "bin")


def init_path() -> str:
    """``crunw-init``, which executes plans."""
    return os.path.join(bin_dir(), "crunw-init")


def library_dir() -> str:
    """The directory of the shared objects that are opened by path, such as the LLVM stub."""
    return os.path.join(package_dir(), "lib")


def engine_library() -> str:
    """libwasmedge, as ``dlopen`` finds it."""
    return "libwasmedge.so.0"


def engine_stub() -> str:
    """The stand-in for LLVM with which libwasmedge starts fast; ``""``: none was built."""
    path = os.path.join(library_dir(), "libLLVM-stub.so")
    return path if os.path.exists(path) else ""


def enable_site_packages() -> None:
    """Make the interpreter's installed packages importable.

    ``crunw`` runs without ``site``, so only the standard library and what is installed beside it
    can be imported. A module that needs another package (cffi's run-time part, which the extension
    modules import) calls this first. No ``.pth`` file is read.
    """
    import site

    sys.path.extend(path for path in site.getsitepackages() if path not in sys.path)


def cache_dir(kind: str) -> str:
    """Where what can be made again is kept: ``/var/cache/crunw/KIND``, or in a user's own cache."""
    if os.geteuid() == 0:
        return f"/var/cache/crunw/{kind}"
    home = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return f"{home}/crunw/{kind}"
