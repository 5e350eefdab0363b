"""The annotations ``run.oci.wasm.*`` (docs/wasm.md), but for those about compiled code, which are
:mod:`crunw.aot.config`'s.
"""

from __future__ import annotations

from crunw.errors import SpecError
from crunw.plan.mounts import clean
from crunw.plan.wasm_settings import COMPILED, FAMILY, MOST_PAGES, Preopen
from crunw.workload import WASMEDGE, WASMTIME

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from crunw.plan.wasm_settings import Settings

_MAX_U64 = (1 << 64) - 1
_MOST_PREOPENS = 64
_MOST_MILLISECONDS = 366 * 24 * 3600 * 1000
_PLUGIN_CHARACTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-")
_UNITS = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000}


def read(found: Settings, asked: Mapping[str, str]) -> None:
    """Set what the annotations ``asked`` say. Raises :class:`SpecError` that names one."""
    for name, text in asked.items():
        parse = _PARSERS.get(name[len(FAMILY) :])
        if parse is None:
            known = ", ".join(sorted((*COMPILED, *_PARSERS)))
            raise SpecError(f"annotations.{name}", f"unknown, {FAMILY}* must be one of {known}")
        try:
            parse(found, text)
        except ValueError as error:
            raise SpecError(f"annotations.{name}", str(error)) from None


def milliseconds(text: str) -> int:
    """``500ms``, ``1.5s``, ``1m30s`` (Go's durations) in ms. Raises ValueError."""
    total, rest = 0.0, text
    while rest:
        number = rest[: len(rest) - len(rest.lstrip("0123456789."))]
        rest = rest[len(number) :]
        unit = rest[: len(rest) - len(rest.lstrip("smh"))]
        rest = rest[len(unit) :]
        if unit not in _UNITS or number.count(".") > 1 or not number.strip("."):
            raise ValueError(f"{text!r} is not a duration such as 500ms or 1m30s")
        total += float(number) * _UNITS[unit]
    if not 1 <= total <= _MOST_MILLISECONDS:
        raise ValueError(f"{text!r} must be from 1ms to {_MOST_MILLISECONDS // 3_600_000}h")
    return round(total)


def _number(text: str, most: int, word: str = "") -> int:
    """``word``: what else could have stood there."""
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= most):
        also = f', or "{word}"' if word else ""
        raise ValueError(f"{text!r} must be a number from 1 to {most}{also}")
    return int(text)


def _choice(text: str, *known: str) -> str:
    if text not in known:
        raise ValueError(f"{text!r} is not one of {', '.join(known)}")
    return text


def _items(text: str) -> list[str]:
    """A list with commas between; each item once."""
    items = [item.strip() for item in text.split(",")]
    for item in items:
        if not item:
            raise ValueError(f"{text!r} has an empty item")
        if items.count(item) > 1:
            raise ValueError(f"{item!r} is given twice")
    return items


def _memory_pages(found: Settings, text: str) -> None:
    if text == "limit":
        found.within_limit = True
    else:
        found.memory_pages = found.initial_pages = _number(text, MOST_PAGES, "limit")


def _instructions(found: Settings, text: str) -> None:
    found.instructions = _number(text, _MAX_U64)


def _time(found: Settings, text: str) -> None:
    found.milliseconds = milliseconds(text)


def _statistics(found: Settings, text: str) -> None:
    found.statistics = _choice(text, "true", "false") == "true"


def _engine(found: Settings, text: str) -> None:
    found.engine = _choice(text, WASMEDGE, WASMTIME)


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
            raise ValueError(f"the name {guest!r} is given twice")
        found.preopens.append(Preopen(guest, clean(host), mode == "ro"))
    if len(found.preopens) > _MOST_PREOPENS:
        raise ValueError(f"more than {_MOST_PREOPENS} directories")


def _proc(found: Settings, text: str) -> None:
    found.proc_writable = _choice(text, "read-only", "writable") == "writable"


def _seccomp(found: Settings, text: str) -> None:
    found.seccomp = _choice(text, "on", "off")


def _insist(found: Settings, text: str) -> None:
    if text != "exceptions":
        raise ValueError(f"{text!r} is not exceptions")
    found.insist = True


def _plugins(found: Settings, text: str) -> None:
    found.plugins = _items(text)
    for name in found.plugins:
        if not _PLUGIN_CHARACTERS.issuperset(name):
            raise ValueError(f"{name!r} is not the name of a plugin, such as WasiNN")


_PARSERS: Mapping[str, Callable[[Settings, str], None]] = {
    "engine": _engine,
    "function": _function,
    "insist": _insist,
    "instruction-limit": _instructions,
    "memory-pages": _memory_pages,
    "plugins": _plugins,
    "preopens": _preopens,
    "proc": _proc,
    "seccomp": _seccomp,
    "statistics": _statistics,
    "time-limit": _time,
}
