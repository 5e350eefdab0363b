"""The steps of a process, new or of ``exec``: privileges, the program or module, its start."""

from __future__ import annotations

from crunw.notices import degraded
from crunw.plan import wasm
from crunw.plan.encode import Step
from crunw.plan.process import (
    home_steps,
    label_steps,
    limit_steps,
    persona_steps,
    process_step,
    seal_steps,
    seal_steps_of_module,
    seccomp_steps,
)
from crunw.plan.scheduling import memory_policy_steps, scheduling_steps

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crunw.oci.model import Process, Spec
    from crunw.plan.inputs import Filter, Handoff, Inputs, Module, Target

_FIRST_FREE_FD = 3


def session_steps(spec: Spec, target: Target) -> list[Step]:
    """What all processes of a container have in common."""
    steps = [] if target.no_new_keyring else [Step("keyring", f"_ses.{target.id}")]
    return [*steps, *persona_steps(spec), *memory_policy_steps(spec)]


def proc_steps(module: Module | None, *, apart: bool) -> list[Step]:
    """A module's procfs is read-only: ``apart`` where the mount namespace is not its alone."""
    if not module or module.settings.proc_writable:
        return []
    return [Step("proc_readonly", int(apart))]


def program_steps(
    process: Process, inputs: Inputs, cwd: Step, mounted: list[str], hooks: list[Step]
) -> list[Step]:
    """Drop privileges, find or load the program, wait for ``start``, run it.

    ``mounted``: the names of directories in "/" that mounts make, for a module's preopens.
    A program is found before the filter is loaded, so that a profile need not allow what that
    takes. A module is opened before; it is untrusted input for the parser, so that runs under it.
    """
    if inputs.module:
        return _module_steps(process, inputs, inputs.module, cwd, mounted, hooks)
    return [
        *label_steps(process, now=False),
        *_first_steps(process, inputs.handoff, cwd),
        *seal_steps(process, inputs),
        process_step(process, inputs.handoff),
        Step("exec_find"),
        *_wait_steps(inputs.handoff),
        *seccomp_steps(inputs.seccomp),
        *hooks,
        Step("exec"),
    ]


def _module_steps(
    process: Process,
    inputs: Inputs,
    module: Module,
    cwd: Step,
    mounted: list[str],
    hooks: list[Step],
) -> list[Step]:
    """:func:`program_steps` of a module.

    It is fenced in before it is read, but by what must not be: hooks, which are programs, and what
    hands a listener over.
    """
    late = bool(hooks) or inputs.seccomp.listener >= 0
    fence = _fence_steps(module, inputs.seccomp, late=late)
    fenced = bool(fence) and not late
    program = module.path or process["args"][0]
    opened = wasm.preopens(process["cwd"], [*module.directories, *mounted], module.settings)
    steps = [
        *_first_steps(process, inputs.handoff, cwd),
        *wasm.read_only_steps(opened),
        *seal_steps_of_module(process, inputs, fenced=fenced),
        process_step(process, inputs.handoff),
        Step("wasm_open", program),
        *(fence if fenced else []),
        *seccomp_steps(inputs.seccomp),
        *wasm.load_steps(program, opened, module.settings),
        *_wait_steps(inputs.handoff),
        *hooks,
    ]
    if fence and late:
        has_it = process.get("noNewPrivileges") or inputs.seccomp.program
        steps += [*([] if has_it else [Step("no_new_privs")]), *fence]
    return [*steps, Step("wasm_run")]


def _fence_steps(module: Module, seccomp: Filter, *, late: bool) -> list[Step]:
    """The fence; ``late``: it comes after the container's own filter, which may forbid it."""
    if not module.settings.fenced():
        return []
    if late and seccomp.closed:
        degraded(
            "the system calls of a module",
            "the filter of linux.seccomp alone limits them: it forbids another one"
            " (allow seccomp(2) there)",
        )
        return []
    return [Step("wasm_fence")]


def _first_steps(process: Process, handoff: Handoff, cwd: Step) -> list[Step]:
    return [
        *scheduling_steps(process),
        *limit_steps(process),
        *home_steps(process),
        Step("close_from", _FIRST_FREE_FD + handoff.preserve),
        cwd,
    ]


def _wait_steps(handoff: Handoff) -> list[Step]:
    return [Step("ready"), *([Step("wait_start")] if handoff.start else [])]
