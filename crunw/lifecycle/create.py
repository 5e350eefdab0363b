"""``create``: from a bundle to a process that waits for ``start``."""

from __future__ import annotations

import posix
import time

from crunw import notices
from crunw.effects import fast, hooks, processes
from crunw.effects.init import Init
from crunw.effects.rootfs import Root
from crunw.effects.store import Container, write_file
from crunw.errors import CrunwError, InterruptError, SpecError
from crunw.files import absolute, environment, is_directory
from crunw.lifecycle.compiled import Compiled
from crunw.lifecycle.delete import run_poststop
from crunw.lifecycle.descriptors import (
    connect_console,
    connect_listener,
    listener_state,
    passed,
    send_pidfd,
    socket_activation,
)
from crunw.lifecycle.resources import plan_cgroup
from crunw.lifecycle.rootless import make_cgroup
from crunw.lifecycle.state import hook_state, hook_state_around, state_around
from crunw.paths import cache_dir, engine_library, engine_stub, init_path, is_ordinary_user
from crunw.plan.annotations import KEEP_GROUPS, hook_outputs, not_understood
from crunw.plan.create import create_plan, first_steps, later_steps
from crunw.plan.host import Host
from crunw.plan.mounts import LINK_OPTIONS, clean, overlay_layers
from crunw.plan.wasm import settings
from crunw.spec.load import config_path, load
from crunw.spec.queries import is_bind, namespaces
from crunw.status import CREATED, CREATING
from crunw.workload import decide

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from crunw.effects.cgroups.group import Cgroup
    from crunw.effects.rdt import Group
    from crunw.effects.store import Record
    from crunw.spec.model import Spec


class Request:
    """What the command line asks of ``create`` and ``run``."""

    __slots__ = (
        "bundle",
        "console_socket",
        "id",
        "inherited",
        "listen_fds",
        "no_new_keyring",
        "no_pivot",
        "notify",
        "pid_file",
        "pidfd_socket",
        "preserve_fds",
        "root",
        "cgroup_manager",
        "config",
    )

    def __init__(self, root: str, container_id: str, bundle: str) -> None:
        self.root = root
        self.id = container_id
        self.bundle = absolute(bundle)
        self.console_socket = ""
        self.pid_file = ""
        self.pidfd_socket = ""
        self.config = "config.json"
        self.preserve_fds = 0
        self.listen_fds = socket_activation()
        self.inherited = range(0)
        self.no_pivot = False
        self.notify = environment("NOTIFY_SOCKET") != ""
        self.no_new_keyring = False
        self.cgroup_manager = "cgroupfs"

    def look_at_descriptors(self) -> None:
        """See that those to pass on are there, before any is opened. Raises :class:`UsageError`."""
        self.inherited = passed(self.listen_fds, self.preserve_fds)


def create(request: Request) -> None:
    """Create the container. Raises :class:`CrunwError`; then nothing is left of it."""
    request.look_at_descriptors()
    spec = load(request.bundle, request.config, warn=True)
    console = connect_console(spec["process"], request.console_socket)
    creation = Creation(request, spec)
    _end_in_order()
    creation.run(console)
    creation.settle()


class Creation:
    """The making of one container; what it has made so far, so that it can be undone."""

    def __init__(self, request: Request, spec: Spec) -> None:
        notices.stage("read config.json")
        self.request = request
        self.spec = spec
        self.container = Container(request.root, request.id)
        self.rootfs = _rootfs(spec, request.bundle)
        self.record: Record = {}
        self.cgroup: Cgroup | None = None
        self.init: Init | None = None
        self.rdt: Group | None = None
        self.compiled = Compiled()
        self.hooked = False  # hooks have run that poststop hooks may have to answer

    def run(self, console_fd: int) -> Init:
        """Do it; the process waits on the ``start`` FIFO when this returns."""
        if self.container.exists():  # before its processes are found in the cgroup of this id
            raise self.container.taken()
        self.container.make()
        notices.keep_in(self.container.notices_file())
        self._tell_of_annotations()
        try:
            self.container.make_fifos()
            listener_fd = connect_listener(self.spec)
            inherited = self._inherited(console_fd, listener_fd)
            self.init = Init(init_path(), inherited)
            notices.stage("state directory, crunw-init")
            notify = self._notify_socket()
            host = find_host(self.spec, self.request)
            host.notify = notify
            host.console_fd, host.seccomp_fd = console_fd, listener_fd
            host.start = self.container.directory
            cgroup, writes = plan_cgroup(self.spec, self.request, host)
            self.record = self._first_record(cgroup)
            if notify:
                self.record["notify"] = host.workload.kind
            self.container.write(self.record)
            devices = [write for write in writes if write.controller == "devices"]
            if cgroup:
                limits = [write for write in writes if write not in devices]
                self.cgroup = make_cgroup(cgroup, limits, self.init.parent, host)
            if not inherited:  # a first part can't name descriptors of the second
                self.init.send(first_steps(self.spec, host), more=True)
            if self.cgroup:  # for the container's program; crunw-init may join before
                self.cgroup.apply(devices)
            notices.stage("cgroup")
            complete_host(host, self.spec)
            self.compiled = find_compiled(host, self.spec, self.request.bundle)
            self._make_rdt()
            self._tell_state(host)
            make = create_plan if inherited else later_steps
            self.init.send(make(self.spec, host))
            notices.stage("plan")
            self._copy_config()
            self._compile_later(host)  # what it takes, the init takes too
            self._follow(self.init, host)
            self.compiled.check(self.init.interpreted)
            self._record_execution(self.init.interpreted)
            self._commit(self.init)
        except BaseException:
            self._undo()
            raise
        self.container.unlock()
        return self.init

    def settle(self) -> None:
        """Do what can wait for the end of this process."""
        self.compiled.close()

    def _first_record(self, cgroup: Cgroup | None) -> Record:
        """The record before there is a process: enough for ``delete`` to clean up."""
        spec_hooks = self.spec.get("hooks", {})
        return {
            "bundle": self.request.bundle,
            "rootfs": self.rootfs,
            "created": timestamp(),
            "owner": _user_name(),
            "annotations": self.spec.get("annotations", {}),
            "cgroup": cgroup.record() if cgroup else None,
            "sharedPids": namespaces(self.spec).get("pid") != "",
            "hooks": {
                name: spec_hooks[name]  # type: ignore[literal-required]
                for name in ("poststart", "poststop")
                if spec_hooks.get(name)
            },
        }

    def _notify_socket(self) -> str:
        """The program's variable for the caller's $NOTIFY_SOCKET; "": nobody waits for it."""
        if not self.request.notify:
            return ""
        from crunw.effects import notify

        if not notify.address():
            return ""
        mount = notify.make_directory(self.container.directory)
        self.spec["mounts"] = [*self.spec.get("mounts", ()), mount]
        return notify.VARIABLE

    def _copy_config(self) -> None:
        """Keep the specification as it is now: ``exec`` reads it when the bundle has changed."""
        with open(
            config_path(self.request.bundle, self.request.config), "rb", buffering=0
        ) as source:
            text = source.readall().decode("utf-8", "surrogateescape")
        write_file(self.container.config(), text)

    def _inherited(self, *sockets: int) -> list[int]:
        """The descriptors that the plan names: sockets that there are, what is preserved."""
        return [*(fd for fd in sockets if fd >= 0), *self.request.inherited]

    def _tell_state(self, host: Host) -> None:
        """For hooks and the seccomp listener, which ``crunw-init`` tells the state itself."""
        before, after = hook_state_around(self.container, self.record, CREATED)
        host.state_before_pid, host.state_after_pid = before, after
        _, host.state_after_pid_creating = hook_state_around(self.container, self.record, CREATING)
        if host.seccomp_fd >= 0:
            listener_state(host, self.spec, self.container, self.record, CREATING)

    def _follow(self, init: Init, host: Host) -> None:
        """Follow the plan until the process is ready."""
        init.run(self._map_ids, self._stage, self._at_barrier)
        notices.stage("crunw-init")
        if host.seccomp_fd >= 0:
            posix.close(host.seccomp_fd)

    def _map_ids(self, pid: int) -> None:
        from crunw.effects.idmap import write_maps

        linux = self.spec["linux"]
        write_maps(pid, linux.get("uidMappings", []), linux.get("gidMappings", []))

    def _make_rdt(self) -> None:
        wanted = self.spec["linux"].get("intelRdt")
        if wanted:
            from crunw.effects import rdt

            self.rdt = rdt.Group(wanted, self.container.id, rdt.mount_point())
            self.record["rdt"] = self.rdt.make()

    def _at_barrier(self, pid: int) -> None:
        """What the runtime does when the namespaces exist, before the mounts are final."""
        if self.rdt:
            self.rdt.join(pid)
        for name, device in self.spec["linux"].get("netDevices", {}).items():
            from crunw.effects.netdevices import move

            move(name, pid, device.get("name") or name)
        self._run_hooks(pid)

    def _tell_of_annotations(self) -> None:
        annotations = self.spec.get("annotations", {})
        for what, why in not_understood(annotations, self.spec.get("hooks", {})):
            notices.degraded(what, why)

    def _hook_outputs(self) -> tuple[str, str]:
        return hook_outputs(self.spec.get("annotations", {}))

    def _run_hooks(self, pid: int) -> None:
        state = hook_state(self.container, {**self.record, "pid": pid}, CREATING)
        for name in ("prestart", "createRuntime"):
            wanted = self.spec.get("hooks", {}).get(name, [])
            hooks.run(name, wanted, state, self.request.bundle, self._hook_outputs())  # type: ignore[arg-type]

    def _stage(self, pid: int) -> None:
        """Write the final record, which is that of the container when the process is ready."""
        before_start = ("prestart", "createRuntime", "createContainer")
        self.hooked = not self.spec.get("hooks", {}).keys().isdisjoint(before_start)
        self.record["pid"] = pid
        self.record["cgroup"] = self.cgroup.record() if self.cgroup else None
        self.record["startTime"] = processes.start_time(pid)
        self._stage_record()

    def _stage_record(self) -> None:
        fast = fast_record(self.container, self.record, self.cgroup)
        self.container.stage(self.record, fast)

    def _compile_later(self, host: Host) -> None:
        """Start the background compiler; the record says how the module will be executed."""
        self.compiled.compile_later()
        if host.workload.kind == "wasm":
            self.record["wasm"] = execution("" if host.artefact else self.compiled.reason)

    def _record_execution(self, interpreted: str) -> None:
        """The record says what became of the module. ``interpreted``: why its code is not used."""
        if interpreted:
            self.record["wasm"] = execution(self.compiled.reason)
            self._stage_record()

    def _commit(self, init: Init) -> None:
        """Put the final record in place, then let the process go on."""
        self._publish(init.pid)
        init.commit()
        notices.stage("final record")

    def _publish(self, pid: int) -> None:
        self.container.publish()
        if self.request.pidfd_socket:
            send_pidfd(self.request.pidfd_socket, pid, self.record["startTime"])
        if self.request.pid_file:
            write_file(self.request.pid_file, str(pid))

    def _undo(self) -> None:
        """Take back what was made, the last first. A step that fails keeps none of the others from
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


def _end_in_order() -> None:
    """Have TERM, INT and HUP undo what is made, unless the caller ignores them."""
    import _signal

    def stop(number: int, _frame: object) -> None:
        for other in signals:
            _signal.signal(other, _signal.SIG_IGN)  # it is being done
        raise InterruptError(number)

    signals = [
        number
        for number in (_signal.SIGTERM, _signal.SIGINT, _signal.SIGHUP)
        if _signal.getsignal(number) != _signal.SIG_IGN
    ]
    for number in signals:
        _signal.signal(number, stop)


def gather_host(spec: Spec, request: Request) -> Host:
    """Collect what the plan needs to know of this host; changes nothing."""
    host = find_host(spec, request)
    complete_host(host, spec)
    return host


def find_host(spec: Spec, request: Request) -> Host:
    """Collect what the plan's first steps need to know."""
    rootfs = _rootfs(spec, request.bundle)
    if not is_directory(rootfs):
        raise SpecError("root.path", f"{rootfs} is not a directory")
    process = spec["process"]
    root = Root(rootfs, _binds(spec, request.bundle))
    path, head = root.find_program(process["args"][0], process["cwd"], process.get("env", ()))
    workload = decide(spec.get("annotations", {}), path, head)
    host = Host(id=request.id, bundle=request.bundle, rootfs=rootfs, workload=workload)
    host.preserve_fds = request.preserve_fds + request.listen_fds
    host.listen_fds = request.listen_fds
    host.listen_names = environment("LISTEN_FDNAMES") if request.listen_fds else ""
    host.no_pivot = request.no_pivot
    host.no_new_keyring = request.no_new_keyring
    host.rootless = is_ordinary_user()
    host.keep_groups = KEEP_GROUPS in spec.get("annotations", {})
    use_engine(host, root, process["cwd"], spec)
    if workload.kind == "wasm" and host.wasm.statistics:
        host.wasm.counters = Container(request.root, request.id).counters()
    return host


def complete_host(host: Host, spec: Spec) -> None:
    """Collect what only the later steps need, and takes longer."""
    seccomp_filter(host, spec)
    notices.stage("seccomp filter")
    devices = spec["linux"].get("netDevices", {})
    if devices:
        from crunw.effects.netdevices import addresses

        host.net_devices = {d.get("name") or name: addresses(name) for name, d in devices.items()}


def find_compiled(host: Host, spec: Spec, bundle: str) -> Compiled:
    """For a Wasm workload: its compiled code, as the policy for the container says."""
    compiled = Compiled()
    if host.workload.kind == "wasm":
        root = Root(host.rootfs, _binds(spec, bundle))
        compiled.find(host, root, spec.get("annotations", {}), host.rootfs)
        notices.stage("compiled code")
    return compiled


def execution(reason: str) -> Record:
    """How a module is executed, for the record. ``reason``: why it is interpreted; ``""``: not."""
    return {"execution": "interpreted", "reason": reason} if reason else {"execution": "compiled"}


def use_engine(host: Host, root: Root, cwd: str, spec: Spec) -> None:
    """For a Wasm workload: the engine's library, what is asked of it, the directories in "/".

    Raises :class:`SpecError`.
    """
    if host.workload.kind != "wasm":
        return
    host.wasm = settings(spec)
    if host.wasm.plugins:
        from crunw.lifecycle.plugins import find_plugins

        host.wasm.plugin_directory = find_plugins(host.wasm.plugins)
    host.engine_library = engine_library()
    host.engine_stub = engine_stub()
    if cwd != "/":
        host.root_entries = root.directories()


def seccomp_filter(host: Host, spec: Spec) -> None:
    """``linux.seccomp`` as a compiled filter."""
    filters = spec.get("linux", {}).get("seccomp")
    if filters:
        from crunw.effects import seccomp

        host.seccomp_program, host.seccomp_flags = seccomp.program(filters, cache_dir("seccomp"))


def fast_record(container: Container, record: Record, cgroup: Cgroup | None) -> str:
    """The record from which the launcher answers (:mod:`crunw.effects.fast`)."""
    before_pid, before_status, after_status = state_around(container, record)
    return fast.encode(
        record["pid"],
        record["startTime"],
        _verbs_with_work(record),
        (before_pid, f'{before_status}"', f'"{after_status}'),
        cgroup.freezer_state() if cgroup else ("", ""),
        cgroup.directories() if cgroup else (),
        {key: value for key, value in record.items() if key != "annotations"},
    )


def _verbs_with_work(record: Record) -> list[str]:
    """The hooks, or what takes as much as they do: the launcher leaves ``start`` and ``delete`` to
    Python then.
    """
    wanted = [*record["hooks"], *(["poststop"] if record.get("rdt") else [])]
    if record.get("sharedPids"):
        wanted.append("sharedPids")
    return [*wanted, "poststart", "poststop"] if record.get("notify") else wanted


def timestamp() -> str:
    """Now, as RFC 3339 in UTC with nanoseconds."""
    seconds, nanoseconds = divmod(time.time_ns(), 1_000_000_000)
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)) + f".{nanoseconds:09d}Z"


def _rootfs(spec: Spec, bundle: str) -> str:
    path = spec["root"]["path"]
    return path if path.startswith("/") else clean(f"{bundle}/{path}")


def _binds(spec: Spec, bundle: str) -> list[tuple[str, list[str], int]]:
    """(destination, sources, MOUNT_*_LINK) of the mounts that show the host's directories, for
    finding the program: bind mounts, and overlays, which images as volumes of Kubernetes are.
    """
    found = []
    for mount in spec.get("mounts", ()):
        if is_bind(mount):
            source = mount.get("source", "")
            sources = [source if source.startswith("/") else f"{bundle}/{source}"]
        else:
            sources = overlay_layers(mount)
        if sources:
            links = sum({LINK_OPTIONS.get(option, 0) for option in mount.get("options", ())})
            found.append((clean(mount["destination"]), sources, links))
    return found


def _user_name() -> str:
    """Who calls. Root is not looked up: that asks name services, which takes its time."""
    user = posix.geteuid()
    if user == 0:
        return "root"
    from pwd import getpwuid

    try:
        return getpwuid(user).pw_name
    except KeyError:
        return str(user)
