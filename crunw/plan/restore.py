"""The plans of ``restore``: the places that CRIU mounts on, then CRIU itself; and what is bound.

CRIU runs in a mount namespace of its own, in which the root filesystem is a mount, as it demands:
whatever becomes of it, nothing stays mounted on the host.
"""

from __future__ import annotations

from crunw.oci.queries import namespaces
from crunw.plan import flags
from crunw.plan.create import cgroup_steps
from crunw.plan.encode import Step
from crunw.plan.mounts import clean, mount_steps

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crunw.oci.model import Spec
    from crunw.plan.inputs import CgroupView, Target

_DEFAULT_DEVICES = ("null", "zero", "full", "random", "urandom", "tty")


def restore_plan(
    target: Target, cgroup: CgroupView, command: list[str], environment: list[str], below: int
) -> list[Step]:
    """Return the steps that run CRIU in the container's cgroup; it inherits what is ``below``."""
    steps = cgroup_steps(cgroup, late=True)
    if cgroup.devices:
        steps.append(Step("cgroup_devices", cgroup.unified, cgroup.devices))
    return [
        *steps,
        *_own_root(target),
        Step("close_from", below),
        Step("process", command, environment),
        Step("exec_find"),
        Step("ready"),
        Step("exec"),
    ]


def mount_point_plan(spec: Spec, target: Target, cgroup: CgroupView) -> list[Step]:
    """Return the steps that create what of the mounts' targets is missing in the root filesystem.

    They mount the container's mounts, in a namespace that ends with the plan, because one target
    can be in another mount; an empty tmpfs takes the place of a file system whose content CRIU
    restores.
    """
    steps = _own_root(target)
    for step in mount_steps(spec, target, cgroup):
        if bound := _bound(step):
            how = flags.MS_BIND | flags.MS_REC
            steps.append(Step("mount", bound[1], bound[0], "", how, "", step.fields[-1]))
        elif step.op == "mount" and not _flags(step) & flags.MS_REMOUNT:
            steps.append(Step("mount", "tmpfs", step.fields[1], "tmpfs", 0, "", 0))
    return [*steps, Step("ready")]


def bind_mounts(spec: Spec, target: Target, cgroup: CgroupView) -> list[tuple[str, str, bool]]:
    """``(target, source, with the mounts below)`` of all that the container has from the host; with
    a user namespace that are the device nodes too.
    """
    found = [bound for step in mount_steps(spec, target, cgroup) if (bound := _bound(step))]
    if "user" in namespaces(spec):
        linux = spec["linux"]
        nodes = [f"/dev/{name}" for name in _DEFAULT_DEVICES]
        nodes += [clean(device["path"]) for device in linux.get("devices", ())]
        found += [(node, node, False) for node in nodes]
    return found


def _own_root(target: Target) -> list[Step]:
    return [
        Step("fork", flags.CLONE_NEWNS),
        Step("root_propagation", flags.MS_SLAVE | flags.MS_REC),
        Step("rootfs", target.rootfs),
    ]


def _bound(step: Step) -> tuple[str, str, bool] | None:
    """What :func:`bind_mounts` says of a step, if it binds something."""
    if step.op not in ("mount", "bind_idmapped"):
        return None
    source, target = step.fields[:2]
    bits = _flags(step)
    if step.op == "mount" and bits & (flags.MS_BIND | flags.MS_REMOUNT) != flags.MS_BIND:
        return None
    return str(target), str(source), bool(bits & flags.MS_REC)


def _flags(step: Step) -> int:
    """The MS_* flags of a ``mount`` or ``bind_idmapped``."""
    bits = step.fields[3 if step.op == "mount" else 2]
    return bits if isinstance(bits, int) else 0
