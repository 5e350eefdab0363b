"""Device rules of ``linux.resources.devices`` (config-linux.md "Allowed Device list").

Rules are applied in order: each access (read, write, mknod) to a device is decided by the last
rule that covers it, and denied when none does. :mod:`crunw.plan.devices_bpf` makes a program of
them for cgroup v2; :func:`v1_writes` makes lines for the ``devices`` controller of cgroup v1.
"""

from __future__ import annotations

from crunw.errors import SpecError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from crunw.oci.model import DeviceRule

# Bits of BPF_DEVCG_ACC_* (linux/bpf.h).
MKNOD = 1
READ = 2
WRITE = 4
ALL = MKNOD | READ | WRITE

_LETTERS = {"r": READ, "w": WRITE, "m": MKNOD}


class Rule:
    """One rule. ``type`` is "b", "c" or "a" (both); a number of ``None`` matches every device."""

    __slots__ = ("access", "allow", "major", "minor", "type")

    def __init__(
        self, allow: bool, type: str, major: int | None, minor: int | None, access: int
    ) -> None:
        self.allow = allow
        self.type = type
        self.major = major
        self.minor = minor
        self.access = access

    def covers_all(self) -> bool:
        """Whether no access to any device is left for an earlier rule to decide."""
        return self.type == "a" and self.major is self.minor is None and self.access == ALL


def _defaults() -> list[Rule]:
    """What every container may do whatever its rules say, as in runc and crun.

    Any node may be made (using it is another matter), and the devices that the specification
    puts into each container's /dev, its terminals and /dev/net/tun may be used.
    """
    nodes = [Rule(True, kind, None, None, MKNOD) for kind in "cb"]
    used = ((1, 3), (1, 5), (1, 7), (1, 8), (1, 9), (5, 0), (5, 1), (5, 2), (136, None), (10, 200))
    return nodes + [Rule(True, "c", major, minor, ALL) for major, minor in used]


def rules(devices: Iterable[DeviceRule]) -> list[Rule]:
    """The rules of a specification, with the defaults after them.

    Numbers that are missing or negative match every device; a missing ``access`` is all three.
    Rules that a later one overrides entirely are left out.
    Raises :class:`SpecError` for an unknown type or access letter.
    """
    found: list[Rule] = []
    for index, device in enumerate(devices):
        field = f"linux.resources.devices[{index}]"
        kind = device.get("type", "a") or "a"
        if kind not in ("a", "b", "c"):
            raise SpecError(f"{field}.type", f"{kind!r} is not one of a, b, c")
        access = 0
        for letter in device.get("access", "rwm") or "rwm":
            if letter not in _LETTERS:
                raise SpecError(f"{field}.access", f"{letter!r} is not one of r, w, m")
            access |= _LETTERS[letter]
        major = _number(device.get("major", -1), f"{field}.major")
        minor = _number(device.get("minor", -1), f"{field}.minor")
        rule = Rule(device["allow"], kind, major, minor, access)
        if rule.covers_all():
            found.clear()
        found.append(rule)
    return found + _defaults()


def _number(number: int, field: str) -> int | None:
    if number > 0xFFFFFFFF:
        raise SpecError(field, f"{number} is not a device number")
    return number if number >= 0 else None


def v1_writes(rules: list[Rule]) -> list[tuple[str, str]]:
    """``(file, line)`` for the ``devices`` controller that together mean what ``rules`` mean.

    The kernel keeps one default and a flat list of exceptions to it, so the rules are worked out
    here. Raises :class:`SpecError` when they can't be put that way (a rule that reverts a part
    of a wider exception).
    """
    default = False
    exceptions: dict[tuple[str, int | None, int | None], int] = {}
    for rule in rules:
        if rule.covers_all():
            default = rule.allow
            exceptions.clear()
            continue
        for kind in "bc" if rule.type == "a" else rule.type:
            key = (kind, rule.major, rule.minor)
            if rule.allow != default:
                exceptions[key] = exceptions.get(key, 0) | rule.access
            else:
                _take_back(exceptions, key, rule.access)
    others = "devices.deny" if default else "devices.allow"
    writes = [("devices.allow" if default else "devices.deny", "a")]
    for (kind, major, minor), access in exceptions.items():
        numbers = f"{_text(major)}:{_text(minor)}"
        writes.append((others, f"{kind} {numbers} {access_letters(access)}"))
    return writes


def access_letters(access: int) -> str:
    """``rwm`` for :data:`ALL`, and so on."""
    return "".join(letter for letter, bit in _LETTERS.items() if access & bit)


def _take_back(
    exceptions: dict[tuple[str, int | None, int | None], int],
    key: tuple[str, int | None, int | None],
    access: int,
) -> None:
    """Remove what ``key`` covers from the exceptions."""
    kind, major, minor = key
    for other, other_access in list(exceptions.items()):
        if other[0] != kind or not other_access & access:
            continue
        if major in (None, other[1]) and minor in (None, other[2]):
            exceptions[other] = other_access & ~access
            if not exceptions[other]:
                del exceptions[other]
        elif (other[1] is None or major in (None, other[1])) and (
            other[2] is None or minor in (None, other[2])
        ):
            raise SpecError(
                "linux.resources.devices",
                f"the rule for {kind} {_text(major)}:{_text(minor)} reverts a part of the one "
                f"for {kind} {_text(other[1])}:{_text(other[2])}, which cgroup v1 can't do",
            )


def _text(number: int | None) -> str:
    return "*" if number is None else str(number)
