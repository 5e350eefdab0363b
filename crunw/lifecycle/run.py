"""``run``: create, start, wait, delete."""

from __future__ import annotations

from crunw import notices
from crunw.effects import foreground
from crunw.lifecycle.create import Creation
from crunw.lifecycle.delete import remove
from crunw.lifecycle.descriptors import open_console
from crunw.lifecycle.start import beside, listen, release, run_poststart, wait_ready
from crunw.lifecycle.state import cgroup_of
from crunw.oci.load import load

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crunw.effects.store import Container, Record
    from crunw.lifecycle.request import Request


def run(request: Request, *, detach: bool, keep: bool) -> int:
    """Run the bundle's process; return its exit status (0 at once with ``detach``).

    ``keep``: the stopped container is not deleted. Raises :class:`CrunwError`.
    """
    request.look_at_descriptors()
    spec = load(request.bundle, request.config, warn=True)
    terminal, console_fd = open_console(spec["process"], request.console_socket, detach=detach)
    if not detach:
        foreground.hold_signals()
    creation = Creation(request, spec)
    init = creation.run(console_fd)
    container, record = creation.container, creation.record
    try:
        if terminal:
            terminal.receive()
        readiness = listen(container, record)
        release(container)
        run_poststart(container, record)
    except BaseException:
        _remove(container, record, running=True)
        raise
    if detach:
        wait_ready(readiness, record, record["pid"])
        creation.compiled.close()
        return 0
    told = beside(readiness, record)
    wait = terminal.wait if terminal else foreground.wait
    status = wait(init.pid, record["startTime"])
    told()
    if status:
        _tell_lack(record)
    if not keep:
        _remove(container, record, running=False)
    creation.compiled.close()
    return status


def _tell_lack(record: Record) -> None:
    """What ends with a failure may have been killed, or a part of it, for lack of memory."""
    group = cgroup_of(record)
    if not group:
        return
    from crunw.effects.cgroups.oom import killed

    if count := killed(group):
        what = "a process" if count == 1 else f"{count} processes"
        why = f"the kernel has killed {what} of the container for lack of it"
        notices.degraded("memory", f"{why} (raise linux.resources.memory.limit)")


def _remove(container: Container, record: Record, *, running: bool) -> None:
    container.lock()
    remove(container, record, running=running)
