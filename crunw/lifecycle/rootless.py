"""What a caller without the host's root does differently about cgroups."""

from __future__ import annotations

import errno

from crunw.effects.cgroups.layout import detect
from crunw.errors import KernelError, SpecError
from crunw.lifecycle.resources import stay
from crunw.paths import is_rootless

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crunw.effects.cgroups.group import Cgroup
    from crunw.plan.host import Host
    from crunw.plan.resources import Write

_NOT_OURS = (errno.EACCES, errno.EPERM, errno.EROFS)


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
