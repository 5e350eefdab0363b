"""Where wasmtime is on this node (``docs/components.md``)."""

from __future__ import annotations

import posix
import sys

from crunw.aot.config import FILE, load
from crunw.errors import CrunwError
from crunw.files import exists
from crunw.paths import engine_library, package_dir
from crunw.workload import WASMTIME

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_OWN = ("/usr/lib/crunw-wasmtime", "/usr/local/lib/crunw-wasmtime")
_NAMES = ("libwasmtime.so", "_libwasmtime.so")
ADVICE = f"install it, docs/components.md, or name its library in {FILE}: engine.wasmtime"


def wasmtime_library() -> str:
    """The path of libwasmtime; ``""``: it is not on this node.

    Raises :class:`CrunwError` where the one that the configuration names is not there.
    """
    configured = load().wasmtime
    if configured and not exists(configured):
        raise CrunwError(f"{FILE}: engine.wasmtime: no file {configured}")
    return configured or next(filter(exists, _places()), "")


def library_of(engine: str) -> str:
    """The library of the engine of that name. Raises :class:`CrunwError` where it is not here."""
    library = wasmtime_library() if engine == WASMTIME else engine_library()
    if not library:
        raise CrunwError(f"wasmtime is not on this node ({ADVICE})")
    return library


def _places() -> Iterator[str]:
    """A directory of crunw's own, then the Python package's, where pip puts it."""
    for directory in _OWN:
        for name in _NAMES:
            yield f"{directory}/{name}"
    python = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    beside = package_dir().rpartition("/")[0]
    packages = (
        beside,
        f"/usr/local/lib/{python}/dist-packages",
        "/usr/lib/python3/dist-packages",
        f"/usr/local/lib/{python}/site-packages",
        f"/usr/lib/{python}/site-packages",
    )
    for directory in packages:
        yield f"{directory}/wasmtime/linux-{posix.uname().machine}/_libwasmtime.so"
