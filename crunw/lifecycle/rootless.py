"""What a caller without the host's root does differently about cgroups."""

from __future__ import annotations

import errno

from crunw.effects.cgroups.files import read
from crunw.effects.cgroups.layout import detect
from crunw.errors import KernelError, SpecError
from crunw.files import is_directory
from crunw.lifecycle.resources import cgroup_mounts, is_rootless

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crunw.effects.cgroups.group import Cgroup
    from crunw.plan.host import Host
    from crunw.plan.resources import Write

_NOT_OURS = (errno.EACCES, errno.EPERM, errno.EROFS)


def make_cgroup(cgroup: Cgroup, writes: list[Write], first: int, host: Host) -> Cgroup | None:
    """Make the cgroup. None, and a ``host`` without one, where the caller may not have any.

    That is an error only if limits are asked for, as in runc and crun; device rules are none to a
    user who can't make devices. Raises as :meth:`Cgroup.create`.
    """
    try:
        cgroup.create(writes, first)
    except KernelError as error:
        if error.errno not in _NOT_OURS or not is_rootless():
            raise
        limits = [write for write in writes if write.controller != "devices"]
        if limits:
            raise SpecError(limits[0].field, f"needs a cgroup of its own: {error}") from error
        _stay(host)
        return None
    return cgroup


def _stay(host: Host) -> None:
    """The container's processes stay in the cgroup of the caller."""
    host.cgroup_join = []
    host.cgroup_unified = ""
    host.device_program = b""
    own = dict(line.split(":", 2)[1:] for line in read("/proc/self/cgroup").splitlines())
    layout = detect()
    host.cgroup_mounts = [
        mount
        for key, top in layout.tops.items()
        for mount in cgroup_mounts({key: top}, _below(top, own.get(key, "/")))
    ]


def _below(top: str, path: str) -> str:
    """``path``, if it can be seen from here: a cgroup namespace may show another part."""
    return path if path != "/" and is_directory(top + path) else ""
