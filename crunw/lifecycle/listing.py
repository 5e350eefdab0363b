"""``list`` and ``ps``."""

from __future__ import annotations

from crunw import status
from crunw.effects.store import Container, containers
from crunw.errors import CrunwError, StateError
from crunw.lifecycle.recovery import recover
from crunw.lifecycle.state import cgroup_of, current, document

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crunw.effects.store import Record


def states(root: str) -> list[Record]:
    """The state documents of all containers. Of one whose record is damaged a notice says so."""
    found = []
    for container in containers(root):
        try:
            record = container.read()
        except CrunwError as error:
            if not container.exists():
                continue  # deleted meanwhile
            record = recover(container, error)
        try:
            found.append(document(container, record, current(container, record)))
        except StateError:
            continue  # deleted meanwhile
    return found


def pids(root: str, container_id: str) -> list[int]:
    """The processes of a container, in the runtime's pid namespace. Raises :class:`CrunwError`."""
    container = Container(root, container_id)
    record = container.read()
    now = current(container, record)
    status.check("ps", container_id, now)
    if now == status.STOPPED:
        return []
    group = cgroup_of(record)
    if group is None:
        raise CrunwError(f"ps {container_id}: the container has no cgroup to list processes of")
    return sorted(group.procs())
