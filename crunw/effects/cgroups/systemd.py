"""A container's cgroup as a transient scope of systemd (org.freedesktop.systemd1(5)).

systemd makes the scope's cgroup around the process that it is given, and delegates it: what is in
it is ours, and everything but its making and its end is done as without systemd.
"""

from __future__ import annotations

import posix

from crunw.effects.cgroups.dbus import UNIT_EXISTS, Systemd, SystemdError
from crunw.effects.cgroups.files import read
from crunw.effects.cgroups.group import Cgroup
from crunw.errors import SpecError
from crunw.files import lines
from crunw.plan.scope import device_properties, scope_properties
from crunw.plan.scope_annotations import annotated_properties

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Self

    from crunw.effects.cgroups.layout import Layout
    from crunw.oci.model import Spec
    from crunw.plan.device_rules import Rule
    from crunw.plan.resources import Write
    from crunw.plan.scope import Property

_FIELD = "linux.cgroupsPath"
_NAME_LENGTH = 255
# Those of a unit (systemd.unit(5)).
_NAME_CHARACTERS = frozenset(
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789:-_.\\@"
)


class Scope(Cgroup):
    """A container's scope; making the object touches nothing."""

    __slots__ = ("_connection", "_properties", "slice", "unit", "user")

    def __init__(
        self, mode: str, path: str, directories: dict[str, str], unit: str, user: bool
    ) -> None:
        super().__init__(mode, path, directories)
        self.unit = unit
        self.user = user  # of the user's own manager
        self.slice = ""
        self._properties: list[Property] = []
        self._connection: Systemd | None = None

    @classmethod
    def planned(
        cls, layout: Layout, spec: Spec, container_id: str, rules: list[Rule], *, user: bool
    ) -> Self:
        """The scope that ``linux.cgroupsPath`` names, for :meth:`create`.

        Asks systemd below which cgroup it has its slices. Raises :class:`SpecError` for another
        form of path, :class:`CrunwError` where systemd is out of reach.
        """
        cgroups_path = spec["linux"].get("cgroupsPath", "")
        slice_name, unit = scope_name(cgroups_path, container_id, user=user)
        connection = Systemd(user=user)
        path = f"{connection.control_group()}{slice_path(slice_name)}/{unit}"
        directories = {key: top + path for key, top in layout.tops.items()}
        scope = cls(layout.mode, path, directories, unit, user)
        scope.slice = slice_name
        scope._connection = connection
        # A user's manager can't filter devices.
        devices = [] if user else device_properties(rules, drivers(read("/proc/devices")))
        scope._properties = [
            *dict(
                [
                    *_identity(slice_name, container_id, layout.mode),
                    *devices,
                    *annotated_properties(spec.get("annotations", {})),
                ]
            ).items()
        ]
        return scope

    @classmethod
    def from_record(cls, record: dict[str, Any]) -> Self:
        """What :meth:`record` made, in a later process."""
        directories = record["directories"]
        return cls(record["mode"], record["path"], directories, record["unit"], record["user"])

    def record(self) -> dict[str, Any]:
        """A plain dict for the state file."""
        return {**super().record(), "unit": self.unit, "user": self.user}

    def create(self, writes: list[Write], first: int = 0) -> None:
        """Have systemd make the scope around the process ``first``, then apply ``writes``.

        Raises as :meth:`Cgroup.create`, and :class:`SystemdError`.
        """
        self._start([*self._properties, ("PIDs", ("au", [first])), *scope_properties(writes)])
        try:
            super().create(writes, first)
        except BaseException:
            self._systemd().stop(self.unit)
            raise

    def _start(self, properties: list[Property]) -> None:
        """Start the scope; one of that name is over, but systemd has not noticed or has kept it."""
        systemd = self._systemd()
        try:
            systemd.start_scope(self.unit, properties)
        except SystemdError as error:
            if error.name != UNIT_EXISTS:
                raise
            systemd.stop(self.unit)
            systemd.start_scope(self.unit, properties)

    def admit(self, pid: int) -> None:
        """Have systemd move a process of an ordinary user's into the scope, if he may not himself.

        He may move processes below cgroups that are his, not from his login session to his
        manager's units (cgroups(7), "Delegation containment"). Raises :class:`SystemdError`.
        """
        if self.user and self.unified and not self._is_open():
            self._systemd().attach(self.unit, pid)

    def _is_open(self) -> bool:
        """Whether this process may move others from its own cgroup (v2) to this one."""
        (own,) = (line[3:] for line in lines(read("/proc/self/cgroup")) if line[:3] == "0::")
        common = ""
        for here, there in zip(own.split("/")[1:], self.path.split("/")[1:], strict=False):
            if here != there:
                break
            common += f"/{here}"
        top = self.unified.removesuffix(self.path)
        return posix.access(f"{top}{common}/cgroup.procs", posix.W_OK)

    def apply(self, writes: list[Write]) -> None:
        """Tell systemd, which would write the old limits again; then write them, in order.

        What systemd rounds (a quota) is exact in the end. Raises as :meth:`Cgroup.apply`, and
        :class:`SystemdError`.
        """
        self.check_usage(writes)  # as long as nothing has been reclaimed
        properties = scope_properties(writes)
        if properties:
            self._systemd().set_properties(self.unit, properties)
        super().apply(writes)

    def delete(self) -> None:
        """Stop the scope, by which systemd removes its cgroup; remove what it left."""
        self._systemd().stop(self.unit)
        super().delete()

    def _systemd(self) -> Systemd:
        if self._connection is None:
            self._connection = Systemd(user=self.user)
        return self._connection


def _identity(slice_name: str, container_id: str, mode: str) -> list[Property]:
    """What every scope of ours is."""
    io_accounting = "IOAccounting" if mode == "v2" else "BlockIOAccounting"
    accounting = ("CPUAccounting", "MemoryAccounting", "TasksAccounting", io_accounting)
    return [
        ("Description", ("s", f"crunw container {container_id}")),
        ("Slice", ("s", slice_name)),
        ("Delegate", ("b", True)),
        ("DefaultDependencies", ("b", False)),  # whoever runs the engine decides when it stops
        ("CollectMode", ("s", "inactive-or-failed")),
        *((name, ("b", True)) for name in accounting),
    ]


def scope_name(cgroups_path: str, container_id: str, *, user: bool) -> tuple[str, str]:
    """``(slice, scope)`` of ``slice:prefix:name``, as runc and crun have it.

    Without a slice it is ``system.slice``, of a user ``user.slice``; without a path the scope is
    ``crunw-ID.scope`` there. Raises :class:`SpecError`.
    """
    default = "user.slice" if user else "system.slice"
    if not cgroups_path:
        cgroups_path = f":crunw:{container_id}"
    parts = cgroups_path.split(":", 2)
    if len(parts) != 3:
        problem = f"{cgroups_path!r} is not slice:prefix:name, as the systemd cgroup manager needs"
        raise SpecError(_FIELD, problem)
    slice_name, prefix, name = parts
    unit = f"{prefix}-{name}.scope" if prefix else f"{name}.scope"
    slice_name = slice_name or default
    slice_path(slice_name)
    if not name or len(unit) > _NAME_LENGTH or not _NAME_CHARACTERS.issuperset(unit):
        raise SpecError(_FIELD, f"{unit!r} is not a name of a systemd unit")
    return slice_name, unit


def slice_path(name: str) -> str:
    """``a-b.slice`` → ``/a.slice/a-b.slice`` (systemd.slice(5)); "" for ``-.slice``.

    Raises :class:`SpecError`.
    """
    stem = name.removesuffix(".slice")
    if name == "-.slice":
        return ""
    parts = stem.split("-")
    if stem == name or "" in parts or not _NAME_CHARACTERS.issuperset(name):
        raise SpecError(_FIELD, f"{name!r} is not a name of a systemd slice")
    return "".join(f"/{'-'.join(parts[: end + 1])}.slice" for end in range(len(parts)))


def drivers(proc_devices: str) -> dict[tuple[str, int], str]:
    """``("c", 136) → "pts"`` and so on, of the text of ``/proc/devices`` (proc(5))."""
    found: dict[tuple[str, int], str] = {}
    kind = ""
    for line in proc_devices.splitlines():
        number, _, name = line.strip().partition(" ")
        if number.isdecimal():
            found.setdefault((kind, int(number)), name)
        elif number:
            kind = number[0].lower()  # "Character devices:", "Block devices:"
    return found
