"""What happens on the node while nobody waits for it: to the journal, or to syslog."""

from __future__ import annotations

import os
import socket
import time

from crunw.aot import places

_JOURNAL = "/run/systemd/journal/dev-log"  # takes the datagrams of syslog, as /dev/log does
_SYSLOG = "/dev/log"
_DAEMON = 3 << 3  # the facility (RFC 3164)
_PRIORITIES = {"warning": 4, "info": 6}
_KEPT = 100


def report(level: str, text: str) -> None:
    """Tell the log, by ``level`` ``warning`` or ``info``. A node without one keeps the last of them
    among its notes (``crunw cache ls`` shows warnings).
    """
    line = text.replace("\n", " ")
    message = f"<{_DAEMON | _PRIORITIES[level]}>crunw[{os.getpid()}]: {line}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as connection:
        connection.setblocking(False)
        for address in (_JOURNAL, _SYSLOG):
            try:
                connection.sendto(message.encode(errors="replace"), address)
                break
            except OSError:
                continue
    if level == "warning":
        _keep(f"{time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime())} {line}")


def _keep(line: str) -> None:
    lines = places.read(places.note("events", "warnings")).splitlines()
    places.write_note(
        "events", "warnings", "".join(f"{each}\n" for each in [*lines, line][-_KEPT:])
    )


def warnings() -> list[str]:
    """The last warnings, each with its time."""
    return places.read(places.note("events", "warnings")).splitlines()
