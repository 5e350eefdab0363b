"""A container in the making, by ``create`` or ``restore``: what there is, how that is undone."""

from __future__ import annotations

from crunw import notices
from crunw.effects import hooks, processes
from crunw.effects.store import Container, write_file, write_pid_file
from crunw.errors import CrunwError
from crunw.lifecycle.cgroup import make_cgroup, plan_cgroup
from crunw.lifecycle.delete import run_poststop
from crunw.lifecycle.descriptors import send_pidfd
from crunw.lifecycle.facts import rootfs_of
from crunw.lifecycle.records import fast_record, first_record
from crunw.lifecycle.state import hook_state
from crunw.oci.load import config_path
from crunw.plan.annotations import hook_outputs, not_understood
from crunw.status import CREATING

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from crunw.effects.cgroups.group import Cgroup
    from crunw.effects.init import Init
    from crunw.effects.rdt import Group
    from crunw.effects.store import Record
    from crunw.lifecycle.cgroup import Placement
    from crunw.lifecycle.request import Request
    from crunw.oci.model import Spec
    from crunw.plan.inputs import CgroupView
    from crunw.plan.resources import Write


class Making:
    """What has been made so far."""

    def __init__(self, request: Request, spec: Spec) -> None:
        notices.stage("read config.json")
        self.request = request
        self.spec = spec
        self.container = Container(request.root, request.id)
        self.rootfs = rootfs_of(spec, request.bundle)
        self.record: Record = {}
        self.cgroup: Cgroup | None = None
        self.init: Init | None = None
        self.rdt: Group | None = None
        self.hooked = False  # hooks have run that poststop hooks may have to answer

    def copy_config(self) -> None:
        """Keep the specification as it is now: ``exec`` reads it when the bundle has changed."""
        with open(
            config_path(self.request.bundle, self.request.config), "rb", buffering=0
        ) as source:
            text = source.readall().decode("utf-8", "surrogateescape")
        write_file(self.container.config(), text)

    def plan_cgroup(self, notify: str = "") -> Placement:
        """Decide on the cgroup, and write the first record, which names it: ``delete`` finds it.

        ``notify``: as :func:`crunw.lifecycle.records.first_record` has it.
        """
        placement = plan_cgroup(self.spec, self.request)
        self.record = first_record(self.spec, self.request, placement.group, notify)
        self.container.write(self.record)
        return placement

    def make_cgroup(self, planned: Placement, limits: list[Write], first: int) -> CgroupView:
        """As :func:`crunw.lifecycle.cgroup.make_cgroup`; return what the plan has to know."""
        placement = make_cgroup(self.spec, planned, limits, first)
        self.cgroup = placement.group
        return placement.view

    def make_rdt(self) -> None:
        """The group of resource control (Intel RDT), where one is asked for."""
        wanted = self.spec["linux"].get("intelRdt")
        if wanted:
            from crunw.effects import rdt

            self.rdt = rdt.Group(wanted, self.container.id, rdt.mount_point())
            self.record["rdt"] = self.rdt.make()

    def tell_of_annotations(self) -> None:
        """A notice for each annotation that would be obeyed if it were right."""
        annotations, spec_hooks = self.spec.get("annotations", {}), self.spec.get("hooks", {})
        for what, why in not_understood(annotations, spec_hooks):
            notices.degraded(what, why)

    def map_ids(self, pid: int) -> None:
        """Write the mappings of the new user namespace."""
        from crunw.effects.idmap import write_maps

        linux = self.spec["linux"]
        write_maps(pid, linux.get("uidMappings", []), linux.get("gidMappings", []))

    def at_barrier(self, pid: int) -> None:
        """What the runtime does when the namespaces exist, before the mounts are final."""
        if self.rdt:
            self.rdt.join(pid)
        for name, device in self.spec["linux"].get("netDevices", {}).items():
            from crunw.effects.netdevices import move

            move(name, pid, device.get("name") or name)
        self.run_hooks(pid)

    def run_hooks(self, pid: int) -> None:
        """Those that run when the namespaces exist."""
        state = hook_state(self.container, {**self.record, "pid": pid}, CREATING)
        outputs = hook_outputs(self.spec.get("annotations", {}))
        for name in ("prestart", "createRuntime"):
            wanted = self.spec.get("hooks", {}).get(name, [])
            hooks.run(name, wanted, state, self.request.bundle, outputs)  # type: ignore[arg-type]

    def stage(self, pid: int) -> None:
        """Write the final record, which is that of the container when the process is ready."""
        before_start = ("prestart", "createRuntime", "createContainer")
        self.hooked = not self.spec.get("hooks", {}).keys().isdisjoint(before_start)
        self.record["pid"] = pid
        self.record["cgroup"] = self.cgroup.record() if self.cgroup else None
        self.record["startTime"] = processes.start_time(pid)
        self.stage_record()

    def stage_record(self) -> None:
        """Write it again, as it is now."""
        fast = fast_record(self.container, self.record, self.cgroup)
        self.container.stage(self.record, fast)

    def publish(self, pid: int) -> None:
        """Put the final record in place, and give the caller the process."""
        self.container.publish()
        if self.request.pidfd_socket:
            send_pidfd(self.request.pidfd_socket, pid, self.record["startTime"])
        if self.request.pid_file:
            write_pid_file(self.request.pid_file, pid)

    def undo(self) -> None:
        """Undo what was done, the last first. A step that fails keeps none of the others from
        being done, and does not hide the error that led here.
        """
        steps: list[Callable[[], None]] = []
        if self.init:
            steps.append(self.init.abandon)
        if self.cgroup:
            steps += [self.cgroup.kill, self.cgroup.delete]
        if self.rdt:
            steps.append(self.rdt.remove)
        for step in [*steps, self.container.remove]:
            try:
                step()
            except (CrunwError, OSError) as error:
                notices.degraded(f"create {self.container.id}", f"not all is removed: {error}")
        if self.hooked:
            run_poststop(self.container, self.record)
