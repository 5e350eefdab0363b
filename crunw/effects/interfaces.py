"""The network interfaces that a process sees, and what went over them."""

from __future__ import annotations

import posix
from errno import ENOENT, ESRCH

from crunw import notices
from crunw.files import lines

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# Columns of /proc/PID/net/dev (proc_pid_net(5)): eight for what was received, eight for the rest.
_RECEIVED = ("RxBytes", "RxPackets", "RxErrors", "RxDropped")
_SENT = ("TxBytes", "TxPackets", "TxErrors", "TxDropped")
_COLUMNS = 8


def interfaces(pid: int) -> list[dict[str, Any]]:
    """Return the interfaces with their counters, members named as in runc's ``events``.

    None in the network namespace of the caller, whose traffic is not that of the process alone,
    and none of a process that is gone.
    """
    try:
        if posix.readlink(f"/proc/{pid}/ns/net") == posix.readlink("/proc/self/ns/net"):
            return []
        with open(f"/proc/{pid}/net/dev", encoding="utf-8", errors="surrogateescape") as file:
            found = lines(file.read())[2:]
    except OSError as error:
        if error.errno not in (ENOENT, ESRCH):  # it is gone
            notices.degraded(f"/proc/{pid}/net/dev", f"not counted: {error.strerror}")
        return []
    return [_interface(line) for line in found]


def _interface(line: str) -> dict[str, Any]:
    name, _, numbers = line.rpartition(":")
    counts = [int(number) for number in numbers.split()]
    received = zip(_RECEIVED, counts[:_COLUMNS], strict=False)
    sent = zip(_SENT, counts[_COLUMNS:], strict=False)
    return {"Name": name.strip(), **dict(received), **dict(sent)}
