"""What may be done with a container in which status."""

from __future__ import annotations

import pytest

from crunw import status
from crunw.errors import StateError

STATUSES = (status.CREATING, status.CREATED, status.RUNNING, status.PAUSED, status.STOPPED)
ALLOWED = {
    "start": {status.CREATED},
    "kill": {status.CREATED, status.RUNNING, status.PAUSED},
    "delete": {status.STOPPED, status.CREATED},
    "exec": {status.CREATED, status.RUNNING},
    "ps": {status.CREATED, status.RUNNING, status.PAUSED, status.STOPPED},
    "pause": {status.RUNNING},
    "resume": {status.PAUSED},
    "update": {status.CREATED, status.RUNNING, status.PAUSED},
    "events": {status.CREATED, status.RUNNING, status.PAUSED},
}


@pytest.mark.parametrize("now", STATUSES)
@pytest.mark.parametrize("verb", ALLOWED)
def test_verb(verb: str, now: str) -> None:
    if now in ALLOWED[verb]:
        status.check(verb, "ID", now)
    else:
        with pytest.raises(StateError, match=f"^{verb} ID: the container is {now}, must be "):
            status.check(verb, "ID", now)


def test_message_names_what_would_do() -> None:
    with pytest.raises(StateError) as caught:
        status.check("kill", "web", status.STOPPED)
    assert str(caught.value) == (
        "kill web: the container is stopped, must be created or running or paused"
    )
