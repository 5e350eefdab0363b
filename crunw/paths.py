"""Where the parts of this installation are. Imports nothing but builtin modules.

Everything is found from where the package is: ``<prefix>/lib/crunw/crunw`` as CMake and the Debian
package install it, ``<prefix>/lib/pythonX.Y/site-packages/crunw`` as pip does.
"""

from __future__ import annotations

import posix
import sys

from crunw.files import absolute, environment, exists, parent

_rootless: dict[int, bool] = {}  # the answers of is_rootless


def package_dir() -> str:
    """The directory of the package ``crunw``."""
    return parent(absolute(__file__))


def program_path() -> str:
    """``crunw`` itself, the launcher; ``""``: it is not where an installer puts it."""
    above = ("../../..", "../../../..", "..")  # CMake, pip, pip --target
    prefixes = (absolute(f"{package_dir()}/{prefix}") for prefix in above)
    prefix = next((found for found in prefixes if exists(f"{found}/bin/crunw")), "")
    # The archive's versions lie beside each other; the path by this link outlives an upgrade.
    if prefix and _is_same(f"{parent(prefix)}/current", prefix):
        prefix = parent(prefix)
    return prefix and f"{prefix}/bin/crunw"


def _is_same(path: str, other: str) -> bool:
    try:
        one, two = posix.stat(path), posix.stat(other)
    except OSError:
        return False
    return (one.st_dev, one.st_ino) == (two.st_dev, two.st_ino)


def library_dir() -> str:
    """The directory of the programs and shared objects that only crunw itself uses."""
    return f"{package_dir()}/lib"


def init_path() -> str:
    """``crunw-init``, which executes plans."""
    return f"{library_dir()}/crunw-init"


def compiler_path() -> str:
    """``crunw-compiler``, which compiles one module."""
    return f"{library_dir()}/crunw-compiler"


def later_path() -> str:
    """``crunw-later``, which starts a program when the container has had time to start."""
    return f"{library_dir()}/crunw-later"


def engine_library() -> str:
    """libwasmedge, as ``dlopen`` finds it."""
    return "libwasmedge.so.0"


def engine_stub() -> str:
    """The stand-in for LLVM with which libwasmedge starts fast; ``""``: none was built."""
    path = f"{library_dir()}/libLLVM-stub.so"
    return path if exists(path) else ""


def has_llvm() -> bool:
    """Whether WasmEdge can compile: there is a portable archive without LLVM."""
    return not exists(f"{library_dir()}/without-llvm")


def enable_site_packages() -> None:
    """Make the packages importable that were installed with crunw, and the interpreter's own.

    ``crunw`` runs without ``site``, so only the standard library can be imported. A module that
    needs another package (cffi's run-time part, which the extension modules import; jeepney) calls
    this first. Where pip has put crunw it has put those: before Python 3.14 an interpreter without
    ``site`` does not know that it belongs to a virtual environment. No ``.pth`` file is read.
    """
    import site

    beside = parent(package_dir())
    # pip splits packages with and without machine code where the distribution does (Fedora).
    twin = beside.replace("/lib64/python", "/lib/python")
    wanted = dict.fromkeys((beside, twin, *site.getsitepackages()))
    sys.path.extend(path for path in wanted if path not in sys.path)


def is_ordinary_user() -> bool:
    """Whether this process is not root at all, neither the host's nor that of a user namespace."""
    return posix.geteuid() != 0


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
