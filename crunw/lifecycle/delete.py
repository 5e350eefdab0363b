"""``delete``: remove what is left of a container."""

from __future__ import annotations

import posix

from crunw import notices, status
from crunw.effects import hooks, processes
from crunw.effects.store import Container
from crunw.errors import CrunwError
from crunw.lifecycle.recovery import recover
from crunw.lifecycle.state import cgroup_of, current, hook_state
from crunw.plan.annotations import hook_outputs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crunw.effects.cgroups.group import Cgroup
    from crunw.effects.store import Record

_KILL_TIMEOUT = 10.0


def delete(root: str, container_id: str, force: bool = False) -> None:
    """Delete a stopped container; with ``force`` any, and a missing one is not an error."""
    container = Container(root, container_id)
    try:
        container.lock()
        record = container.read()
    except CrunwError as error:
        if not force:
            raise
        if not container.exists():
            return
        if not container.locked():
            raise
        record = recover(container, error)
    notices.stage("lock, record")
    now = current(container, record)
    if not force:
        status.check("delete", container_id, now)
    remove(container, record, running=now != status.STOPPED)


def remove(container: Container, record: Record, *, running: bool) -> None:
    """Kill what runs, remove cgroup and state, run the poststop hooks."""
    group = cgroup_of(record)
    if running:
        end_process(record["pid"], record["startTime"], group)
    if group:
        if group.procs():  # none when the pid namespace has ended with its first process
            group.kill()
        group.delete()
    notices.stage("cgroup")
    if record.get("rdt"):
        from crunw.effects.rdt import remove as remove_rdt

        remove_rdt(record["rdt"])
    container.remove()
    run_poststop(container, record)


def run_poststop(container: Container, record: Record) -> None:
    """Run the poststop hooks of a container that is gone. A failure is a warning, and what follows
    goes on (runtime.md "Lifecycle").
    """
    state = hook_state(container, record, status.STOPPED)
    outputs = hook_outputs(record.get("annotations") or {})
    for hook in record.get("hooks", {}).get("poststop", ()):
        try:
            hooks.run("poststop", [hook], state, record["bundle"], outputs)
        except CrunwError as error:
            what, _, why = str(error).partition(": ")
            notices.degraded(what, why)


def end_process(pid: int, started: int, group: Cgroup | None) -> None:
    """SIGKILL, then wait until the process is gone. Raises :class:`CrunwError` after 10 s.

    ``group`` is thawed (what is frozen on cgroup v1 does not end) and gets processor time.
    """
    from select import select

    descriptor = processes.open_pidfd(pid, started)
    if descriptor < 0:
        return
    processes.send_signal(pid, started, 9)
    if group:
        group.hasten()
        if group.frozen():
            group.thaw()
    ended, _, _ = select([descriptor], [], [], _KILL_TIMEOUT)
    posix.close(descriptor)
    if not ended:
        raise CrunwError(f"process {pid} did not end within {_KILL_TIMEOUT:.0f} s of SIGKILL")
