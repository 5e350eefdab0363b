"""A running ``criu swrk``: the request, CRIU's notifications meanwhile, its answer."""

from __future__ import annotations

import posix
from _socket import AF_UNIX, SOCK_SEQPACKET, socket, socketpair

from crunw.effects.criu import wire
from crunw.errors import CrunwError, KernelError
from crunw.files import environment

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    # (what CRIU is at, the pid it sends with it or 0, a descriptor it sends or -1)
    Notify = Callable[[str, int, int], None]

_MESSAGE = 64 << 10
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_SHOWN = 256 << 10  # bytes at the end of the log in which the error is looked for


def search_path() -> str:
    """Where ``criu`` is looked for, and where that looks for ``tar``, ``ip`` and the like."""
    return environment("PATH") or _PATH


def find(name: str = "criu") -> str:
    """Where a program is that CRIU would find, or CRIU itself; ``""`` when it isn't installed."""
    for directory in search_path().split(":"):
        path = f"{directory}/{name}"
        if directory and posix.access(path, posix.X_OK):
            return path
    return ""


class Service:
    """The two ends of the socket on which CRIU takes its orders.

    The process that runs it is started by :meth:`spawn`, or by a caller that gives it
    :attr:`remote`.
    """

    def __init__(self, program: str) -> None:
        self.program = program
        self._socket: socket
        self._socket, theirs = socketpair(AF_UNIX, SOCK_SEQPACKET)
        self.remote = theirs.detach()

    @property
    def command(self) -> list[str]:
        """Its command line; it inherits :attr:`remote`."""
        return [self.program, "swrk", str(self.remote)]

    def spawn(self) -> int:
        """Start CRIU, without our streams; return its pid."""
        posix.set_inheritable(self.remote, True)
        null = [(posix.POSIX_SPAWN_OPEN, fd, "/dev/null", posix.O_RDWR, 0) for fd in range(3)]
        environ = {"PATH": search_path()}
        try:
            pid = posix.posix_spawn(self.program, self.command, environ, file_actions=null)
        except OSError as error:
            raise KernelError("execute", self.program, error) from error
        self.started()
        return pid

    def started(self) -> None:
        """CRIU has its end: close ours of it, so that we see when it dies."""
        posix.close(self.remote)
        self.remote = -1

    def close(self) -> None:
        """Leave CRIU; it undoes what it is at."""
        self._socket.close()
        if self.remote >= 0:
            self.started()

    def call(self, kind: int, options: Mapping[str, wire.Value], notify: Notify) -> None:
        """Have CRIU do it. Raises :class:`CrunwError` with what it said last, ``""`` if nothing.

        An error that ``notify`` raises makes CRIU undo all and is raised in the end.
        """
        self._socket.send(wire.request(kind, options))
        while True:
            answer, descriptor = self._receive()
            if answer.kind != wire.NOTIFY:
                if not answer.success:
                    raise CrunwError(answer.message.strip())
                return
            try:
                notify(answer.script, answer.pid, descriptor)
            except BaseException:
                self._socket.send(wire.notified(success=False))
                raise
            finally:
                if descriptor >= 0:
                    posix.close(descriptor)
            self._socket.send(wire.notified(success=True))

    def _receive(self) -> tuple[wire.Answer, int]:
        from _socket import MSG_CMSG_CLOEXEC

        data, ancillary, _, _ = self._socket.recvmsg(_MESSAGE, 256, MSG_CMSG_CLOEXEC)
        if not data:
            raise CrunwError("it ended unexpectedly")
        descriptor = int.from_bytes(ancillary[0][2][:4], "little") if ancillary else -1
        try:
            return wire.Answer(data), descriptor
        except ValueError as error:
            raise CrunwError(f"its answer can't be read: {error}") from None


def last_error(log: str) -> str:
    """The last two errors in CRIU's log, of which the first is the cause; ``""``: there is none.

    Not those that say no more than that something failed, nor what comes of that, nor that CRIU may
    not raise its own limits, which it can do without.
    """
    try:
        with open(log, "rb", buffering=0) as file:
            size = file.seek(0, 2)
            file.seek(max(0, size - _SHOWN))
            lines = file.readall().decode("utf-8", "replace").splitlines()
    except OSError:
        return ""
    found: list[str] = []
    for line in lines:
        _, mark, rest = line.partition(" Error (")
        _, _, problem = rest.partition("): ")
        if not mark or " failed with -" in problem or problem.startswith("rlimit:"):
            continue
        if problem.endswith(" FAILED."):
            break
        found.append(problem)
    return "; ".join(found[-2:])
