"""The statuses of a container and what may be done in each (runtime.md "State", "Operations")."""

from __future__ import annotations

from crunw.errors import StateError

CREATING = "creating"
CREATED = "created"
RUNNING = "running"
PAUSED = "paused"
STOPPED = "stopped"

_ALLOWED: dict[str, tuple[str, ...]] = {
    "start": (CREATED,),
    "kill": (CREATED, RUNNING, PAUSED),
    "delete": (STOPPED, CREATED),
    "exec": (CREATED, RUNNING),
    "ps": (CREATED, RUNNING, PAUSED, STOPPED),
    "pause": (RUNNING,),
    "resume": (PAUSED,),
    "update": (CREATED, RUNNING, PAUSED),
    "checkpoint": (RUNNING, PAUSED),
    "mounts": (CREATED, RUNNING, PAUSED),
    "events": (CREATED, RUNNING, PAUSED),
}


def check(verb: str, container_id: str, status: str) -> None:
    """Raise :class:`StateError` unless ``verb`` may be applied to a container in ``status``."""
    allowed = _ALLOWED[verb]
    if status not in allowed:
        raise StateError(
            f"{verb} {container_id}: the container is {status}, must be {' or '.join(allowed)}"
        )
