"""The container's cgroup: where it is, what is written to it, how its processes see it."""

from __future__ import annotations

import errno

from crunw.effects.cgroups.files import read
from crunw.effects.cgroups.group import Cgroup
from crunw.effects.cgroups.layout import UNIFIED, Layout, detect, group_path
from crunw.errors import KernelError, SpecError, StateError
from crunw.files import is_directory, lines
from crunw.oci.queries import namespaces
from crunw.paths import is_rootless
from crunw.plan import device_rules, devices_bpf
from crunw.plan.inputs import CgroupMount, CgroupView
from crunw.plan.resources import writes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

    from crunw.lifecycle.request import Request
    from crunw.oci.model import Spec
    from crunw.plan.device_rules import Rule
    from crunw.plan.resources import Write


# The errors of cgroups that a caller without the host's root gets.
_NOT_OURS = (errno.EACCES, errno.EPERM, errno.EROFS)


class Placement:
    """Where the process is put.

    ``group`` is to be created, or was (None: the process stays in its caller's cgroup); ``writes``
    go there; ``view`` is what the plan has to know of it.
    """

    __slots__ = ("group", "view", "writes")

    def __init__(self, group: Cgroup | None, view: CgroupView, writes: list[Write]) -> None:
        self.group: Final = group
        self.view: Final = view
        self.writes: Final = writes


def plan_cgroup(spec: Spec, request: Request) -> Placement:
    """Decide on the cgroup; creates nothing.

    Raises :class:`StateError` for a cgroup that has processes in it: they are not ours.
    """
    layout = detect()
    if request.cgroup_manager == "disabled" or not layout.tops:
        return Placement(None, callers_view(spec, layout), [])
    resources = spec["linux"].get("resources", {})
    rules = device_rules.rules(resources.get("devices", ()))
    group = _group(layout, spec, request, rules)
    if count := len(group.procs()):
        raise StateError(f"cgroup {group.path} is in use by {count} processes")
    if frozen := group.frozen_place():
        raise StateError(f"cgroup {frozen} is frozen: a process in it would not run (thaw it)")
    view = CgroupView(
        version=_version(layout),
        private=_is_private(spec),
        mounts=_mounts(layout.tops, group.path),
        join=group.join_files(),
        unified=group.unified,
        devices=devices_bpf.program(rules) if filters_devices(layout) else b"",
    )
    wanted = writes(resources, layout.version)
    return Placement(group, view, [write for write in wanted if not write.resets])


def make_cgroup(spec: Spec, planned: Placement, limits: list[Write], first: int) -> Placement:
    """Create the cgroup with ``limits`` for the process ``first``; return where that is put now.

    An ordinary user may not be allowed to: then it stays where it is, and that is an error only if
    limits are asked for, as in runc and crun. Raises as :meth:`Cgroup.create`.
    """
    if not planned.group:
        return planned
    try:
        planned.group.create(limits, first)
    except KernelError as error:
        if error.errno not in _NOT_OURS or not is_rootless():
            raise
        if limits:
            raise SpecError(limits[0].field, f"needs a cgroup of its own: {error}") from error
        return Placement(None, callers_view(spec, detect()), [])
    return planned


def without_devices(writes: list[Write]) -> tuple[list[Write], list[Write]]:
    """The writes before crunw-init joins the cgroup, and those of the device rules, after that."""
    devices = [write for write in writes if write.controller == "devices"]
    return [write for write in writes if write not in devices], devices


def filters_devices(layout: Layout) -> bool:
    """Whether device rules are a program that has to be loaded (cgroup v2), and may be.

    An ordinary user may not, but can make no device either: they are left out, as in runc and crun.
    """
    return layout.version("devices") == 2 and not is_rootless()


def _group(layout: Layout, spec: Spec, request: Request, rules: list[Rule]) -> Cgroup:
    """The cgroup of the manager asked for, which is not made yet."""
    if request.cgroup_manager != "systemd":
        return Cgroup.at(layout, group_path(spec["linux"].get("cgroupsPath", ""), request.id))
    from crunw.effects.cgroups.systemd import Scope

    return Scope.planned(layout, spec, request.id, rules, user=is_rootless())


def callers_view(spec: Spec, layout: Layout) -> CgroupView:
    """For a container without a cgroup: its processes stay in the caller's, and see that."""
    own = dict(line.split(":", 2)[1:] for line in lines(read("/proc/self/cgroup")))
    found = [
        mount
        for key, top in layout.tops.items()
        for mount in _mounts({key: top}, _seen(top, own.get(key, "/")))
    ]
    return CgroupView(version=_version(layout), private=_is_private(spec), mounts=found)


def _version(layout: Layout) -> int:
    return 2 if layout.mode == "v2" else 1


def _is_private(spec: Spec) -> bool:
    return namespaces(spec).get("cgroup") == ""


def _seen(top: str, path: str) -> str:
    """``path``, if it can be seen from here: a cgroup namespace may show another part."""
    return path if path != "/" and is_directory(top + path) else ""


def _mounts(tops: dict[str, str], path: str) -> list[CgroupMount]:
    """The hierarchies (as in :class:`Layout`) for a mount of type cgroup; ``path``: the group's."""
    found = []
    for key, top in tops.items():
        name = top.rpartition("/")[2]
        if key == UNIFIED:
            found.append(CgroupMount(name, "", top + path, unified=True))
        else:
            data = f"none,{key}" if key.startswith("name=") else key
            found.append(CgroupMount(name, data, top + path))
    return found
