"""Descriptors from outside: sockets that the caller names, and those that it passes on."""

from __future__ import annotations

import posix

from crunw.effects import processes
from crunw.errors import CrunwError, KernelError, UsageError
from crunw.files import environment

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crunw.effects.terminal import Terminal
    from crunw.oci.model import Process, Seccomp, Spec

_FIRST = 3
_MOST_DIGITS = 9  # no process has more descriptors


def connect_console(process: Process, path: str) -> int:
    """Connect to ``--console-socket``; -1 without a terminal."""
    terminal = process.get("terminal", False)
    if terminal and not path:
        raise CrunwError("process.terminal is true: --console-socket is required")
    if not terminal:
        if path:
            raise CrunwError("--console-socket is given, but process.terminal is not true")
        return -1
    return _connect(path, "connect to the console socket")


def open_console(process: Process, path: str, *, detach: bool) -> tuple[Terminal | None, int]:
    """For a verb that may stay in the foreground: the caller's own terminal where one is wanted and
    no socket is given, and the descriptor for ``crunw-init``; else as :func:`connect_console`.
    """
    if not process.get("terminal") or path or detach:
        return None, connect_console(process, path)
    from crunw.effects.terminal import Terminal

    terminal = Terminal()
    return terminal, terminal.init_fd


def connect_listener(spec: Spec) -> int:
    """Connect to ``linux.seccomp.listenerPath``; -1 where the filter notifies no one."""
    section = spec["linux"].get("seccomp")
    if not section or not _notifies(section):
        return -1
    return _connect(section["listenerPath"], "connect to linux.seccomp.listenerPath")


def socket_activation() -> int:
    """The number of descriptors from 3 on that systemd passes (sd_listen_fds(3))."""
    if environment("LISTEN_PID") != str(posix.getpid()):
        return 0
    count = environment("LISTEN_FDS")
    return int(count[:_MOST_DIGITS]) if count.isdecimal() else 0


def passed(listen: int, preserve: int) -> range:
    """The descriptors that a program is to inherit: ``listen`` sockets of systemd's from 3 on, then
    ``preserve`` others. Call it before any is opened here: a number that nobody has opened would
    become one of crunw's own. Raises :class:`UsageError`.
    """
    numbers = range(_FIRST, _FIRST + listen + preserve)
    for number in numbers:
        try:
            posix.get_inheritable(number)
        except OSError:
            asked = "LISTEN_FDS" if number < _FIRST + listen else "--preserve-fds"
            raise UsageError(
                f"{asked}: descriptor {number} of {numbers[0]} to {numbers[-1]} is not open"
            ) from None
    return numbers


def send_pidfd(path: str, pid: int, started: int) -> None:
    """Send the pidfd of a container's process to ``--pidfd-socket``, as runc does."""
    pidfd = processes.open_pidfd(pid, started)
    if pidfd < 0:
        raise CrunwError(f"--pidfd-socket {path}: the process has ended")
    connection = _connect(path, "connect to --pidfd-socket")
    try:
        send_descriptor(connection, pidfd, b"pidfd", "the pidfd")
    finally:
        posix.close(connection)
        posix.close(pidfd)


def send_descriptor(
    connection_fd: int, descriptor: int, name: bytes = b"/dev/ptmx", what: str = "the terminal"
) -> None:
    """Send a descriptor, by default a terminal's master, as ``crunw-init`` does (unix(7)
    SCM_RIGHTS).
    """
    from _socket import SCM_RIGHTS, SOL_SOCKET, socket

    connection = socket(fileno=connection_fd)
    try:
        rights = descriptor.to_bytes(4, "little")
        connection.sendmsg([name], [(SOL_SOCKET, SCM_RIGHTS, rights)])
    except OSError as error:
        raise KernelError("send", what, error) from error
    finally:
        connection.detach()


def _notifies(section: Seccomp) -> bool:
    return any(rule["action"] == "SCMP_ACT_NOTIFY" for rule in section.get("syscalls", ()))


def _connect(path: str, operation: str) -> int:
    from _socket import AF_UNIX, SOCK_STREAM, socket

    connection = socket(AF_UNIX, SOCK_STREAM)
    try:
        connection.connect(path)
    except OSError as error:
        raise KernelError(operation, path, error) from error
    return connection.detach()
