"""``mounts add`` and ``mounts remove``: change the mounts of a running container."""

from __future__ import annotations

from crunw import status
from crunw.effects import processes
from crunw.effects.init import perform
from crunw.effects.store import Container, write_file
from crunw.errors import CrunwError, StateError
from crunw.lifecycle.state import current
from crunw.oci.jsontext import dumps
from crunw.oci.load import load, load_mounts
from crunw.paths import init_path, is_ordinary_user
from crunw.plan.inputs import Target
from crunw.plan.mounts import clean
from crunw.plan.running import add_plans, remove_plans

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crunw.effects.store import Record
    from crunw.oci.model import Mount, Spec


def add_mounts(root: str, container_id: str, path: str) -> None:
    """Mount what the file lists, in its order; all of it or, on an error, nothing.

    Raises :class:`CrunwError`.
    """
    container, record, spec, pidfd = _locked(root, container_id)
    mounts = load_mounts(path, destinations=False)
    rootless = is_ordinary_user()
    target = Target(container_id, record["bundle"], record["rootfs"], rootless=rootless)
    done: list[Mount] = []
    try:
        plans = add_plans(spec, mounts, target, pidfd, _root(record))
        for mount, plan in zip(mounts, plans, strict=True):
            perform(init_path(), [pidfd], plan)
            done.append(mount)
    except CrunwError:
        for plan in reversed(remove_plans(spec, done, pidfd, _root(record))):
            perform(init_path(), [pidfd], plan)
        raise
    spec["mounts"] = [*spec.get("mounts", ()), *mounts]
    write_file(container.config(), dumps(spec))


def remove_mounts(root: str, container_id: str, path: str) -> None:
    """Unmount the destinations that the file lists, the last first; what is below them goes too.

    Raises :class:`CrunwError`; those before are unmounted then.
    """
    container, record, spec, pidfd = _locked(root, container_id)
    mounts = load_mounts(path, destinations=True)
    plans = remove_plans(spec, mounts, pidfd, _root(record))
    try:
        for mount, plan in zip(reversed(mounts), reversed(plans), strict=True):
            perform(init_path(), [pidfd], plan)
            _forget(spec, clean(mount["destination"]))
    finally:
        write_file(container.config(), dumps(spec))


def _locked(root: str, container_id: str) -> tuple[Container, Record, Spec, int]:
    """The container, which stays as it is until this process ends, and its first process."""
    container = Container(root, container_id)
    container.lock()
    record = container.read()
    status.check("mounts", container_id, current(container, record))
    pidfd = processes.open_pidfd(record["pid"], record["startTime"])
    if pidfd < 0:
        raise StateError(f"mounts {container_id}: the container is stopped")
    return container, record, load(container.directory), pidfd


def _root(record: Record) -> str:
    return f"/proc/{record['pid']}/root"


def _forget(spec: Spec, destination: str) -> None:
    """Take the last mount there out of the specification."""
    mounts = spec.get("mounts", [])
    for index in reversed(range(len(mounts))):
        if clean(mounts[index]["destination"]) == destination:
            del mounts[index]
            return
