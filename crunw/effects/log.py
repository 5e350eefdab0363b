"""The log that engines name with ``--log`` and read the cause of a failure from."""

from __future__ import annotations

import errno
import os
import sys
import time

from crunw.oci.jsontext import dumps

# Docker looks for these words as Go spells them: a program is missing (127), or can't be run (126).
_CAUSES = tuple(os.strerror(number) for number in (errno.ENOENT, errno.EACCES, errno.EISDIR))
_PRIORITIES = {"error": 3, "warning": 4, "info": 6, "debug": 7}  # syslog(3)
_DAEMON = 3 << 3  # the facility
_SYSLOG = "/dev/log"
_JOURNAL = "/run/systemd/journal/socket"


def append(target: str, log_format: str, level: str, message: str) -> None:
    """Write one message to a log: a file's path, ``file:PATH``, ``syslog:ID`` or ``journald:ID``.

    Files get a line with ``level``, ``msg``, ``time``, as logrus writes them (text or json). A log
    that can't be written is reported on standard error; the message itself was printed there.
    """
    for cause in _CAUSES:
        message = message.replace(cause, cause.lower())
    kind, name = _split(target)
    try:
        if kind == "syslog":
            _send(_SYSLOG, _syslog_record(name, level, message))
        elif kind == "journald":
            _send(_JOURNAL, _journal_record(name, level, message))
        else:
            _append_line(name, log_format, level, message)
    except OSError as error:
        sys.stderr.write(f"crunw: --log {target}: {error.strerror}\n")


def create(target: str) -> None:
    """Create a log that is a file: engines look for it also where there was nothing to say."""
    kind, name = _split(target)
    if kind != "file":
        return
    try:
        open(name, "a", encoding="utf-8").close()
    except OSError as error:
        sys.stderr.write(f"crunw: --log {target}: {error.strerror}\n")


def _split(target: str) -> tuple[str, str]:
    kind, colon, name = target.partition(":")
    return (kind, name) if colon and kind in ("file", "syslog", "journald") else ("file", target)


def _append_line(path: str, log_format: str, level: str, message: str) -> None:
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    if log_format == "json":
        line = dumps({"level": level, "msg": message, "time": now})
    else:
        line = f"time={dumps(now)} level={level} msg={dumps(message)}"
    with open(path, "a", encoding="utf-8", errors="surrogateescape") as file:
        file.write(line + "\n")


def _syslog_record(name: str, level: str, message: str) -> str:
    """As syslog(3) writes it (RFC 3164)."""
    now = time.strftime("%b %e %H:%M:%S")
    return f"<{_DAEMON | _PRIORITIES[level]}>{now} crunw[{os.getpid()}]: {name}: {message}"


def _journal_record(name: str, level: str, message: str) -> str:
    """The fields that crun sends, in the journal's native protocol."""
    return f"PRIORITY={_PRIORITIES[level]}\nMESSAGE={message}\nID={name}\nSYSLOG_IDENTIFIER=crunw\n"


def _send(path: str, record: str) -> None:
    from _socket import AF_UNIX, SOCK_CLOEXEC, SOCK_DGRAM, socket

    connection = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC)
    try:
        connection.connect(path)
        connection.send(record.encode("utf-8", "surrogateescape"))
    finally:
        connection.close()
