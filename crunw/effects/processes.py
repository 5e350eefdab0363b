"""Processes by pid *and* start time, so that a reused pid is never taken for the container's."""

from __future__ import annotations

import posix

from crunw.errors import InterruptError, KernelError

# What a runtime in the foreground passes on to the container's process: not KILL and STOP (can't be
# caught), CHLD (its own), and what the kernel sends for a fault or a stop of its own: ILL TRAP BUS
# FPE SEGV TSTP TTIN TTOU.
_KEPT = (9, 19, 17, 4, 5, 7, 8, 11, 20, 21, 22)
PASSED_ON = [number for number in range(1, 32) if number not in _KEPT]


def start_time(pid: int) -> int:
    """Clock ticks after boot at which ``pid`` started (proc(5), field 22 of stat); 0: it is gone.

    A zombie counts as gone.
    """
    try:
        with open(f"/proc/{pid}/stat", "rb", buffering=0) as file:
            fields = file.read(4096).rpartition(b") ")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    except OSError as error:
        raise KernelError("read", f"/proc/{pid}/stat", error) from error
    return 0 if fields[0] in (b"Z", b"X") else int(fields[19])


def alive(pid: int, started: int) -> bool:
    """Whether the process that had ``pid`` when it started at ``started`` still runs."""
    return pid > 0 and start_time(pid) == started


def open_pidfd(pid: int, started: int) -> int:
    """Return a pidfd of that very process, or -1 when it is gone."""
    try:
        descriptor = posix.pidfd_open(pid)
    except ProcessLookupError:
        return -1
    if start_time(pid) == started:
        return descriptor
    posix.close(descriptor)
    return -1


def send_signal(pid: int, started: int, number: int) -> bool:
    """Send a signal to that very process. False: it is gone."""
    from _signal import pidfd_send_signal

    descriptor = open_pidfd(pid, started)
    if descriptor < 0:
        return False
    try:
        pidfd_send_signal(descriptor, number)
    except ProcessLookupError:
        return False
    except OSError as error:
        raise KernelError("signal", str(pid), error) from error
    finally:
        posix.close(descriptor)
    return True


def exit_status(wait_status: int) -> int:
    """The shell's number for a wait status: the exit status, or 128 + the signal."""
    code = posix.waitstatus_to_exitcode(wait_status)
    return code if code >= 0 else 128 - code


def end_in_order() -> None:
    """Have TERM, INT and HUP undo what is made, unless the caller ignores them."""
    import _signal

    def stop(number: int, _frame: object) -> None:
        for other in signals:
            _signal.signal(other, _signal.SIG_IGN)  # it is being done
        raise InterruptError(number)

    signals = [
        number
        for number in (_signal.SIGTERM, _signal.SIGINT, _signal.SIGHUP)
        if _signal.getsignal(number) != _signal.SIG_IGN
    ]
    for number in signals:
        _signal.signal(number, stop)
