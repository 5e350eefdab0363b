"""A container's terminal on our own: the master from ``crunw-init``, copied to and from 0 and 1."""

from __future__ import annotations

import os
import termios
import tty
from _socket import AF_UNIX, MSG_CMSG_CLOEXEC, SOCK_STREAM, socket, socketpair
from fcntl import ioctl
from select import select

from crunw.effects.processes import PASSED_ON, exit_status, send_signal
from crunw.errors import CrunwError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_SIZE = 65536
_END_OF_INPUT = b"\x04"  # ^D
_LAST_OUTPUT = 0.1  # s


class Terminal:
    """The two ends over which the master comes, then the proxy."""

    def __init__(self) -> None:
        ours, theirs = socketpair(AF_UNIX, SOCK_STREAM)
        self._socket: socket = ours
        self.init_fd = theirs.detach()
        self._master = -1
        self._restore: list[Any] | None = None

    def receive(self) -> None:
        """Take the master that ``crunw-init`` has sent by the time it is ready."""
        os.close(self.init_fd)
        _, ancillary, _, _ = self._socket.recvmsg(256, 256, MSG_CMSG_CLOEXEC)
        if not ancillary:
            raise CrunwError("crunw-init sent no terminal")
        self._master = int.from_bytes(ancillary[0][2][:4], "little")
        self._resize()  # before the program runs, which may ask for it at once

    def wait(self, pid: int, started: int) -> int:
        """Copy until our child ``pid`` has ended, pass signals on; return its exit status."""
        import signal

        def pass_on(number: int, _frame: object) -> None:
            send_signal(pid, started, number)

        for number in PASSED_ON:
            signal.signal(number, pass_on)
        signal.signal(signal.SIGWINCH, lambda *_: self._resize())
        signal.pthread_sigmask(signal.SIG_UNBLOCK, PASSED_ON)
        if os.isatty(0):
            self._restore = termios.tcgetattr(0)
            tty.setraw(0)
        try:
            self._copy(os.pidfd_open(pid))
            return exit_status(os.waitpid(pid, 0)[1])
        finally:
            if self._restore:
                termios.tcsetattr(0, termios.TCSADRAIN, self._restore)

    def _resize(self) -> None:
        if os.isatty(0):
            ioctl(self._master, termios.TIOCSWINSZ, ioctl(0, termios.TIOCGWINSZ, b"\0" * 8))

    def _copy(self, process: int) -> None:
        """Until the process behind the pidfd has ended and what it wrote has been read.

        What it started may keep the slave open for ever; without that the master reads EIO.
        """
        sources = [0, self._master, process]
        while True:
            ready, _, _ = select(sources, [], [], None if process in sources else _LAST_OUTPUT)
            if not ready:
                return
            if process in ready:
                sources.remove(process)
            if 0 in ready:
                self._copy_input(sources)
            if self._master in ready:
                try:
                    data = os.read(self._master, _SIZE)
                except OSError:  # EIO: closed by its last user
                    return
                _write_all(1, data)

    def _copy_input(self, sources: list[int]) -> None:
        data = os.read(0, _SIZE)
        if not data:
            sources.remove(0)
        _write_all(self._master, data or _END_OF_INPUT)


def _write_all(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data) :]
