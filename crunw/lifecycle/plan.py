"""``plan``: what ``create`` would do, without doing it."""

from __future__ import annotations

from crunw.effects.store import Container
from crunw.lifecycle.cgroup import plan_cgroup
from crunw.lifecycle.facts import compile_filter, find_net_devices, find_program, find_target
from crunw.lifecycle.handoff import make_handoff
from crunw.oci.load import load
from crunw.plan.create import create_plan
from crunw.plan.inputs import Inputs
from crunw.plan.ops import VERSION
from crunw.plan.render import documents, lines

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from crunw.lifecycle.cgroup import Placement
    from crunw.lifecycle.request import Request
    from crunw.oci.model import Spec
    from crunw.workload import Workload


def plan_document(request: Request) -> dict[str, Any]:
    """Return the plan of the bundle as a JSON-like document. Raises :class:`CrunwError`."""
    spec = load(request.bundle)
    workload, placement, inputs = find_inputs(spec, request)
    module = inputs.module
    return {
        "version": VERSION,
        "workload": {
            "kind": workload.kind,
            "path": workload.path,
            "reason": workload.reason,
            "engine": module.engine if module else "",
            "engineReason": module.reason if module else "",
        },
        "cgroup": {
            "path": placement.group.path if placement.group else "",
            "writes": [
                {"controller": write.controller, "file": write.file, "value": write.value}
                for write in placement.writes
            ],
        },
        "steps": documents(create_plan(spec, inputs)),
    }


def find_inputs(spec: Spec, request: Request) -> tuple[Workload, Placement, Inputs]:
    """What ``create`` would find; nothing is created. Raises :class:`CrunwError`."""
    target = find_target(spec, request)
    counters = Container(request.root, request.id).counters()
    workload, module = find_program(spec, target, counters)
    placement = plan_cgroup(spec, request)
    handoff = make_handoff(spec, request, None)
    inputs = Inputs(
        target,
        module,
        placement.view,
        handoff,
        compile_filter(spec),
        net_devices=find_net_devices(spec),
    )
    return workload, placement, inputs


def plan_text(document: dict[str, Any]) -> str:
    """Return the document for people."""
    workload, cgroup = document["workload"], document["cgroup"]
    by = ""
    if workload["engine"]:
        by = f"\nengine    {workload['engine']}: {workload['engineReason']}"
    text = [
        f"workload  {workload['kind']}: {workload['reason']}{by}",
        f"cgroup    {cgroup['path'] or 'none'}",
    ]
    text += [f"     write {write['file']} = {write['value']}" for write in cgroup["writes"]]
    return "\n".join([*text, "", "steps", *lines(document["steps"])]) + "\n"
