"""``restore``: make a container of the images that ``checkpoint`` has written, by CRIU."""

from __future__ import annotations

import posix

from crunw import notices, status
from crunw.effects import foreground
from crunw.effects.criu import wire
from crunw.effects.criu.service import Service, search_path
from crunw.effects.init import Init, nothing, perform
from crunw.errors import CrunwError, KernelError
from crunw.files import exists
from crunw.lifecycle.delete import end_process, remove
from crunw.lifecycle.descriptors import open_console, send_descriptor
from crunw.lifecycle.images import (
    CGROUP_MODES,
    DESCRIPTORS,
    EXTERNAL,
    criu_program,
    external_mounts,
    make_directory,
)
from crunw.lifecycle.making import Making
from crunw.lifecycle.start import run_poststart
from crunw.lifecycle.state import current
from crunw.oci.jsontext import loads
from crunw.oci.load import load
from crunw.oci.queries import namespaces
from crunw.paths import init_path
from crunw.plan import flags
from crunw.plan.inputs import Target
from crunw.plan.restore import mount_point_plan, restore_plan

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crunw.effects.criu.wire import Nested, Value
    from crunw.lifecycle.images import Options
    from crunw.lifecycle.request import Request
    from crunw.oci.model import Spec
    from crunw.plan.encode import Step
    from crunw.plan.inputs import CgroupView

_LOG = "restore.log"
_END_TIMEOUT = 10.0  # s


def restore(request: Request, options: Options, *, detach: bool) -> int:
    """Restore the container; return its exit status (0 at once with ``detach``).

    Raises :class:`CrunwError`; then nothing is left of it.
    """
    spec = load(request.bundle)
    program = criu_program("restore", request.id)
    if not exists(f"{options.image_path}/inventory.img"):
        raise CrunwError(f"restore {request.id}: there is no checkpoint in {options.image_path}")
    make_directory(options.work_path)
    terminal, console_fd = open_console(spec["process"], request.console_socket, detach=detach)
    if not detach:
        foreground.hold_signals()
    restoration = Restoration(request, spec, options)
    pid = restoration.restore(program, console_fd)
    container, record = restoration.container, restoration.record
    try:
        if terminal:
            terminal.receive()
        run_poststart(container, record)
    except BaseException:
        remove(container, record, running=True)
        raise
    container.unlock()
    if detach:
        return 0
    wait = terminal.wait if terminal else foreground.wait
    ended = wait(pid, record["startTime"])
    container.lock()
    remove(container, record, running=False)
    return ended


class Restoration(Making):
    """The making of a container out of images."""

    def __init__(self, request: Request, spec: Spec, options: Options) -> None:
        super().__init__(request, spec)
        self.options = options
        # CRIU is for the host's root (criu_program).
        self.target = Target(request.id, request.bundle, self.rootfs, rootless=False)
        self.service: Service | None = None
        self.console_fd = -1
        self.criu = 0  # its pid, once it runs
        self.pid = 0

    def restore(self, program: str, console_fd: int) -> int:
        """Do it; return the pid of the first process, which runs and is our child.

        The container stays locked.
        """
        self.console_fd = console_fd
        self._take_id()
        self.container.make()
        notices.keep_in(self.container.notices_file())
        joined: dict[str, int] = {}
        try:
            placement = self.plan_cgroup()
            self.copy_config()
            self._open_namespaces(joined)
            self.service = Service(program)
            self.init = Init(init_path(), [self.service.remote, *joined.values()])
            view = self.make_cgroup(placement, placement.writes, self.init.parent)
            self.make_rdt()
            perform(init_path(), (), mount_point_plan(self.spec, self.target, view))
            values = self._values(joined, view)
            below = max(self.service.remote, *joined.values(), 2) + 1
            plan = self._plan(self.service, view, below)
            values = {**self._start_criu(self.service, self.init, plan), **values}
            self._call(self.service, values)
            self._finish()
        except BaseException:
            self._end_criu()
            if self.pid:
                end_process(self.pid, self.record["startTime"], self.cgroup)
            self.undo()
            raise
        finally:
            for descriptor in joined.values():
                posix.close(descriptor)
        return self.pid

    def _take_id(self) -> None:
        """What ``checkpoint`` has left of a container of this id makes room for it."""
        if not self.container.exists():
            return
        self.container.lock()
        record = self.container.read()
        if not record.get("checkpointed") or current(self.container, record) != status.STOPPED:
            raise self.container.taken()
        remove(self.container, record, running=False)

    def _open_namespaces(self, joined: dict[str, int]) -> None:
        """Those that CRIU takes by descriptor."""
        for kind, (_, key) in EXTERNAL.items():
            if path := namespaces(self.spec).get(kind):
                try:
                    joined[key] = posix.open(path, posix.O_RDONLY | posix.O_CLOEXEC)
                except OSError as error:
                    raise KernelError("open", path, error) from error

    def _plan(self, service: Service, view: CgroupView, below: int) -> list[Step]:
        """``below``: descriptors from this number on are closed."""
        environment = [f"PATH={search_path()}"]
        return restore_plan(self.target, view, service.command, environment, below)

    def _start_criu(self, service: Service, init: Init, plan: list[Step]) -> dict[str, Value]:
        """Return the options that do not depend on the container."""
        init.send(plan)
        init.run(nothing, nothing, nothing)
        values = self.options.values(self.spec, _LOG, f"/proc/{init.pid}/root")
        service.started()
        init.commit()
        init.follow()
        self.criu = init.pid
        return values

    def _call(self, service: Service, values: dict[str, Value]) -> None:
        try:
            service.call(wire.RESTORE, values, self._notified)
        except CrunwError as error:
            raise self.options.failed("restore", self.container.id, _LOG, error) from None

    def _values(self, joined: dict[str, int], view: CgroupView) -> dict[str, Value]:
        """The options that depend on the container."""
        mounts = external_mounts(self.spec, self.target, view)
        inherited: list[Nested] = list(joined.items())
        inherited += [(name, number) for name, number in self._streams().items()]
        values: dict[str, Value] = {
            "root": self.rootfs,
            "rst_sibling": True,
            "notify_scripts": True,
            "evasive_devices": True,
            "external": [f"mnt[{point}]:{source}" for point, source in mounts],
            "inherit_fd": inherited,
            "join_ns": self._joined_by_path(),
        }
        if not self.cgroup:
            values["manage_cgroups_mode"] = CGROUP_MODES["ignore"]
        else:
            hierarchies = self.cgroup.record()["directories"]
            roots: list[Nested] = [(name, self.cgroup.path) for name in hierarchies]
            values["cg_root"] = roots
        return values

    def _streams(self) -> dict[str, int]:
        """What descriptors 0, 1 and 2 had from outside when it was checkpointed: ours now."""
        path = f"{self.options.image_path}/{DESCRIPTORS}"
        try:
            with open(path, "rb", buffering=0) as file:
                names = loads(file.readall().decode("utf-8", "surrogateescape"))
        except OSError as error:
            raise KernelError("read", path, error) from error
        except ValueError as error:
            raise CrunwError(f"{path}: {error}") from None
        if not isinstance(names, list):
            raise CrunwError(f"{path}: is not a list")
        numbered = [(str(name), number) for number, name in enumerate(names[:3])]
        return {name: n for name, n in reversed(numbered) if name.startswith(("pipe:", "file["))}

    def _joined_by_path(self) -> list[Nested]:
        found: list[Nested] = []
        for kind, path in namespaces(self.spec).items():
            if not path or kind in EXTERNAL:
                continue
            if kind in ("cgroup", "mount"):
                raise CrunwError(f"restore {self.container.id}: can't join a {kind} namespace")
            found.append((flags.NAMESPACES[kind][1], path))
        return found

    def _notified(self, script: str, pid: int, descriptor: int) -> None:
        """CRIU says where it is; its processes go on after ``post-restore``."""
        if script == "setup-namespaces":
            self.run_hooks(pid)
        elif script == "orphan-pts-master" and self.console_fd >= 0:
            send_descriptor(self.console_fd, descriptor)
        elif script == "post-restore":
            self.pid = pid
            if self.rdt:
                self.rdt.join(pid)
            self.stage(pid)
            self.publish(pid)

    def _finish(self) -> None:
        posix.waitpid(self.criu, 0)
        if self.cgroup and self.cgroup.frozen():  # as a paused container was
            self.cgroup.thaw()

    def _end_criu(self) -> None:
        """Give CRIU the time to undo what it has done, before it is killed."""
        if not self.service:
            return
        self.service.close()
        if self.criu:
            from select import select

            descriptor = posix.pidfd_open(self.criu)
            select([descriptor], [], [], _END_TIMEOUT)
            posix.close(descriptor)
