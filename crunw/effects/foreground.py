"""Wait for a container's process in the foreground: pass signals on, return its exit status."""

from __future__ import annotations

import posix

from crunw.effects.processes import exit_status, send_signal

_SIGCHLD = 17
# Not passed on: KILL and STOP (can't be caught), CHLD (ours), and what the kernel sends for a fault
# or a stop of our own: ILL TRAP BUS FPE SEGV TSTP TTIN TTOU.
_KEPT = (9, 19, 17, 4, 5, 7, 8, 11, 20, 21, 22)
_PASSED_ON = [number for number in range(1, 32) if number not in _KEPT]


def hold_signals() -> None:
    """Block what :func:`wait` passes on, so that none is lost before the process exists."""
    from _signal import SIG_BLOCK, pthread_sigmask

    pthread_sigmask(SIG_BLOCK, [*_PASSED_ON, _SIGCHLD])


def wait(pid: int, started: int) -> int:
    """Return the exit status of our child ``pid`` (128 + n: ended by signal n)."""
    from _signal import sigwait

    while True:
        ended, status = posix.waitpid(pid, posix.WNOHANG)
        if ended:
            return exit_status(status)
        number = sigwait([*_PASSED_ON, _SIGCHLD])
        if number != _SIGCHLD:
            send_signal(pid, started, number)
