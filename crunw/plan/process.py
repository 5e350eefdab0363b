"""``process`` as steps: limits, credentials, seccomp, environment (config.md "process")."""

from __future__ import annotations

from crunw.notices import degraded, one_line
from crunw.plan import flags, ops
from crunw.plan.encode import Step

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Literal

    from crunw.oci.model import Capabilities, Process, Spec
    from crunw.plan.inputs import Filter, Handoff, Inputs

    CapabilitySet = Literal["bounding", "effective", "permitted", "inheritable", "ambient"]

_DEFAULT_UMASK = 0o022
_SETS: tuple[CapabilitySet, ...] = ("bounding", "effective", "permitted", "inheritable", "ambient")
_SYS_ADMIN = 1 << flags.CAPABILITIES.index("CAP_SYS_ADMIN")


def limit_steps(process: Process) -> list[Step]:
    """Resource limits, which must be set before privileges are dropped."""
    return [
        Step("rlimit", flags.RLIMITS.index(limit["type"]), limit["soft"], limit["hard"])
        for limit in process.get("rlimits", ())
    ]


def raise_limit_steps(process: Process) -> list[Step]:
    """For :func:`limit_steps` in a user namespace: only the host's root may raise a hard limit."""
    return [
        Step("rlimit_raise", flags.RLIMITS.index(limit["type"]), limit["hard"])
        for limit in process.get("rlimits", ())
    ]


def home_steps(process: Process) -> list[Step]:
    """$HOME, where the environment has none: as runc and crun, the container's user database."""
    if any(entry.startswith("HOME=") for entry in process.get("env", ())):
        return []
    return [Step("home", process.get("user", {}).get("uid", 0))]


def label_steps(process: Process, *, now: bool) -> list[Step]:
    """The AppArmor profile and SELinux label of the next exec, or from now on: what runs a module
    executes nothing.
    """
    labels = {
        "apparmor": process.get("apparmorProfile"),
        "selinux": process.get("selinuxLabel"),
    }
    return [Step("lsm_label", name, label, int(now)) for name, label in labels.items() if label]


def seal_steps(process: Process, inputs: Inputs) -> list[Step]:
    """Umask, credentials, no_new_privs: all but the filter, which :func:`seccomp_steps` loads.

    Without no_new_privs, loading one takes CAP_SYS_ADMIN. A program may have that until execve,
    which makes its capabilities of the other sets (capabilities(7)): so nothing but execve is left
    to do under the filter.
    """
    umask = Step("umask", process.get("user", {}).get("umask", _DEFAULT_UMASK))
    if process.get("noNewPrivileges"):
        return [umask, credentials(process, inputs.handoff), Step("no_new_privs")]
    extra = _SYS_ADMIN if inputs.seccomp.program else 0
    return [umask, credentials(process, inputs.handoff, until_exec=extra)]


def seal_steps_of_module(process: Process, inputs: Inputs, *, fenced: bool) -> list[Step]:
    """The same for what runs a module, which is not executed, with its labels.

    It executes nothing either, so no_new_privs takes nothing from it: under a filter it always has
    it, and none of the configured capabilities is needed to load that. ``fenced``: a filter of
    crunw's own is loaded, too.
    """
    no_new_privs = process.get("noNewPrivileges", False)
    how = ops.CREDENTIALS_EXECUTED | (ops.CREDENTIALS_NO_NEW_PRIVS if no_new_privs else 0)
    return [
        Step("umask", process.get("user", {}).get("umask", _DEFAULT_UMASK)),
        credentials(process, inputs.handoff, how),
        *label_steps(process, now=True),
        *([Step("no_new_privs")] if no_new_privs or inputs.seccomp.program or fenced else []),
    ]


def seccomp_steps(seccomp: Filter) -> list[Step]:
    """The filter, compiled by ``crunw.effects.seccomp``."""
    if not seccomp.program:
        return []
    listener = seccomp.listener + 1
    return [Step("seccomp", seccomp.program, seccomp.flags, listener, list(seccomp.state))]


def credentials(process: Process, handoff: Handoff, how: int = 0, until_exec: int = 0) -> Step:
    """User, groups and the five capability sets (no ``capabilities``: all sets empty).

    ``how``: ``CREDENTIALS_*`` bits. ``until_exec``: a mask of capabilities to have besides.
    """
    user = process.get("user", {})
    uid = user.get("uid", 0)
    sets: Capabilities = process.get("capabilities") or {}
    masks = {kind: _mask(kind, sets.get(kind, ())) for kind in _SETS}
    # Root's are those of the bounding set, with or without. `runc spec` repeats the permitted set,
    # and has no inheritable one: nobody has asked for that.
    repeated = "inheritable" not in sets and masks["ambient"] == masks["permitted"]
    if uid and not repeated:
        _tell_lost_ambient(masks)
    for kind in ("effective", "permitted"):
        masks[kind] |= until_exec
    groups = list(user.get("additionalGids", ()))
    if handoff.groups:
        how |= ops.CREDENTIALS_KEEP_GROUPS
    return Step("credentials", uid, user.get("gid", 0), groups, *masks.values(), how)


def _tell_lost_ambient(masks: dict[CapabilitySet, int]) -> None:
    """An ambient capability must be a permitted and an inheritable one (capabilities(7))."""
    lost = masks["ambient"] & ~(masks["permitted"] & masks["inheritable"])
    for number, name in enumerate(flags.CAPABILITIES):
        if lost >> number & 1:
            degraded(
                "process.capabilities.ambient",
                f"{name} is left out (it must be in permitted and inheritable, too)",
            )


def process_step(process: Process, handoff: Handoff) -> Step:
    """The program's arguments and its environment, with that of socket activation
    (sd_listen_fds(3)) and of sd_notify(3): the program is the first process of its container. Names
    of the sockets that the specification has take the place of the caller's.
    """
    environment = process.get("env", ())
    if handoff.listen:
        names = [f"LISTEN_FDNAMES={handoff.listen_names}"] if handoff.listen_names else []
        counted = [f"LISTEN_FDS={handoff.listen}", "LISTEN_PID=1"]
        environment = [*names, *environment, *counted]
    if handoff.notify:
        environment = [*environment, handoff.notify]
    return Step("process", list(process["args"]), distinct(environment))


def distinct(environment: Iterable[str]) -> list[str]:
    """Without the entries whose name a later one has again, which takes the place of the first:
    as runc and crun do; what a program makes of two is its own affair otherwise.
    """
    return list({entry.partition("=")[0]: entry for entry in environment}.values())


def persona_steps(spec: Spec) -> list[Step]:
    """``linux.personality``."""
    persona = spec.get("linux", {}).get("personality")
    if not persona:
        return []
    return [Step("personality", flags.PERSONALITIES[persona["domain"]])]


def _mask(kind: CapabilitySet, names: Iterable[str]) -> int:
    """The set as a bit mask. Names that are not known are left out, as in runc."""
    mask = 0
    for name in names:
        if name in flags.CAPABILITIES:
            mask |= 1 << flags.CAPABILITIES.index(name)
        else:
            whole = f"CAP_{name.upper()}"
            hint = f" (its name is {whole})" if whole in flags.CAPABILITIES else ""
            degraded(
                f"process.capabilities.{kind}", f"{one_line(name)} is not known: left out{hint}"
            )
    return mask
