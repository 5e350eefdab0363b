"""The log file that engines name with ``--log`` and read the cause of a failure from."""

from __future__ import annotations

import errno
import os
import sys
import time

from crunw.spec.jsontext import dumps

# Docker looks for these words as Go spells them: a program is missing (127), or can't be run (126).
_CAUSES = tuple(os.strerror(number) for number in (errno.ENOENT, errno.EACCES, errno.EISDIR))


def append(path: str, log_format: str, level: str, message: str) -> None:
    """Append one line: ``level``, ``msg``, ``time``, as logrus writes them (text or json).

    A log that can't be written is told on standard error; the message itself was printed there.
    """
    for cause in _CAUSES:
        message = message.replace(cause, cause.lower())
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    if log_format == "json":
        line = dumps({"level": level, "msg": message, "time": now})
    else:
        line = f"time={dumps(now)} level={level} msg={dumps(message)}"
    try:
        with open(path, "a", encoding="utf-8", errors="surrogateescape") as file:
            file.write(line + "\n")
    except OSError as error:
        sys.stderr.write(f"crunw: --log {path}: {error.strerror}\n")
