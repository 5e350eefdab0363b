"""``plan``: what ``create`` would do, without doing it."""

from __future__ import annotations

from crunw.lifecycle.cgroup import plan_cgroup
from crunw.lifecycle.facts import gather_host
from crunw.plan.create import create_plan
from crunw.plan.ops import VERSION
from crunw.plan.render import documents, lines
from crunw.spec.load import load

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from crunw.lifecycle.request import Request


def plan_document(request: Request) -> dict[str, Any]:
    """Return the plan of the bundle as a JSON-like document. Raises :class:`CrunwError`."""
    spec = load(request.bundle)
    host = gather_host(spec, request)
    cgroup, writes = plan_cgroup(spec, request, host)
    workload = host.workload
    return {
        "version": VERSION,
        "workload": {
            "kind": workload.kind,
            "path": workload.path,
            "reason": workload.reason,
            "engine": host.engine,
            "engineReason": host.engine_reason,
        },
        "cgroup": {
            "path": cgroup.path if cgroup else "",
            "writes": [
                {"controller": write.controller, "file": write.file, "value": write.value}
                for write in writes
            ],
        },
        "steps": documents(create_plan(spec, host)),
    }


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
