"""Scheduling, processors and memory nodes as steps (config.md "process", "linux.memoryPolicy")."""

from __future__ import annotations

from crunw.plan import flags
from crunw.plan.encode import Step

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crunw.oci.model import Process, Spec

_IO_CLASS_SHIFT = 13  # ioprio_set(2)


def scheduling_steps(process: Process) -> list[Step]:
    """``scheduler`` and ``ioPriority``, which must be set before privileges are dropped."""
    steps = []
    if "scheduler" in process:
        wanted = process["scheduler"]
        bits = sum(flags.SCHEDULER_FLAGS[name] for name in set(wanted.get("flags", ())))
        steps.append(
            Step(
                "scheduler",
                flags.SCHEDULER_POLICIES[wanted["policy"]],
                bits,
                wanted.get("nice", 0),
                wanted.get("priority", 0),
                wanted.get("runtime", 0),
                wanted.get("deadline", 0),
                wanted.get("period", 0),
            )
        )
    if "ioPriority" in process:
        priority = process["ioPriority"]
        number = flags.IO_CLASSES[priority["class"]] << _IO_CLASS_SHIFT
        steps.append(Step("io_priority", number | priority.get("priority", 0)))
    return steps


def affinity_steps(cpus: str) -> list[Step]:
    """The processors that the process may use from now on; "" leaves them as they are."""
    return [Step("cpu_affinity", mask(cpus))] if cpus.strip() else []


def memory_policy_steps(spec: Spec) -> list[Step]:
    """``linux.memoryPolicy``."""
    policy = spec.get("linux", {}).get("memoryPolicy")
    if not policy:
        return []
    mode = flags.MEMORY_POLICIES[policy["mode"]]
    bits = sum(flags.MEMORY_POLICY_FLAGS[name] for name in set(policy.get("flags", ())))
    return [Step("memory_policy", mode | bits, mask(policy.get("nodes", "")))]


def mask(text: str) -> bytes:
    """A list of processors or nodes (``0-3,5``) as a mask, the first in the lowest bit."""
    bits = 0
    for part in filter(str.strip, text.split(",")):
        first, _, last = part.strip().partition("-")
        for number in range(int(first), int(last or first) + 1):
            bits |= 1 << number
    return bits.to_bytes((bits.bit_length() + 7) // 8, "little")
