"""``create``: from a bundle to a process that waits for ``start``."""

from __future__ import annotations

import posix

from crunw import notices
from crunw.effects.init import Init
from crunw.effects.processes import end_in_order
from crunw.lifecycle.cgroup import make_cgroup, plan_cgroup, without_devices
from crunw.lifecycle.compiled import Compiled
from crunw.lifecycle.descriptors import connect_console, connect_listener, notify_socket, tell_state
from crunw.lifecycle.facts import complete_host, find_compiled, find_host
from crunw.lifecycle.making import Making
from crunw.lifecycle.records import first_record
from crunw.paths import init_path
from crunw.plan.create import create_plan, first_steps, later_steps
from crunw.spec.load import load

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crunw.lifecycle.request import Request
    from crunw.plan.host import Host
    from crunw.spec.model import Spec


def create(request: Request) -> None:
    """Create the container. Raises :class:`CrunwError`; then nothing is left of it."""
    request.look_at_descriptors()
    spec = load(request.bundle, request.config, warn=True)
    console = connect_console(spec["process"], request.console_socket)
    creation = Creation(request, spec)
    end_in_order()
    creation.run(console)
    creation.compiled.close()  # what can wait for the end of this process


class Creation(Making):
    """The making of one container out of its bundle.

    crunw-init executes the first steps of the plan while the later ones are made here: looking for
    compiled code and compiling the seccomp filter take as long as it does.
    """

    def __init__(self, request: Request, spec: Spec) -> None:
        super().__init__(request, spec)
        self.compiled = Compiled()

    def run(self, console_fd: int) -> Init:
        """Do it; the process waits on the ``start`` FIFO when this returns."""
        if self.container.exists():  # before its processes are found in the cgroup of this id
            raise self.container.taken()
        self.container.make()
        notices.keep_in(self.container.notices_file())
        self.tell_of_annotations()
        try:
            init = self._start(console_fd)
            self.compiled.check(init.interpreted)
            if init.interpreted:  # though there is code
                self.record |= self.compiled.execution()
                self.stage_record()
            self.publish(init.pid)
            init.commit()
            notices.stage("final record")
        except BaseException:
            self.undo()
            raise
        self.container.unlock()
        return init

    def _start(self, console_fd: int) -> Init:
        """Have crunw-init execute the plan, until the process is ready to go on."""
        self.container.make_fifos()
        listener_fd = connect_listener(self.spec)
        sockets = [fd for fd in (console_fd, listener_fd) if fd >= 0]
        inherited = [*sockets, *self.request.inherited]
        init = self.init = Init(init_path(), inherited)
        notices.stage("state directory, crunw-init")
        host = find_host(self.spec, self.request)
        host.notify = notify_socket(self.spec, self.container) if self.request.notify else ""
        host.console_fd, host.seccomp_fd = console_fd, listener_fd
        host.start = self.container.directory
        self._make_cgroup(init, host, split=not inherited)
        complete_host(host, self.spec)
        self.compiled = find_compiled(host, self.spec)
        self.make_rdt()
        tell_state(host, self.spec, self.container, self.record)
        make = create_plan if inherited else later_steps
        init.send(make(self.spec, host))
        notices.stage("plan")
        self.copy_config()
        self.compiled.compile_later()  # overlaps with crunw-init executing the plan
        if host.workload.kind == "wasm":
            self.record |= self.compiled.execution()
        init.run(self.map_ids, self.stage, self.at_barrier)
        notices.stage("crunw-init")
        if listener_fd >= 0:
            posix.close(listener_fd)
        return init

    def _make_cgroup(self, init: Init, host: Host, *, split: bool) -> None:
        """Make the cgroup, and the first record, which names it; send the steps that join it.

        ``split``: the plan goes in two parts. A first part can't name descriptors of the second.
        """
        cgroup, writes = plan_cgroup(self.spec, self.request, host)
        notify = host.workload.kind if host.notify else ""
        self.record = first_record(self.spec, self.request, cgroup, notify)
        self.container.write(self.record)
        limits, devices = without_devices(writes)
        if cgroup:
            self.cgroup = make_cgroup(cgroup, limits, init.parent, host)
        if split:
            init.send(first_steps(self.spec, host), more=True)
        if self.cgroup:  # in force before the program runs, not before crunw-init joins
            self.cgroup.apply(devices)
        notices.stage("cgroup")
