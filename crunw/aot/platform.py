"""What compiled code depends on besides the module: the engine's library and the processor."""

from __future__ import annotations

import posix

from crunw import paths
from crunw.aot import digest, places
from crunw.errors import CrunwError
from crunw.workload import WASMEDGE

_FORMAT = 2  # of an entry; another one makes all older entries unknown
_CPU_LINES = (
    "vendor_id",
    "cpu family",
    "model",
    "model name",
    "stepping",
    "flags",
    "CPU implementer",
    "CPU variant",
    "CPU part",
    "Features",
    "isa",
)


def current(engine: str = WASMEDGE) -> str:
    """The name of this platform. Raises :class:`CrunwError` where the engine can't be used.

    Finding it out opens the library and takes some 50 ms: once a boot, and after an upgrade.
    """
    path, _, rest = places.read(places.note("platform", engine)).partition("\n")
    identity, _, name = rest.partition("\n")
    if name and identity == _identity(path):
        return name
    path, name = _find_out(engine)
    places.write_note("platform", engine, f"{path}\n{_identity(path)}\n{name}")
    return name


def _identity(path: str) -> str:
    try:
        return places.identity(posix.stat(path))
    except OSError:
        return "missing"


def _find_out(engine: str) -> tuple[str, str]:
    """The library's path, and the platform's name."""
    from crunw.aot.engines import library_of
    from crunw.engine import Engine

    with Engine(library_of(engine), paths.engine_stub() or None, name=engine) as opened:
        version = opened.version
        path = _mapped(library_of(engine).rpartition("/")[2].partition(".so")[0])
    descriptor = posix.open(path, posix.O_RDONLY | posix.O_CLOEXEC)
    try:
        content = digest.of_file(descriptor)
    finally:
        posix.close(descriptor)
    facts = f"{_FORMAT}\n{engine} {version}\n{content}\n{posix.uname().machine}\n{_processor()}"
    state = digest.sha256(len(facts))
    state.update(facts.encode())
    return path, f"{engine}-{version}-{state.hexdigest()[:16]}"


def _mapped(library: str) -> str:
    """The file that this process has mapped under such a name."""
    with open("/proc/self/maps", encoding="utf-8", errors="surrogateescape") as maps:
        for line in maps:
            path = line.rstrip("\n").partition("/")[2]
            if path.rpartition("/")[2].startswith(library):
                return f"/{path}"
    raise CrunwError(f"{library} is not mapped")


def _processor() -> str:
    """Model and features of the first processor: code is compiled for exactly this one."""
    with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as file:
        first = file.read().partition("\n\n")[0]
    lines = (line.partition(":") for line in first.splitlines())
    return "\n".join(
        f"{name.strip()}:{value}" for name, _, value in lines if name.strip() in _CPU_LINES
    )
