"""``crunw update``."""

from __future__ import annotations

from crunw.cli.options import Option, Parsed
from crunw.cli.start import one_id
from crunw.effects.store import default_root
from crunw.errors import UsageError
from crunw.lifecycle.update import update
from crunw.oci.load import checked_resources, load_resources

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from crunw.oci.model import Resources

USAGE = "[OPTION…] ID"
ABOUT = "Change the resource limits of a container; what is not named stays as it is."
INTERSPERSED = True

_BYTES = {
    "memory": ("memory", "limit", "memory limit (64m, 1g, -1: none)"),
    "memory-reservation": ("memory", "reservation", "memory that is left under pressure"),
    "memory-swap": ("memory", "swap", "limit of memory and swap together (-1: none)"),
}
_NUMBERS = {
    "cpu-period": ("cpu", "period", "length of a CFS period, µs"),
    "cpu-quota": ("cpu", "quota", "CPU time in a period, µs (-1: no limit)"),
    "cpu-burst": ("cpu", "burst", "CPU time that may be saved up, µs"),
    "cpu-share": ("cpu", "shares", "share of the CPU in relation to others"),
    "cpu-idle": ("cpu", "idle", "1: SCHED_IDLE"),
    "cpu-rt-period": ("cpu", "realtimePeriod", "length of a realtime period, µs"),
    "cpu-rt-runtime": ("cpu", "realtimeRuntime", "realtime CPU time in a period, µs"),
    "pids-limit": ("pids", "limit", "number of processes (-1: no limit)"),
    "blkio-weight": ("blockIO", "weight", "share of block I/O, from 10 to 1000"),
}
_TEXTS = {
    "cpuset-cpus": ("cpu", "cpus", "CPUs to run on (0-3,7)"),
    "cpuset-mems": ("cpu", "mems", "memory nodes to allocate from"),
}
_REFUSED = {
    "kernel-memory": "the kernel has no such limit any more",
    "kernel-memory-tcp": "the kernel has no such limit any more",
    "l3-cache-schema": "Intel RDT is not supported",
    "mem-bw-schema": "Intel RDT is not supported",
}
_LIMITS = {**_BYTES, **_NUMBERS, **_TEXTS}
OPTIONS = (
    Option("resources", "take all limits from FILE (JSON), -: standard input", "FILE", "r"),
    *(Option(name, about, "VALUE") for name, (_, _, about) in _LIMITS.items()),
    *(Option(name, f"refused: {why}", "VALUE") for name, why in _REFUSED.items()),
)


def run(parsed: Parsed, given: Parsed) -> int:
    """Update the container."""
    container_id = one_id(parsed)
    update(given.text("root") or default_root(), container_id, _asked(parsed))
    return 0


def _asked(parsed: Parsed) -> Resources:
    for name, why in _REFUSED.items():
        if parsed.text(name):
            raise UsageError(f"--{name}: {why}")
    document: dict[str, Any] = {}
    for name, (section, key, _) in _LIMITS.items():
        if text := parsed.text(name):
            document.setdefault(section, {})[key] = _value(name, text)
    path = parsed.text("resources")
    if not path:
        return checked_resources(document)
    if document:
        raise UsageError("--resources says all: no other limit can be given with it")
    return load_resources(path)


def _value(name: str, text: str) -> int | str:
    if name in _TEXTS:
        return text
    if name in _BYTES:
        return _bytes(name, text)
    return _integer(name, text)


def _bytes(name: str, text: str) -> int:
    """``1048576``, ``1024k``, ``1m``, ``1MB``, ``1MiB``: powers of 1024, as runc reads them."""
    number = text.lower().removesuffix("b").removesuffix("i")
    power = "kmgtp".find(number[-1:]) + 1 if number else 0
    return _integer(name, number[:-1] if power else number) << 10 * power


def _integer(name: str, text: str) -> int:
    if not text.removeprefix("-").isdecimal():
        raise UsageError(f"--{name}: {text!r} is not a number")
    return int(text)
