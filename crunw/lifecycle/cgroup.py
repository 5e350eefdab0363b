"""The container's cgroup: where it is, what is written to it, how its processes see it."""

from __future__ import annotations

import errno

from crunw.effects.cgroups.files import read
from crunw.effects.cgroups.group import Cgroup
from crunw.effects.cgroups.layout import UNIFIED, Layout, detect, group_path
from crunw.errors import KernelError, SpecError, StateError
from crunw.files import is_directory, lines
from crunw.paths import is_rootless
from crunw.plan import device_rules, devices_bpf
from crunw.plan.host import CgroupMount, Host
from crunw.plan.resources import writes
from crunw.spec.queries import namespaces

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crunw.lifecycle.request import Request
    from crunw.plan.device_rules import Rule
    from crunw.plan.resources import Write
    from crunw.spec.model import Spec


# What a caller without the host's root is told about cgroups.
_NOT_OURS = (errno.EACCES, errno.EPERM, errno.EROFS)


def plan_cgroup(spec: Spec, request: Request, host: Host) -> tuple[Cgroup | None, list[Write]]:
    """Decide on the cgroup and tell ``host`` about it; makes nothing.

    Raises :class:`StateError` for a cgroup that has processes in it: they are not ours.
    """
    linux = spec["linux"]
    layout = detect()
    host.cgroup_version = 2 if layout.mode == "v2" else 1
    host.cgroup_namespace = namespaces(spec).get("cgroup") == ""
    if request.cgroup_manager == "disabled" or not layout.tops:
        stay(host, layout)
        return None, []
    resources = linux.get("resources", {})
    rules = device_rules.rules(resources.get("devices", ()))
    group = _group(layout, spec, request, rules)
    if count := len(group.procs()):
        raise StateError(f"cgroup {group.path} is in use by {count} processes")
    if frozen := group.frozen_place():
        raise StateError(f"cgroup {frozen} is frozen: a process in it would not run (thaw it)")
    host.cgroup_join = group.join_files()
    host.cgroup_unified = group.unified
    host.cgroup_mounts = _mounts(layout.tops, group.path)
    if filters_devices(layout):
        host.device_program = devices_bpf.program(rules)
    wanted = writes(resources, layout.version)
    return group, [write for write in wanted if not write.resets]


def make_cgroup(cgroup: Cgroup, writes: list[Write], first: int, host: Host) -> Cgroup | None:
    """Make the cgroup. None, and a ``host`` without one, where the caller may not have any.

    That is an error only if limits are asked for, as in runc and crun. Raises as
    :meth:`Cgroup.create`.
    """
    try:
        cgroup.create(writes, first)
    except KernelError as error:
        if error.errno not in _NOT_OURS or not is_rootless():
            raise
        if writes:
            raise SpecError(writes[0].field, f"needs a cgroup of its own: {error}") from error
        stay(host, detect())
        return None
    return cgroup


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


def stay(host: Host, layout: Layout) -> None:
    """The container gets no cgroup: its processes stay in the caller's, and see that."""
    host.cgroup_join = []
    host.cgroup_unified = ""
    host.device_program = b""
    own = dict(line.split(":", 2)[1:] for line in lines(read("/proc/self/cgroup")))
    host.cgroup_mounts = [
        mount
        for key, top in layout.tops.items()
        for mount in _mounts({key: top}, _seen(top, own.get(key, "/")))
    ]


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
