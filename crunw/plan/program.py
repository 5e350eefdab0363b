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
    from crunw.plan.host import Host
    from crunw.spec.model import Process, Spec

_FIRST_FREE_FD = 3


def session_steps(spec: Spec, host: Host) -> list[Step]:
    """What all processes of a container have in common."""
    steps = [] if host.no_new_keyring else [Step("keyring", f"_ses.{host.id}")]
    return [*steps, *persona_steps(spec), *memory_policy_steps(spec)]


def proc_steps(host: Host, *, apart: bool) -> list[Step]:
    """A module's procfs is read-only: ``apart`` where the mount namespace is not its alone."""
    if host.workload.kind != "wasm" or host.wasm.proc_writable:
        return []
    return [Step("proc_readonly", int(apart))]


def program_steps(
    process: Process, host: Host, cwd: Step, directories: list[str], hooks: list[Step]
) -> list[Step]:
    """Drop privileges, find or load the program, wait for ``start``, run it.

    ``directories``: the names of those in "/", for :func:`crunw.plan.wasm.preopens`.
    A program is found before the filter is loaded, so that a profile need not allow what that
    takes. A module is opened before; it is untrusted input for the parser, so that runs under it.
    """
    if host.workload.kind == "wasm":
        return _module_steps(process, host, cwd, directories, hooks)
    return [
        *label_steps(process, now=False),
        *_first_steps(process, host, cwd),
        *seal_steps(process, host),
        process_step(process, host),
        Step("exec_find"),
        *_wait_steps(host),
        *seccomp_steps(host),
        *hooks,
        Step("exec"),
    ]


def _module_steps(
    process: Process, host: Host, cwd: Step, directories: list[str], hooks: list[Step]
) -> list[Step]:
    """:func:`program_steps` of a module.

    It is fenced in before it is read, but by what must not be: hooks, which are programs, and what
    hands a listener over.
    """
    fence = [Step("wasm_fence")] if host.wasm.fenced() else []
    late = bool(hooks) or host.seccomp_fd >= 0
    if fence and late and host.seccomp_closed:
        degraded(
            "the system calls of a module",
            "the filter of linux.seccomp alone limits them: it forbids another one"
            " (allow seccomp(2) there)",
        )
        fence = []
    fenced = bool(fence) and not late
    program = host.workload.path or process["args"][0]
    opened = wasm.preopens(process["cwd"], directories, host.wasm)
    steps = [
        *_first_steps(process, host, cwd),
        *wasm.read_only_steps(opened),
        *seal_steps_of_module(process, host, fenced=fenced),
        process_step(process, host),
        Step("wasm_open", program),
        *(fence if fenced else []),
        *seccomp_steps(host),
        *wasm.load_steps(program, opened, host.wasm),
        *_wait_steps(host),
        *hooks,
    ]
    if fence and late:
        has_it = process.get("noNewPrivileges") or host.seccomp_program
        steps += [*([] if has_it else [Step("no_new_privs")]), *fence]
    return [*steps, Step("wasm_run")]


def _first_steps(process: Process, host: Host, cwd: Step) -> list[Step]:
    return [
        *scheduling_steps(process),
        *limit_steps(process),
        *home_steps(process),
        Step("close_from", _FIRST_FREE_FD + host.preserve_fds),
        cwd,
    ]


def _wait_steps(host: Host) -> list[Step]:
    return [Step("ready"), *([Step("wait_start")] if host.start else [])]
