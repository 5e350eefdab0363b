"""``state``: what is known of a container, as the OCI state document."""

from __future__ import annotations

from crunw import status
from crunw.effects import processes
from crunw.files import exists
from crunw.oci.jsontext import HOLE, dumps, dumps_around

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crunw.effects.cgroups.group import Cgroup
    from crunw.effects.store import Container, Record

OCI_VERSION = "1.2.1"


def current(container: Container, record: Record) -> str:
    """Return the container's status now."""
    pid = record.get("pid", 0)
    if not pid:
        return _without_pid(container)
    if not processes.alive(pid, record["startTime"]):
        return status.STOPPED
    if exists(container.start_fifo()):
        return status.CREATED
    group = cgroup_of(record)
    return status.PAUSED if group and group.frozen() else status.RUNNING


def document(container: Container, record: Record, now: str) -> Record:
    """Return the state document (runtime.md "State"), with the fields that runc and crun add.

    crunw's own are ``notices``, where there are any, and ``wasm`` for a module: how it is executed.
    """
    state = {
        **spec_state(container, record, now),
        "rootfs": record.get("rootfs", ""),
        "created": record.get("created", ""),
        "owner": record.get("owner", ""),
    }
    if "wasm" in record:
        state["wasm"] = record["wasm"]
    if notices := container.notices():
        state["notices"] = notices
    return state


def state_text(container: Container, record: Record, now: str) -> str:
    """Return the state document as ``state`` prints it, without the last newline."""
    return dumps(document(container, record, now), indent=2)


def state_around(container: Container, record: Record) -> list[str]:
    """The text of :func:`state_text` in three pieces: the pid and the status go between them."""
    return dumps_around(document(container, {**record, "pid": HOLE}, HOLE), indent=2)


def spec_state(container: Container, record: Record, now: str) -> Record:
    """Return the state with the specification's fields alone."""
    return {
        "ociVersion": OCI_VERSION,
        "id": container.id,
        "pid": record.get("pid", 0) if now != status.STOPPED else 0,
        "status": now,
        "bundle": record.get("bundle", ""),
        "annotations": record.get("annotations", {}),
    }


def hook_state(container: Container, record: Record, now: str) -> str:
    """Return the state as hooks read it on their standard input."""
    return dumps(spec_state(container, record, now))


def hook_state_around(container: Container, record: Record, now: str) -> tuple[str, str]:
    """The same for hooks that ``crunw-init`` runs, cut where it puts the pid."""
    before, after = dumps_around(spec_state(container, {**record, "pid": HOLE}, now))
    return before, after


def cgroup_of(record: Record) -> Cgroup | None:
    """Return the container's cgroup, None if it has none."""
    if not record.get("cgroup"):
        return None
    if "unit" in record["cgroup"]:
        from crunw.effects.cgroups.systemd import Scope

        return Scope.from_record(record["cgroup"])
    from crunw.effects.cgroups.group import Cgroup

    return Cgroup.from_record(record["cgroup"])


def _without_pid(container: Container) -> str:
    """``creating`` while a ``create`` holds the lock, else that one died."""
    if container.locked():  # by us
        return status.STOPPED
    if not container.lock(wait=False):
        return status.CREATING
    container.unlock()
    return status.STOPPED
