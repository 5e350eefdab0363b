"""``create``: from a bundle to a process that waits for ``start``."""

from __future__ import annotations

import posix

from crunw import notices
from crunw.effects.init import Init
from crunw.effects.processes import end_in_order
from crunw.lifecycle import descriptors, facts, handoff
from crunw.lifecycle.cgroup import without_devices
from crunw.lifecycle.compiled import Compiled
from crunw.lifecycle.making import Making
from crunw.oci.load import load
from crunw.paths import init_path
from crunw.plan.create import create_plan, first_steps, later_steps
from crunw.plan.inputs import Inputs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crunw.lifecycle.request import Request
    from crunw.oci.model import Spec
    from crunw.plan.inputs import CgroupView, Handoff, Module, Target


def create(request: Request) -> None:
    """Create the container. Raises :class:`CrunwError`; then nothing is left of it."""
    request.look_at_descriptors()
    spec = load(request.bundle, request.config, warn=True)
    console = descriptors.connect_console(spec["process"], request.console_socket)
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

    def _start(self, console: int) -> Init:
        """Have crunw-init execute the plan, until the process is ready to go on."""
        self.container.make_fifos()
        listener = descriptors.connect_listener(self.spec)
        sockets = [fd for fd in (console, listener) if fd >= 0]
        inherited = [*sockets, *self.request.inherited]
        init = self.init = Init(init_path(), inherited)
        notices.stage("state directory, crunw-init")
        target = facts.find_target(self.spec, self.request)
        workload, module = facts.find_program(self.spec, target, self.container.counters())
        passed = handoff.make_handoff(self.spec, self.request, self.container, console)
        placement = self.plan_cgroup(workload.kind if passed.notify else "")
        limits, devices = without_devices(placement.writes)
        view = self.make_cgroup(placement, limits, init.parent)
        if not inherited:  # a first part of the plan can't name descriptors of the second
            init.send(first_steps(self.spec, target, view, module), more=True)
        if self.cgroup:  # in force before the program runs, not before crunw-init joins
            self.cgroup.apply(devices)
        notices.stage("cgroup")
        inputs = self._find_the_rest(target, module, view, passed, listener)
        make = create_plan if inherited else later_steps
        init.send(make(self.spec, inputs))
        notices.stage("plan")
        self.copy_config()
        self.compiled.compile_later(self.container.later_file())
        if module:
            self.record |= self.compiled.execution()
        init.run(self.map_ids, self.stage, self.at_barrier)
        notices.stage("crunw-init")
        if listener >= 0:
            posix.close(listener)
        return init

    def _find_the_rest(
        self,
        target: Target,
        module: Module | None,
        view: CgroupView,
        passed: Handoff,
        listener: int,
    ) -> Inputs:
        """The inputs of the whole plan: these, and what takes longer to find."""
        sent = handoff.listener_state(self.spec, self.container, self.record, listener)
        seccomp = facts.compile_filter(self.spec, listener, sent)
        net_devices = facts.find_net_devices(self.spec)
        self.compiled = facts.find_compiled(module, self.spec, target.rootfs)
        self.make_rdt()
        hook_state = handoff.make_hook_state(self.container, self.record)
        artefact = self.compiled.artefact
        return Inputs(target, module, view, passed, seccomp, artefact, hook_state, net_devices)
