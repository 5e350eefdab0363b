"""``list`` and ``ps``."""

from __future__ import annotations

from crunw import status
from crunw.effects.store import Container, containers
from crunw.errors import CrunwError, StateError
from crunw.lifecycle.recovery import recover
from crunw.lifecycle.state import cgroup_of, current, document

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from crunw.effects.store import Record


def records(root: str) -> Iterator[tuple[Container, Record]]:
    """All containers with what is known of them. Of a damaged record a notice says so."""
    for container in containers(root):
        try:
            record = container.read()
        except CrunwError as error:
            if not container.exists():
                continue  # deleted meanwhile
            record = recover(container, error)
        yield container, record


def states(root: str) -> list[Record]:
    """The state documents of all containers, as :func:`records` has them."""
    found = []
    for container, record in records(root):
        try:
            state = document(container, record, current(container, record))
        except StateError:
            continue  # deleted meanwhile
        if state["status"] == status.RUNNING and is_ready(record):
            state["wasm"] = {**record["wasm"], "ready": True}
        found.append(state)
    return found


def is_ready(record: Record) -> bool:
    """Whether the module has no code, but it has been compiled since: a start uses it."""
    if "reason" not in record.get("wasm", {}):
        return False
    from crunw.aot import lookup

    return any(map(lookup.is_there, record.get("codeKeys", ())))


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
