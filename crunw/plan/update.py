"""What an ``update`` of ``linux.resources`` means for a container that has some already."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from crunw.oci.model import Resources

    Section = dict[str, Any]

# Limits of which one means something else without the other: cpu.max holds quota and period, and
# memory.swap counts the memory too.
_PAIRS = (
    ("memory", "limit", "swap"),
    ("cpu", "quota", "period"),
    ("cpu", "realtimeRuntime", "realtimePeriod"),
)
# 0 is a value of its own, not "not asked for".
_ZERO_COUNTS = ("burst", "classID", "idle", "realtimeRuntime", "swappiness")


def completed(before: Resources, asked: Resources) -> Resources:
    """Return ``asked`` without what it leaves as it is, with the other half of each pair.

    As in ``config.json``, 0 and "" mean "not asked for". No memory limit any more means no limit
    of memory and swap either, unless one is asked for.
    """
    sections: dict[str, Any] = {name: _without_zeros(part) for name, part in asked.items()}
    earlier: dict[str, Any] = dict(before)
    memory = sections.get("memory", {})
    if memory.get("limit") == -1:
        memory.setdefault("swap", -1)
    for name, *pair in _PAIRS:
        section: Section = sections.get(name, {})
        if not section.keys().isdisjoint(pair):
            old = earlier.get(name, {})
            section.update({key: old[key] for key in pair if key in old and key not in section})
    return {name: part for name, part in sections.items() if part}  # type: ignore[return-value]


def merged(before: Resources, changes: Resources) -> Resources:
    """Return the resources after the update: a list is replaced as a whole."""
    result: dict[str, Any] = dict(before)
    for name, part in changes.items():
        old = result.get(name)
        result[name] = {**old, **part} if isinstance(old, dict) and isinstance(part, dict) else part
    return result  # type: ignore[return-value]


def _without_zeros(part: Any) -> Any:
    if not isinstance(part, dict):
        return part
    return {
        key: value
        for key, value in part.items()
        if value is True or value is False or value not in (0, "") or key in _ZERO_COUNTS
    }
