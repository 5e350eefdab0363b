"""Annotations of crun's family, ``run.oci.*`` (crun(1) "Extensions to OCI")."""

from __future__ import annotations

from crunw.plan.wasm_settings import FAMILY as WASM
from crunw.workload import HANDLER

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from crunw.oci.model import Hooks

_FAMILY = "run.oci."
KEEP_GROUPS = "run.oci.keep_original_groups"
HOOKS_STDOUT = "run.oci.hooks.stdout"
HOOKS_STDERR = "run.oci.hooks.stderr"
_UNDERSTOOD = (HANDLER, KEEP_GROUPS, HOOKS_STDOUT, HOOKS_STDERR)
_INSTEAD = {
    "run.oci.seccomp.receiver": "linux.seccomp.listenerPath names a receiver",
    "run.oci.timens_offset": "linux.timeOffsets has the same meaning",
    "run.oci.mount_context_type": "the option context= of a mount has the same meaning",
}
_BY_INIT = ("createContainer", "startContainer")


def not_understood(annotations: Mapping[str, str], hooks: Hooks) -> list[tuple[str, str]]:
    """What is asked for but not done: the field, and why or what to do, for a notice.

    Those of :data:`WASM` are left out: one that is unknown is an error.
    """
    found = [
        (f"annotations.{name}", f"is not understood, and without effect{_hint(name)}")
        for name in annotations
        if name.startswith(_FAMILY) and not name.startswith(WASM) and name not in _UNDERSTOOD
    ]
    if any(hooks.get(name) for name in _BY_INIT):
        found += [
            (f"annotations.{name}", "is without effect on the hooks in the container")
            for name in (HOOKS_STDOUT, HOOKS_STDERR)
            if name in annotations
        ]
    return found


def hook_outputs(annotations: Mapping[str, str]) -> tuple[str, str]:
    """The files that hooks write their standard output and error to; "": neither is wanted."""
    return annotations.get(HOOKS_STDOUT, ""), annotations.get(HOOKS_STDERR, "")


def _hint(name: str) -> str:
    return f" ({_INSTEAD[name]})" if name in _INSTEAD else ""
