"""The plans that change the mounts of a running container.

``crunw-init`` enters all of its namespaces: what is mounted belongs to them (the processes that a
procfs shows, the user who owns a tmpfs).
"""

from __future__ import annotations

from crunw.errors import SpecError
from crunw.oci.queries import namespaces
from crunw.plan import flags
from crunw.plan.encode import Step
from crunw.plan.inputs import CgroupView
from crunw.plan.mounts import clean, mount_steps

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crunw.oci.model import Mount, Spec
    from crunw.plan.inputs import Target


def add_plans(
    spec: Spec, mounts: list[Mount], target: Target, pidfd: int, root: str
) -> list[list[Step]]:
    """Return a plan for each of ``mounts``.

    ``spec`` is the container's, ``pidfd`` the descriptor of its first process, ``root`` the path of
    that one's root directory. Raises :class:`SpecError`.
    """
    for index, mount in enumerate(mounts):
        _check(mount, f"mounts[{index}]")
        if mount.get("type") == "cgroup":
            raise SpecError(f"mounts[{index}].type", "cgroup can't be mounted later")
    none = CgroupView()
    mount_steps({**spec, "mounts": mounts}, target, none)  # an error has the index in the list
    return [
        [
            Step("opener"),
            *_entered(spec, pidfd, root),
            *mount_steps({**spec, "mounts": [mount]}, target, none),
            Step("ready"),
        ]
        for mount in mounts
    ]


def remove_plans(spec: Spec, mounts: list[Mount], pidfd: int, root: str) -> list[list[Step]]:
    """Return a plan for each of ``mounts``, which unmounts its destination. As above."""
    for index, mount in enumerate(mounts):
        _check(mount, f"mounts[{index}]")
    return [
        [
            *_entered(spec, pidfd, root),
            Step("unmount", clean(mount["destination"])),
            Step("ready"),
        ]
        for mount in mounts
    ]


def _check(mount: Mount, field: str) -> None:
    if clean(mount["destination"]) == "/":
        raise SpecError(f"{field}.destination", "the root directory stays as it is")


def _entered(spec: Spec, pidfd: int, root: str) -> list[Step]:
    kinds = sum(flags.NAMESPACES[kind][0] for kind in namespaces(spec))
    return [Step("root_joined", root), Step("ns_enter_pidfd", pidfd, kinds), Step("fork", 0)]
