"""``top``: what containers use, and how their programs are executed."""

from __future__ import annotations

from time import monotonic_ns

from crunw import status
from crunw.effects.cgroups.brief import brief
from crunw.effects.counters import counters
from crunw.effects.store import Container
from crunw.errors import StateError
from crunw.lifecycle.listing import is_ready, records
from crunw.lifecycle.state import cgroup_of, current
from crunw.workload import WASMEDGE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from crunw.effects.store import Record

    Row = dict[str, Any]

_ENDED = (status.STOPPED, status.CREATING)


class Meter:
    """Measures the containers below ``root``, or those of ``ids``, whenever it is asked.

    Raises :class:`crunw.errors.CrunwError` for an id that no container has.
    """

    def __init__(self, root: str, ids: Sequence[str]) -> None:
        self._root = root
        self._ids = ids
        self._before: dict[object, tuple[int, int]] = {}  # when, and the processor time then; ns
        for container_id in ids:
            Container(root, container_id).read()

    def measure(self) -> list[Row]:
        """One row for each container; ``cpu``, in percent of one processor, since the last time.

        What is not counted, or of no such container, is None.
        """
        before, self._before = self._before, {}
        rows = []
        for container, record in records(self._root):
            if self._ids and container.id not in self._ids:
                continue
            try:
                rows.append(self._row(container, record, before))
            except StateError:
                continue  # deleted meanwhile
        return rows

    def _row(self, container: Container, record: Record, before: dict[object, Any]) -> Row:
        now = current(container, record)
        wasm = record.get("wasm")
        counted = counters(container.counters()) or {}
        group = None if now in _ENDED else cgroup_of(record)
        used = brief(group) if group else {}
        time, spent = monotonic_ns(), used.get("cpu")
        cpu = None
        if spent is not None:
            key = (container.id, record["pid"], record["startTime"])
            self._before[key] = time, spent
            if key in before:
                then, spent_then = before[key]
                cpu = round(100 * (spent - spent_then) / (time - then), 1)
        return {
            "id": container.id,
            "status": now,
            "pid": record.get("pid", 0) if now not in _ENDED else 0,
            "kind": "native" if wasm is None else "wasm",
            "engine": None if wasm is None else wasm.get("engine", WASMEDGE),
            "execution": None if wasm is None else wasm["execution"],
            "ready": now == status.RUNNING and is_ready(record),
            "cpu": cpu,
            "memory": used.get("memory"),
            "memoryLimit": used.get("memoryLimit"),
            "pids": used.get("pids"),
            "instructions": counted.get("instructions"),
        }
