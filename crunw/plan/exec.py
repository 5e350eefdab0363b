"""The plan of a further process in a running container."""

from __future__ import annotations

from crunw.oci.queries import namespaces
from crunw.plan import flags
from crunw.plan.create import (
    artefact_steps,
    can_join_late,
    cgroup_steps,
    console_steps,
    engine_steps,
)
from crunw.plan.encode import Step
from crunw.plan.mounts import clean
from crunw.plan.process import raise_limit_steps
from crunw.plan.program import proc_steps, program_steps, session_steps
from crunw.plan.scheduling import affinity_steps

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crunw.oci.model import Process, Spec
    from crunw.plan.inputs import Inputs


def exec_plan(spec: Spec, process: Process, inputs: Inputs, pidfd: int) -> list[Step]:
    """Return the steps that run ``process`` beside the container's first one.

    ``spec`` is the container's, ``pidfd`` the descriptor of its first process. The engine is
    opened before the mount namespace is entered, while the host's libraries can be reached. A
    working directory that is missing is not made: that is for ``create``.
    """
    affinity = process.get("execCPUAffinity", {})
    steps = affinity_steps(affinity.get("initial", ""))
    if "oomScoreAdj" in process:
        steps.append(Step("oom_score_adj", process["oomScoreAdj"]))
    joined = namespaces(spec)
    steps += cgroup_steps(inputs.cgroup, late=can_join_late(joined))
    return [
        *steps,
        *engine_steps(inputs.module),
        *artefact_steps(inputs.artefact),
        *(raise_limit_steps(process) if "user" in joined else []),
        Step("ns_enter_pidfd", pidfd, sum(flags.NAMESPACES[kind][0] for kind in joined)),
        Step("fork", 0),
        *affinity_steps(affinity.get("final", "")),
        Step("setsid"),
        *console_steps(process, inputs.handoff, bind=False),
        *session_steps(spec, inputs.target),
        *proc_steps(inputs.module, apart=True),
        *program_steps(process, inputs, Step("cwd", clean(process["cwd"]), 0), [], []),
    ]
