"""Limits as properties of a systemd scope (systemd.resource-control(5)).

What systemd knows of a limit it writes to the cgroup again whenever it likes, so it must know
all that it has a property for. They are made out of the same :class:`Write` that
:mod:`crunw.effects.cgroups` performs afterwards, which covers the rest: the files decide.
"""

from __future__ import annotations

from crunw.errors import SpecError
from crunw.plan.device_rules import access_letters

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from crunw.plan.device_rules import Rule
    from crunw.plan.resources import Write

    Value = bool | int | str | bytes | list[int] | list[str] | list[tuple[str, str]]
    Property = tuple[str, tuple[str, Value]]  # name, (D-Bus signature, value)

INFINITY = 2**64 - 1
_QUOTA_STEP = 10_000  # µs per second: systemd takes the quota in whole per cents

# Number of bytes, tasks or a weight; "max" and -1 mean no limit.
_NUMBERS = {
    "memory.max": "MemoryMax",
    "memory.high": "MemoryHigh",
    "memory.low": "MemoryLow",
    "memory.min": "MemoryMin",
    "memory.swap.max": "MemorySwapMax",
    "memory.zswap.max": "MemoryZSwapMax",
    "pids.max": "TasksMax",
    "cpu.weight": "CPUWeight",
    # cgroup v1
    "memory.limit_in_bytes": "MemoryLimit",
    "cpu.shares": "CPUShares",
}
_SETS = {"cpuset.cpus": "AllowedCPUs", "cpuset.mems": "AllowedMemoryNodes"}
_DEFAULT_PERIOD = 100_000  # µs, the kernel's


def scope_properties(writes: Sequence[Write]) -> list[Property]:
    """The properties for ``writes``, in the same order. Raises :class:`SpecError`."""
    found: dict[str, tuple[str, Value]] = {}
    quota: dict[str, int] = {}
    for write in writes:
        found.update(_plain(write, write.value.strip()))
        quota.update(_quota(write, write.value.strip()))
    return [*found.items(), *_quota_properties(quota)]


def _plain(write: Write, value: str) -> Iterator[Property]:
    if write.file in _NUMBERS:
        yield _NUMBERS[write.file], ("t", _number(value, write.field))
    elif write.file in _SETS:
        yield _SETS[write.file], ("ay", bit_mask(value, write.field) if value else b"")
    elif write.file == "cpu.idle" and value == "1":
        yield "CPUWeight", ("t", 0)
    elif write.file == "io.weight":
        weight = value.removeprefix("default ")
        if weight.isdecimal():  # else a device's own
            yield "IOWeight", ("t", int(weight))
    elif write.fallback:
        yield from _plain(write.fallback, write.fallback.value)


def _number(value: str, field: str) -> int:
    if value in ("max", "-1"):
        return INFINITY
    if not value.isdecimal():
        raise SpecError(field, f"{value!r} is not a number")
    return int(value)


def bit_mask(cpus: str, field: str) -> bytes:
    """``0-2,7`` as bytes, the lowest bit of the first for 0. Raises :class:`SpecError`."""
    mask = 0
    for part in cpus.split(","):
        first, dash, last = part.partition("-")
        last = last if dash else first
        if not (first.isdecimal() and last.isdecimal() and int(last) < 65536):
            raise SpecError(field, f"{cpus!r} is not a list such as 0-3,7")
        for number in range(int(first), int(last) + 1):
            mask |= 1 << number
    return mask.to_bytes((mask.bit_length() + 7) // 8, "little")


def _quota(write: Write, value: str) -> Iterator[tuple[str, int]]:
    """Quota (-1: none) and period in µs."""
    if write.file in ("cpu.max", "cpu.cfs_quota_us"):
        quota, _, period = value.partition(" ")
        yield "quota", -1 if quota in ("max", "-1") else _number(quota, write.field)
        if period:
            yield "period", _number(period, write.field)
    elif write.file == "cpu.cfs_period_us":
        yield "period", _number(value, write.field)


def _quota_properties(quota: dict[str, int]) -> Iterator[Property]:
    period = quota.get("period", _DEFAULT_PERIOD)
    if "period" in quota:
        yield "CPUQuotaPeriodUSec", ("t", period)
    if "quota" in quota:
        per_second = quota["quota"] * 1_000_000 // period
        rounded = -(-per_second // _QUOTA_STEP) * _QUOTA_STEP
        yield "CPUQuotaPerSecUSec", ("t", INFINITY if quota["quota"] < 0 else rounded)


def device_properties(rules: Sequence[Rule], drivers: dict[tuple[str, int], str]) -> list[Property]:
    """What systemd's own device filter lets pass: at least what ``rules`` do.

    A device must pass both filters, and ours decides. systemd's list has no exceptions and names a
    major number by its driver: ``drivers`` is ``/proc/devices``. Where rules can't be put so, that
    filter is left off.
    """
    allowed: list[tuple[str, str]] = []
    for rule in rules:
        if rule.covers_all():
            allowed.clear()
        if not rule.allow:
            continue
        nodes = [_node(kind, rule, drivers) for kind in ("bc" if rule.type == "a" else rule.type)]
        if rule.covers_all() or "" in nodes:
            return [("DevicePolicy", ("s", "auto"))]
        allowed += [(node, access_letters(rule.access)) for node in nodes]
    return [("DevicePolicy", ("s", "strict")), ("DeviceAllow", ("a(ss)", allowed))]


def _node(kind: str, rule: Rule, drivers: dict[tuple[str, int], str]) -> str:
    """systemd's name for the rule's devices; "" where it has none."""
    word = {"c": "char", "b": "block"}[kind]
    if rule.major is None:
        return f"{word}-*" if rule.minor is None else ""
    if rule.minor is not None:
        return f"/dev/{word}/{rule.major}:{rule.minor}"
    driver = drivers.get((kind, rule.major), "")
    return f"{word}-{driver}" if driver else ""
