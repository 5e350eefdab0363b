"""What a container asks of the engine: the annotations ``run.oci.wasm.*`` (docs/wasm.md).

``run.oci.wasm.aot`` is :mod:`crunw.aot.config`'s.
"""

from __future__ import annotations

from crunw.errors import SpecError
from crunw.plan import flags
from crunw.plan.encode import Step
from crunw.plan.mounts import clean

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from crunw.spec.model import Spec

FAMILY = "run.oci.wasm."
PLUGINS = f"{FAMILY}plugins"

_PAGE = 65536
_MOST_PAGES = 65536
_MIB = 1 << 20
_MAX_U64 = (1 << 64) - 1
_MOST_PREOPENS = 64
_MOST_MILLISECONDS = 366 * 24 * 3600 * 1000
_PLUGIN_CHARACTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-")
_UNITS = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000}


class Preopen:
    """A directory with the name under which the program knows it."""

    __slots__ = ("guest", "host", "read_only")

    def __init__(self, guest: str, host: str, read_only: bool = False) -> None:
        self.guest = guest
        self.host = host  # a path in the container
        self.read_only = read_only


class Settings:
    """What holds for one program. 0 and ``""`` stand for "not limited", "not asked for"."""

    __slots__ = (
        "counters",
        "function",
        "initial_pages",
        "instructions",
        "memory_pages",
        "milliseconds",
        "plugin_directory",
        "plugins",
        "preopens",
        "statistics",
    )

    def __init__(self) -> None:
        self.function = ""
        self.memory_pages = 0  # of 64 KiB, for each memory
        self.initial_pages = 0  # a module that begins with more is refused
        self.instructions = 0
        self.milliseconds = 0
        self.statistics = False
        self.preopens: list[Preopen] = []
        self.plugins: list[str] = []  # names
        self.plugin_directory = ""  # on the host
        self.counters = ""  # path of the file in which the counters are published

    def counted(self) -> bool:
        """Whether instructions are counted, which compiled code must have been made for."""
        return self.statistics or self.instructions > 0


def settings(spec: Spec) -> Settings:
    """What the annotations and the memory limit say. Raises :class:`SpecError`."""
    found = Settings()
    annotations = spec.get("annotations", {})
    asked = [name for name in annotations if name.startswith(FAMILY) and name != f"{FAMILY}aot"]
    for name in asked:
        parse = _PARSERS.get(name[len(FAMILY) :])
        if parse is None:
            known = ", ".join(sorted(("aot", *_PARSERS)))
            raise SpecError(f"annotations.{name}", f"unknown, {FAMILY}* must be one of {known}")
        try:
            parse(found, annotations[name])
        except ValueError as error:
            raise SpecError(f"annotations.{name}", str(error)) from None
    if not found.memory_pages:
        limit = spec.get("linux", {}).get("resources", {}).get("memory", {}).get("limit", 0)
        found.memory_pages, found.initial_pages = pages_within(limit)
    return found


def pages_within(limit: int) -> tuple[int, int]:
    """The largest memory, in pages, below a limit of the cgroup in bytes, and the largest initial.

    The engine, the stacks and the page tables need memory too: a sixteenth is kept for them, 4 MiB
    at least, but never more than the half. A memory that is larger from the beginning is left as it
    is (a module need not touch all of it) unless it is larger than the whole limit.
    """
    if limit <= 0:
        return 0, 0
    reserve = min(limit // 2, max(4 * _MIB, limit // 16))
    pages = max(1, (limit - reserve) // _PAGE)
    initial = max(1, limit // _PAGE)
    return (pages if pages < _MOST_PAGES else 0, initial if initial < _MOST_PAGES else 0)


def engine_steps(wanted: Settings) -> list[Step]:
    """What is opened on the host's files, once the engine is there."""
    steps = [
        Step("engine_plugin", plugin_path(wanted.plugin_directory, name)) for name in wanted.plugins
    ]
    return [*steps, Step("engine_counters", wanted.counters)] if wanted.counters else steps


def plugin_path(directory: str, name: str) -> str:
    """The file of a plugin, which WasmEdge's installer names so."""
    return f"{directory}/libwasmedgePlugin{name}.so"


def mount_steps(wanted: Settings) -> list[Step]:
    """The plugins' directory, read-only where the host has it: for what a plugin loads later."""
    if not wanted.plugins:
        return []
    how = flags.MS_BIND | flags.MS_RDONLY | flags.MS_NOSUID | flags.MS_NODEV
    return [Step("mount", wanted.plugin_directory, wanted.plugin_directory, "", how, "", 0)]


def load_steps(program: str, opened: list[Preopen], wanted: Settings) -> list[Step]:
    """Load the module with what :func:`preopens` says."""
    limits = (
        wanted.memory_pages,
        wanted.initial_pages,
        wanted.instructions,
        int(wanted.statistics),
        wanted.milliseconds,
    )
    steps = [Step("wasm_limits", *limits)] if any(limits) else []
    names = [f"{entry.guest}:{entry.host}" for entry in opened]
    return [*steps, Step("wasm_load", program, names, wanted.function)]


def read_only_steps(opened: list[Preopen]) -> list[Step]:
    """Make the preopens that only read, while the process has the rights to."""
    return [
        Step("preopen_readonly", number, entry.host)
        for number, entry in enumerate(opened)
        if entry.read_only
    ]


def preopens(cwd: str, directories: list[str], wanted: Settings) -> list[Preopen]:
    """The directories a WASI program is given; one that is asked for replaces its namesake.

    ``directories``: the names of those in "/".
    wasi-libc takes "/" and "." for the same place: the longest matching prefix wins, among equals
    the last one. So that both absolute and relative paths work with a working directory other
    than "/", each directory in "/" is given by its name, and "." last.
    """
    cwd = clean(cwd)
    found = {"/": Preopen("/", "/")}
    if cwd != "/":
        names = sorted({*directories, cwd.split("/")[1]})
        found.update((f"/{name}", Preopen(f"/{name}", f"/{name}")) for name in names)
        found["."] = Preopen(".", cwd)
    extra = {entry.guest: entry for entry in wanted.preopens}
    return list({**found, **extra}.values())


def milliseconds(text: str) -> int:
    """``500ms``, ``1.5s``, ``1m30s`` (Go's durations) in ms. Raises ValueError."""
    total, rest = 0.0, text
    while rest:
        number = rest[: len(rest) - len(rest.lstrip("0123456789."))]
        rest = rest[len(number) :]
        unit = rest[: len(rest) - len(rest.lstrip("smh"))]
        rest = rest[len(unit) :]
        if unit not in _UNITS or number.count(".") > 1 or not number.strip("."):
            raise ValueError(f"{text!r} is no duration such as 500ms or 1m30s")
        total += float(number) * _UNITS[unit]
    if not 1 <= total <= _MOST_MILLISECONDS:
        raise ValueError(f"{text!r} must be from 1ms to {_MOST_MILLISECONDS // 3_600_000}h")
    return round(total)


def _number(text: str, most: int) -> int:
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= most):
        raise ValueError(f"{text!r} must be a number from 1 to {most}")
    return int(text)


def _items(text: str) -> list[str]:
    """A list with commas between; each item once."""
    items = [item.strip() for item in text.split(",")]
    for item in items:
        if not item:
            raise ValueError(f"{text!r} has an empty item")
        if items.count(item) > 1:
            raise ValueError(f"{item!r} stands twice")
    return items


def _memory_pages(found: Settings, text: str) -> None:
    found.memory_pages = found.initial_pages = _number(text, _MOST_PAGES)


def _instructions(found: Settings, text: str) -> None:
    found.instructions = _number(text, _MAX_U64)


def _time(found: Settings, text: str) -> None:
    found.milliseconds = milliseconds(text)


def _statistics(found: Settings, text: str) -> None:
    if text not in ("true", "false"):
        raise ValueError(f"{text!r} is not one of true, false")
    found.statistics = text == "true"


def _function(found: Settings, text: str) -> None:
    if not text or not text.isprintable():
        raise ValueError(f"{text!r} is not the name of a function")
    found.function = text


def _preopens(found: Settings, text: str) -> None:
    for item in _items(text):
        guest, _, rest = item.partition(":")
        host, colon, mode = rest.partition(":")
        if not guest or not host.startswith("/") or (colon and mode not in ("ro", "rw")):
            raise ValueError(
                f"{item!r} is not NAME:PATH or NAME:PATH:ro with an absolute path in the container"
            )
        if any(entry.guest == guest for entry in found.preopens):
            raise ValueError(f"the name {guest!r} stands twice")
        found.preopens.append(Preopen(guest, clean(host), mode == "ro"))
    if len(found.preopens) > _MOST_PREOPENS:
        raise ValueError(f"more than {_MOST_PREOPENS} directories")


def _plugins(found: Settings, text: str) -> None:
    found.plugins = _items(text)
    for name in found.plugins:
        if not _PLUGIN_CHARACTERS.issuperset(name):
            raise ValueError(f"{name!r} is not the name of a plugin, such as WasiNN")


_PARSERS: Mapping[str, Callable[[Settings, str], None]] = {
    "function": _function,
    "instruction-limit": _instructions,
    "memory-pages": _memory_pages,
    "plugins": _plugins,
    "preopens": _preopens,
    "statistics": _statistics,
    "time-limit": _time,
}
