"""Wait for a container's process in the foreground: pass signals on, return its exit status."""

from __future__ import annotations

import posix

from crunw.effects.processes import PASSED_ON, exit_status, send_signal

_SIGCHLD = 17


def hold_signals() -> None:
    """Block what :func:`wait` passes on, so that none is lost before the process exists."""
    from _signal import SIG_BLOCK, pthread_sigmask

    pthread_sigmask(SIG_BLOCK, [*PASSED_ON, _SIGCHLD])


def wait(pid: int, started: int) -> int:
    """Return the exit status of our child ``pid`` (128 + n: ended by signal n).

    Another child, the background compiler, is reaped when it ends.
    """
    from _signal import sigwait

    while True:
        ended, status = posix.waitpid(-1, posix.WNOHANG)
        if ended == pid:
            return exit_status(status)
        if ended:
            continue
        number = sigwait([*PASSED_ON, _SIGCHLD])
        if number != _SIGCHLD:
            send_signal(pid, started, number)
