"""``pause`` and ``resume``."""

from __future__ import annotations

from crunw import status
from crunw.effects.store import Container
from crunw.errors import CrunwError
from crunw.lifecycle.state import cgroup_of, current

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crunw.effects.cgroups.group import Cgroup
    from crunw.effects.store import Record


def pause(root: str, container_id: str) -> None:
    """Stop every process of a running container; they have stopped when this returns.

    Raises :class:`crunw.errors.StateError` in any other status.
    """
    _locked_group(root, container_id, "pause").freeze()


def resume(root: str, container_id: str) -> None:
    """Let a paused container go on. Raises :class:`crunw.errors.StateError` for any other."""
    _locked_group(root, container_id, "resume").thaw()


def _locked_group(root: str, container_id: str, verb: str) -> Cgroup:
    """The cgroup of a container in the right status, which stays so until this process ends."""
    container = Container(root, container_id)
    container.lock()
    record = container.read()
    status.check(verb, container_id, current(container, record))
    return needed_cgroup(verb, container_id, record)


def needed_cgroup(verb: str, container_id: str, record: Record) -> Cgroup:
    """Return the container's cgroup. Raises :class:`CrunwError` if it has none."""
    group = cgroup_of(record)
    if group is None:
        raise CrunwError(f"{verb} {container_id}: the container has no cgroup")
    return group
