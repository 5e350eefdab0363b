"""What is handed over to the container's process: by its caller, and as the OCI state."""

from __future__ import annotations

from crunw.files import environment
from crunw.lifecycle.state import OCI_VERSION, hook_state_around, spec_state
from crunw.oci.jsontext import HOLE, dumps_around
from crunw.plan.annotations import KEEP_GROUPS
from crunw.plan.inputs import Handoff, HookState
from crunw.status import CREATED, CREATING

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crunw.effects.store import Container, Record
    from crunw.lifecycle.request import Request
    from crunw.oci.model import Spec


def make_handoff(
    spec: Spec, request: Request, container: Container | None, console: int = -1
) -> Handoff:
    """What the first process of a container gets from its caller.

    The mount of the directory of the socket for sd_notify(3) is added to ``spec``. None: there is
    no state directory, in which that socket and the FIFOs for ``start`` are.
    """
    return Handoff(
        console=console,
        preserve=request.preserve_fds + request.listen_fds,
        listen=request.listen_fds,
        listen_names=environment("LISTEN_FDNAMES") if request.listen_fds else "",
        notify=_notify_socket(spec, container) if container and request.notify else "",
        groups=keeps_groups(spec),
        start=container.directory if container else "",
    )


def keeps_groups(spec: Spec) -> bool:
    """Whether the additional groups of the container's processes stay the caller's."""
    return KEEP_GROUPS in spec.get("annotations", {})


def make_hook_state(container: Container, record: Record) -> HookState:
    """The state that ``crunw-init`` gives to the hooks that it runs itself."""
    before, after = hook_state_around(container, record, CREATED)
    return HookState(before, after, hook_state_around(container, record, CREATING)[1])


def listener_state(
    spec: Spec, container: Container, record: Record, listener: int, now: str = CREATING
) -> tuple[str, ...]:
    """What ``listener`` is sent (config-linux.md "The Container Process State"), around the pids;
    nothing for -1.

    ``record`` may lack the pid: then the container's process is the one that loads the filter.
    """
    if listener < 0:
        return ()
    document = {
        "ociVersion": OCI_VERSION,
        "fds": ["seccompFd"],
        "pid": HOLE,
        "metadata": spec["linux"]["seccomp"].get("listenerMetadata", ""),
        "state": spec_state(container, {"pid": HOLE, **record}, now),
    }
    return tuple(dumps_around(document))


def _notify_socket(spec: Spec, container: Container) -> str:
    """The program's variable for the caller's $NOTIFY_SOCKET; "": nobody waits for it.

    The mount of the socket's directory is added to ``spec``.
    """
    from crunw.effects import notify

    if not notify.address():
        return ""
    mount = notify.make_directory(container.directory)
    spec["mounts"] = [*spec.get("mounts", ()), mount]
    return notify.VARIABLE
