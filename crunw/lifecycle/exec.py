"""``exec``: a further process in a container."""

from __future__ import annotations

import posix

from crunw import notices, status
from crunw.effects import foreground, processes
from crunw.effects.init import Init, nothing
from crunw.effects.rootfs import Root
from crunw.effects.store import Container, read_file, write_file, write_pid_file
from crunw.errors import KernelError, StateError
from crunw.lifecycle.descriptors import (
    connect_listener,
    open_console,
    passed,
    send_pidfd,
)
from crunw.lifecycle.facts import compile_filter, find_compiled, find_module
from crunw.lifecycle.handoff import keeps_groups, listener_state
from crunw.lifecycle.state import cgroup_of, current
from crunw.oci.load import load
from crunw.paths import init_path, is_ordinary_user
from crunw.plan.exec import exec_plan
from crunw.plan.inputs import CgroupView, Handoff, Inputs, Target
from crunw.plan.wasm import settings
from crunw.workload import decide

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from crunw.effects.cgroups.group import Cgroup
    from crunw.effects.store import Record
    from crunw.lifecycle.compiled import Compiled
    from crunw.oci.model import Process, Spec
    from crunw.plan.inputs import Module


class Request:
    """What the command line asks of ``exec``.

    ``process`` makes the process to run out of the container's own.
    """

    __slots__ = (
        "cgroup",
        "console_socket",
        "detach",
        "id",
        "ignore_paused",
        "pid_file",
        "pidfd_socket",
        "preserve_fds",
        "process",
        "process_file",
        "root",
    )

    def __init__(self, root: str, container_id: str, process: Callable[[Process], Process]) -> None:
        self.root = root
        self.id = container_id
        self.process = process
        self.process_file = ""  # --process: where that is from
        self.console_socket = ""
        self.detach = False
        self.ignore_paused = False
        self.pid_file = ""
        self.pidfd_socket = ""
        self.cgroup: list[str] = []
        self.preserve_fds = 0


def execute(request: Request) -> int:
    """Run the process; return its exit status (0 at once with ``detach``)."""
    preserved = passed(0, request.preserve_fds)
    container = Container(request.root, request.id)
    record = container.read()
    now = current(container, record)
    notices.keep_in(container.notices_file())
    if now != status.PAUSED or not request.ignore_paused:
        status.check("exec", request.id, now)
    spec = load(container.directory)
    process = _with_capabilities(request.process(spec["process"]), spec["process"])
    socket = request.console_socket
    terminal, console = open_console(process, socket, detach=request.detach)
    pidfd = processes.open_pidfd(record["pid"], record["startTime"])
    if pidfd < 0:
        raise StateError(f"exec {request.id}: the container is stopped")
    if not request.detach:
        foreground.hold_signals()
    listener = connect_listener(spec)
    state = listener_state(spec, container, record, listener, now)
    sockets = [fd for fd in (console, listener) if fd >= 0]
    init = Init(init_path(), [pidfd, *sockets, *preserved])
    try:
        target = Target(request.id, record["bundle"], record["rootfs"], rootless=is_ordinary_user())
        module = _find_module(record["pid"], spec, process)
        # Only the policy `always` waits for code: a probe has little time. No inode is trusted: the
        # container may have mounted this.
        compiled = find_compiled(module, spec, "", may_wait=False)
        inputs = Inputs(
            target,
            module,
            _join_cgroup(cgroup_of(record), init.parent, request.cgroup),
            Handoff(console=console, preserve=request.preserve_fds, groups=keeps_groups(spec)),
            compile_filter(spec, listener, state),
            artefact=compiled.artefact,
        )
        notices.stage("plan")
        init.send(exec_plan(spec, process, inputs, pidfd))
        lasting = _follow(init, compiled)
        _join_rdt(spec, container, init.pid)
        if listener >= 0:
            posix.close(listener)
        if terminal:
            terminal.receive()
        started = processes.start_time(init.pid)
        _announce(request, init.pid, started)
        init.commit()
        init.follow()
        notices.stage("program")
    except BaseException:
        init.abandon()
        raise
    _leave_recipe(request, container, record, spec, inputs, lasting)
    if request.detach:
        return 0
    return (terminal.wait if terminal else foreground.wait)(init.pid, started)


def _follow(init: Init, compiled: Compiled) -> tuple[int, ...]:
    """Until the process is ready; a module that has no code is compiled after it.

    Returns :meth:`Compiled.lasting`.
    """
    try:
        compiled.compile_later()
        init.run(nothing, nothing, nothing)
        compiled.check(init.interpreted)
        notices.stage("crunw-init")
        return compiled.lasting()
    finally:
        compiled.close()


def _find_module(pid: int, spec: Spec, process: Process) -> Module | None:
    """The module, if ``process`` is one; looked for as the container's processes see it."""
    root = Root(f"/proc/{pid}/root", ())
    path, head = root.find_program(process["args"][0], process["cwd"], process.get("env", ()))
    workload = decide({}, path, head)
    if workload.kind != "wasm":
        return None
    wanted = settings(spec)
    # What the function's name and the counters are of is the container's own program.
    wanted.function, wanted.statistics = "", False
    return find_module(workload, wanted, spec.get("annotations", {}), root, process["cwd"])


def _join_cgroup(group: Cgroup | None, parent: int, below: list[str]) -> CgroupView:
    """For ``crunw-init``, of the pid ``parent``: the container's cgroup, or one ``below``."""
    if below and not group:
        raise StateError("--cgroup: the container has no cgroup")
    if group:
        group.admit(parent)
        group = group.below(below) if below else group
    return _view(group)


def _view(group: Cgroup | None) -> CgroupView:
    return CgroupView(join=group.join_files(), unified=group.unified) if group else CgroupView()


def _leave_recipe(
    request: Request,
    container: Container,
    record: Record,
    spec: Spec,
    inputs: Inputs,
    lasting: tuple[int, ...],
) -> None:
    """For the launcher, so that it can do the next one itself, if it is as most are.

    ``lasting``: :meth:`Compiled.lasting`.
    Of an ordinary user's units it depends on the caller how they are joined.
    """
    of_user = (record.get("cgroup") or {}).get("user")
    notifies = inputs.seccomp.listener >= 0 or spec["linux"].get("intelRdt")
    if of_user or notifies or notices.said() or (inputs.module and not lasting):
        return
    from crunw.plan import exec_recipe

    around = (b"", b"")
    process: Process = {**spec["process"], "args": ["true"], "terminal": False}
    if request.process_file:
        text = read_file(request.process_file)
        around = exec_recipe.around_arguments(text)
        process = _with_capabilities(request.process(spec["process"]), spec["process"])
        if process.get("terminal") or not around[0] or text != read_file(request.process_file):
            return
    if inputs.module and process["cwd"] != "/":
        return  # what it is given depends on the directory
    steps = exec_plan(spec, process, _without_caller(inputs, record), 0)
    program = inputs.module.path if inputs.module else ""
    data = exec_recipe.recipe(steps, *around, program, lasting or exec_recipe.NATIVE)
    _write_recipe(container.exec_recipe(by_file=bool(request.process_file)), data)


def _without_caller(inputs: Inputs, record: Record) -> Inputs:
    """What is the same for each caller of ``exec``: no descriptors, the container's own cgroup."""
    return Inputs(
        inputs.target,
        inputs.module,
        _view(cgroup_of(record)),
        Handoff(groups=inputs.handoff.groups),
        inputs.seccomp,
        inputs.artefact,
    )


def _write_recipe(path: str, data: bytes) -> None:
    if data == read_file(path):
        return
    try:
        write_file(path, data.decode("utf-8", "surrogateescape"))
    except KernelError as error:  # it goes on as before, if more slowly
        notices.detail(f"exec: {error}")


def _announce(request: Request, pid: int, started: int) -> None:
    """Give the process to the files and sockets that the caller named."""
    if request.pidfd_socket:
        send_pidfd(request.pidfd_socket, pid, started)
    if request.pid_file:
        write_pid_file(request.pid_file, pid)


def _with_capabilities(process: Process, first: Process) -> Process:
    """As runc and crun: a process that names none gets those of the container's first one."""
    if "capabilities" not in process and "capabilities" in first:
        return {**process, "capabilities": first["capabilities"]}
    return process


def _join_rdt(spec: Spec, container: Container, pid: int) -> None:
    wanted = spec["linux"].get("intelRdt")
    if wanted:
        from crunw.effects import rdt

        rdt.Group(wanted, container.id, rdt.mount_point()).join(pid)
