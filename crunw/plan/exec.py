"""The plan of a further process in a running container."""

from __future__ import annotations

from crunw.plan import flags
from crunw.plan.create import console_steps, namespaces, program_steps
from crunw.plan.encode import Step

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crunw.plan.host import Host
    from crunw.spec.model import Process, Spec


def exec_plan(spec: Spec, process: Process, host: Host, pidfd: int) -> list[Step]:
    """Return the steps that run ``process`` beside the container's first one.

    ``spec`` is the container's, ``pidfd`` the descriptor of its first process. The engine is
    opened before the mount namespace is entered, while the host's libraries can be reached.
    """
    steps = []
    if "oomScoreAdj" in process:
        steps.append(Step("oom_score_adj", process["oomScoreAdj"]))
    steps += [Step("cgroup_join", path) for path in host.cgroup_join]
    if host.workload.kind == "wasm":
        steps.append(Step("engine_open", host.engine_library, host.engine_stub))
    return [
        *steps,
        Step("ns_enter_pidfd", pidfd, sum(flags.NAMESPACES[kind][0] for kind in namespaces(spec))),
        Step("fork", 0),
        Step("setsid"),
        *console_steps(process, host, bind=False),
        *program_steps(process, host, []),
    ]
