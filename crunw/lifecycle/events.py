"""``events``: what a container uses, and that it ran out of memory."""

from __future__ import annotations

from crunw import status
from crunw.effects import processes
from crunw.effects.cgroups.oom import watch
from crunw.effects.cgroups.stats import stats
from crunw.effects.counters import counters
from crunw.effects.interfaces import interfaces
from crunw.effects.store import Container
from crunw.lifecycle.pause import needed_cgroup
from crunw.lifecycle.state import cgroup_of, current

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from crunw.effects.cgroups.group import Cgroup
    from crunw.effects.store import Record

    Event = dict[str, Any]


def statistics(root: str, container_id: str) -> Event:
    """Return one event of type ``stats``, as runc prints it. Raises :class:`CrunwError`.

    Also of a stopped container, if a module's counters are left of it; of one without a cgroup
    they are all that is reported.
    """
    container, record, group = _running(root, container_id)
    return _stats(container, record, group)


def follow(root: str, container_id: str, interval: float) -> Iterator[Event]:
    """Yield statistics every ``interval`` seconds and ``oom`` events, until the container's end.

    The end is an event too where a module's instructions are counted: all that it has used.
    Raises :class:`CrunwError`.
    """
    from select import POLLIN, poll
    from time import monotonic

    container, record, group = _running(root, container_id)
    process = processes.open_pidfd(record["pid"], record["startTime"])
    if process < 0:
        yield from _last(container, record, group)
        return
    memory = watch(group) if group else None
    waiting = poll()
    waiting.register(process, POLLIN)
    if memory:
        waiting.register(memory.descriptor, memory.mask)
    due = monotonic() + interval
    while True:
        ready = [descriptor for descriptor, _ in waiting.poll(max(0, due - monotonic()) * 1000)]
        if memory and memory.happened():
            yield {"type": "oom", "id": container_id}
        if process in ready:
            yield from _last(container, record, group)
            return
        if monotonic() >= due:
            yield _stats(container, record, group)
            due = monotonic() + interval


def _running(root: str, container_id: str) -> tuple[Container, Record, Cgroup | None]:
    container = Container(root, container_id)
    record = container.read()
    now = current(container, record)
    counted = counters(container.counters()) is not None
    if now != status.STOPPED or not counted:
        status.check("events", container_id, now)
    group = cgroup_of(record) if counted else needed_cgroup("events", container_id, record)
    return container, record, group


def _last(container: Container, record: Record, group: Cgroup | None) -> Iterator[Event]:
    if counters(container.counters()) is not None:
        yield _stats(container, record, group)


def _stats(container: Container, record: Record, group: Cgroup | None) -> Event:
    pid = record["pid"]
    running = processes.start_time(pid) == record["startTime"]
    data: Event = {
        **(stats(group) if group else {}),
        "intel_rdt": {},
        "network_interfaces": interfaces(pid) if running else [],
    }
    counted = counters(container.counters())
    if "wasm" in record or counted is not None:
        data["wasm"] = {**record.get("wasm", {}), **(counted or {})}
    return {"type": "stats", "id": container.id, "data": data}
