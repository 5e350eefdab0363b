"""``kill``: send a signal to a container."""

from __future__ import annotations

from crunw import status
from crunw.effects import processes
from crunw.effects.store import Container
from crunw.errors import StateError, UsageError
from crunw.lifecycle.state import cgroup_of, current

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crunw.effects.store import Record

SIGNALS = (  # signal(7), x86-64 and most others: the first one is 1
    "HUP INT QUIT ILL TRAP ABRT BUS FPE KILL USR1 SEGV USR2 PIPE ALRM TERM STKFLT CHLD CONT STOP "
    "TSTP TTIN TTOU URG XCPU XFSZ VTALRM PROF WINCH IO PWR SYS"
).split()
_RTMIN, _RTMAX = 34, 64
_SIGKILL = 9


def signal_number(name: str) -> int:
    """``15``, ``TERM``, ``SIGTERM``, ``RTMIN+1`` → number. Raises :class:`UsageError`."""
    if name.isdecimal() and 0 <= int(name) <= _RTMAX:
        return int(name)
    plain = name.upper().removeprefix("SIG")
    if plain in SIGNALS:
        return SIGNALS.index(plain) + 1
    for base, start, sign in (("RTMIN", _RTMIN, 1), ("RTMAX", _RTMAX, -1)):
        offset = plain.removeprefix(base)
        if plain.startswith(base) and (not offset or offset.lstrip("+-").isdecimal()):
            number = start + sign * int(offset.lstrip("+-") or 0)
            if _RTMIN <= number <= _RTMAX:
                return number
    raise UsageError(f"unknown signal {name!r}")


def kill(root: str, container_id: str, number: int, everyone: bool = False) -> None:
    """Send signal ``number`` to the container's first process, or to each of its processes.

    SIGKILL is for each of them where no pid namespace of the container's own ends with the first.
    It resumes a paused container: what is frozen on cgroup v1 does not end.
    """
    container = Container(root, container_id)
    record = container.read()
    now = current(container, record)
    group = cgroup_of(record)
    all_of_them = everyone or (number == _SIGKILL and record.get("sharedPids", False))
    if all_of_them and group and (now != status.STOPPED or group.procs()):
        group.signal(number)
    elif everyone and now == status.STOPPED:
        return  # each of none
    elif not _signal_first(container_id, record, now, number):
        # The words that containerd's shim takes for success.
        raise StateError(f"kill {container_id}: container not running")
    if group and number == _SIGKILL and now == status.PAUSED:
        group.thaw()


def _signal_first(container_id: str, record: Record, now: str, number: int) -> bool:
    """False: the process has ended."""
    if now == status.STOPPED:
        return False
    status.check("kill", container_id, now)
    return processes.send_signal(record["pid"], record["startTime"], number)
