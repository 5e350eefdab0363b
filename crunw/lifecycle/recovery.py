"""What is still known of a container whose record is damaged or missing."""

from __future__ import annotations

from crunw import notices
from crunw.effects import fast

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crunw.effects.store import Container, Record
    from crunw.errors import CrunwError


def recover(container: Container, damage: CrunwError) -> Record:
    """Return what the launcher's record still has: enough to list, end and delete the container.

    ``damage``, why the record can't be read, becomes a notice. Empty if there is nothing.
    """
    record = fast.decode(container.fast_record())
    if record is None:
        problem = "its processes and cgroup are not known, and may be left (look for them)"
        notices.degraded(str(damage), problem)
        return {}
    notices.degraded(str(damage), "what is known of it comes from the launcher's record")
    return record
