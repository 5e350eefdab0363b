"""The plan of a new container: which steps, in which order."""

from __future__ import annotations

from crunw.oci.queries import namespaces
from crunw.oci.rules import sysctl_path
from crunw.plan import flags, wasm
from crunw.plan.encode import Step
from crunw.plan.idmaps import check_user_namespace, needs_opener
from crunw.plan.mounts import (
    clean,
    device_steps,
    late_steps,
    mount_directories,
    mount_steps,
)
from crunw.plan.process import distinct, raise_limit_steps
from crunw.plan.program import proc_steps, program_steps, session_steps

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection

    from crunw.oci.model import Hook, Process, Spec
    from crunw.plan.inputs import CgroupView, Handoff, Inputs, Module, Target


def create_plan(spec: Spec, inputs: Inputs) -> list[Step]:
    """Return the steps that make the container's process out of ``spec``.

    Raises :class:`crunw.errors.SpecError` for what the specification check alone can't see.
    """
    first = first_steps(spec, inputs.target, inputs.cgroup, inputs.module)
    return [*first, *later_steps(spec, inputs)]


def first_steps(
    spec: Spec, target: Target, cgroup: CgroupView, module: Module | None
) -> list[Step]:
    """The steps that can be sent as soon as there is a cgroup, while the others are still made.

    The engine is opened while the host's files are sure to be the ones found: a namespace that is
    joined may have others.
    """
    check_user_namespace(spec, rootless=target.rootless)
    steps = [Step("opener")] if needs_opener(spec, rootless=target.rootless) else []
    score = spec.get("process", {}).get("oomScoreAdj")
    if score is not None:
        steps.append(Step("oom_score_adj", score))
    steps += cgroup_steps(cgroup, late=can_join_late(_before_fork(spec)))
    if cgroup.devices:
        steps.append(Step("cgroup_devices", cgroup.unified, cgroup.devices))
    return steps + engine_steps(module)


def later_steps(spec: Spec, inputs: Inputs) -> list[Step]:
    """The steps after :func:`first_steps`. Raises as :func:`create_plan`."""
    return [
        *_host_steps(spec, inputs),
        *_rootfs_steps(spec, inputs),
        *_pivot_steps(spec, inputs),
        *_process_steps(spec, inputs),
    ]


def _before_fork(spec: Spec) -> set[str]:
    """The types of namespaces that the parent enters."""
    return {kind for kind, path in namespaces(spec).items() if path or kind == "user"}


def _host_steps(spec: Spec, inputs: Inputs) -> list[Step]:
    """Until the container's process exists.

    What is joined by path is never owned by a user namespace made here, in which the right to join
    it would be gone.
    """
    wanted = namespaces(spec)
    joined = [kind for kind in flags.NAMESPACES if wanted.get(kind)]
    if inputs.target.rootless:  # the right to join the others comes with the user namespace
        joined.sort(key=lambda kind: kind != "user")
    created = [kind for kind in flags.NAMESPACES if wanted.get(kind) == ""]
    steps = artefact_steps(inputs.artefact)
    if "user" in wanted:
        steps += raise_limit_steps(spec["process"])
    if inputs.handoff.start:
        steps.append(Step("open_start", inputs.handoff.start))
    steps += [Step("ns_enter", flags.NAMESPACES[kind][0], wanted[kind]) for kind in joined]
    if "user" in created:
        steps += [Step("ns_unshare", flags.CLONE_NEWUSER), Step("userns_map")]
    if "time" in created:
        steps.append(Step("ns_unshare", flags.CLONE_NEWTIME))
        steps += _time_offsets(spec)
    by_fork = [kind for kind in created if kind not in ("user", "time")]
    after = []
    late = can_join_late(_before_fork(spec))
    if late and inputs.cgroup.unified and "cgroup" in by_fork:
        by_fork.remove("cgroup")
        after.append(Step("ns_unshare", flags.CLONE_NEWCGROUP))
    return [*steps, Step("fork", sum(flags.NAMESPACES[kind][0] for kind in by_fork)), *after]


def can_join_late(entered: Collection[str]) -> bool:
    """Whether a process that has entered namespaces of these types may still fork into a cgroup.

    A user namespace takes away the right to, a cgroup namespace the way (cgroup-v2.rst,
    "nsdelegate").
    """
    return "user" not in entered and "cgroup" not in entered


def cgroup_steps(cgroup: CgroupView, *, late: bool) -> list[Step]:
    """Join the cgroup: on v1 now, on v2 with ``fork``, which is much cheaper, if that is ``late``
    enough.
    """
    steps = [Step("cgroup_join", path) for path in cgroup.join]
    if not cgroup.unified:
        return steps
    if late:
        return [*steps, Step("cgroup_into", cgroup.unified)]
    return [*steps, Step("cgroup_join", f"{cgroup.unified}/cgroup.procs")]


def engine_steps(module: Module | None) -> list[Step]:
    """The engine, for a Wasm workload."""
    if not module:
        return []
    opened = Step("engine_open", module.engine, module.library, module.stub)
    return [opened, *wasm.engine_steps(module.settings)]


def artefact_steps(artefact: str) -> list[Step]:
    """The module's compiled code, where there is some."""
    return [Step("engine_artefact", artefact)] if artefact else []


def _time_offsets(spec: Spec) -> list[Step]:
    offsets = spec.get("linux", {}).get("timeOffsets", {})
    lines = [
        f"{clock} {value.get('secs', 0)} {value.get('nanosecs', 0)}\n"
        for clock, value in offsets.items()
    ]
    return [Step("time_offsets", "".join(lines))] if lines else []


def _rootfs_steps(spec: Spec, inputs: Inputs) -> list[Step]:
    """What happens while the host's files can still be reached."""
    wanted = namespaces(spec)
    linux = spec.get("linux", {})
    steps = [Step("setsid")]
    if wanted.get("network") == "":
        steps.append(Step("loopback_up"))
    propagation = flags.PROPAGATION[linux.get("rootfsPropagation") or "rslave"]
    if propagation & flags.MS_UNBINDABLE:  # until all is bound that has to be
        propagation ^= flags.MS_UNBINDABLE | flags.MS_PRIVATE
    steps += [
        Step("root_propagation", propagation),
        Step("rootfs", inputs.target.rootfs),
        *mount_steps(spec, inputs.target, inputs.cgroup),
        *device_steps(spec),
    ]
    if inputs.module:
        steps += wasm.mount_steps(inputs.module.settings)
    sysctls = linux.get("sysctl", {}).items()
    steps += [Step("sysctl", sysctl_path(key), value) for key, value in sysctls]
    if spec.get("hostname"):
        steps.append(Step("hostname", spec["hostname"]))
    if spec.get("domainname"):
        steps.append(Step("domainname", spec["domainname"]))
    hooks = spec.get("hooks", {})
    outside = (hooks.get("prestart"), hooks.get("createRuntime"), linux.get("intelRdt"))
    if any(outside) or inputs.net_devices:
        steps.append(Step("hooks_barrier"))
    for name, addresses in inputs.net_devices.items():
        steps += [Step("net_address", name, *address) for address in addresses]
        steps.append(Step("net_up", name))
    state = inputs.hook_state
    before, after = state.before, state.after_creating
    return steps + [_hook(hook, before, after) for hook in hooks.get("createContainer", ())]


def _pivot_steps(spec: Spec, inputs: Inputs) -> list[Step]:
    """The change of root and what is done to the new one."""
    steps = [Step("pivot_root", int(inputs.target.no_pivot))]
    steps += console_steps(spec["process"], inputs.handoff, bind=True)
    late = late_steps(spec)
    cwd = clean(spec["process"]["cwd"])
    if late and cwd != "/":
        steps.append(Step("cwd", cwd, 1))  # made, if it is missing, while it can be
    steps += late
    propagation = spec.get("linux", {}).get("rootfsPropagation")
    if propagation:
        steps.append(Step("root_propagation", flags.PROPAGATION[propagation]))
    return steps


def console_steps(process: Process, handoff: Handoff, *, bind: bool) -> list[Step]:
    """The terminal, if one is asked for; ``bind``: also as /dev/console."""
    if handoff.console < 0:
        return []
    size = process.get("consoleSize", {})
    columns, rows = size.get("width", 0), size.get("height", 0)
    return [Step("console", handoff.console, columns, rows, int(bind))]


def _process_steps(spec: Spec, inputs: Inputs) -> list[Step]:
    """From a finished root filesystem to the running program."""
    process = spec["process"]
    wanted = spec.get("hooks", {}).get("startContainer", ())
    # One that has no environment of its own gets the program's: runc and crun.
    state = inputs.hook_state
    hooks = [
        _hook(hook, state.before, state.after, program_env="env" not in hook) for hook in wanted
    ]
    cwd = Step("cwd", clean(process["cwd"]), 1)
    shared = namespaces(spec).get("mount") != ""
    return [
        *session_steps(spec, inputs.target),
        *proc_steps(inputs.module, apart=shared),
        *program_steps(process, inputs, cwd, mount_directories(spec), hooks),
    ]


def _hook(hook: Hook, before: str, after: str, *, program_env: bool = False) -> Step:
    return Step(
        "hook",
        hook["path"],
        list(hook.get("args") or [hook["path"]]),
        distinct(hook.get("env", ())),
        hook.get("timeout", 0),
        before,
        after,
        int(program_env),
    )
