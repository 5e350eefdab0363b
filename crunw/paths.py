"""Where the parts of this installation are. Imports nothing but builtin modules.

Everything is found from where the package is, four directories below the prefix:
``<prefix>/lib/pythonX.Y/site-packages/crunw``, or ``<prefix>/lib/python3/dist-packages/crunw``.
"""

from __future__ import annotations

import posix
import sys

from crunw.files import absolute, environment, exists, parent

_rootless: dict[int, bool] = {}  # the answers of is_rootless


def package_dir() -> str:
    """The directory of the package ``crunw``."""
    return parent(absolute(__file__))


def bin_dir() -> str:
    """The directory of the programs ``crunw`` and ``crunw-init``."""
    prefix = absolute(f"{package_dir()}/../../../..")
    return f"{prefix}/bin"


def init_path() -> str:
    """``crunw-init``, which executes plans."""
    return f"{bin_dir()}/crunw-init"


def compiler_path() -> str:
    """``crunw-compiler``, which compiles one module."""
    return f"{bin_dir()}/crunw-compiler"


def later_path() -> str:
    """``crunw-later``, which starts a program when the container has had time to start."""
    return f"{bin_dir()}/crunw-later"


def library_dir() -> str:
    """The directory of the shared objects that are opened by path, such as the LLVM stub."""
    return f"{package_dir()}/lib"


def engine_library() -> str:
    """libwasmedge, as ``dlopen`` finds it."""
    return "libwasmedge.so.0"


def engine_stub() -> str:
    """The stand-in for LLVM with which libwasmedge starts fast; ``""``: none was built."""
    path = f"{library_dir()}/libLLVM-stub.so"
    return path if exists(path) else ""


def enable_site_packages() -> None:
    """Make the interpreter's installed packages importable.

    ``crunw`` runs without ``site``, so only the standard library and what is installed beside it
    can be imported. A module that needs another package (cffi's run-time part, which the extension
    modules import) calls this first. No ``.pth`` file is read.
    """
    import site

    sys.path.extend(path for path in site.getsitepackages() if path not in sys.path)


def is_rootless() -> bool:
    """Whether this process lacks the host's root: another user, or root of a user namespace.

    Directories of the host's root are closed to both; rootless podman calls as the latter.
    """
    user = posix.geteuid()
    if user not in _rootless:
        _rootless[user] = bool(user) or not _has_all_ids()
    return _rootless[user]


def _has_all_ids() -> bool:
    with open("/proc/self/uid_map", "rb", buffering=0) as file:
        return file.read().split() == [b"0", b"0", b"4294967295"]


def cache_dir(kind: str) -> str:
    """Where what can be made again is kept: ``/var/cache/crunw/KIND``, or in a user's own cache."""
    if not is_rootless():
        return f"/var/cache/crunw/{kind}"
    home = environment("XDG_CACHE_HOME") or f"{environment('HOME')}/.cache"
    return f"{home}/crunw/{kind}"
