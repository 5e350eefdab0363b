"""systemd's readiness protocol (sd_notify(3)) between a container and its service manager.

The container gets a socket of its own: systemd's would let it say anything about the unit. That it
is ready is all that is passed on.
"""

from __future__ import annotations

import posix
from _socket import AF_UNIX, SCM_RIGHTS, SOCK_CLOEXEC, SOCK_DGRAM, SOL_SOCKET, socket
from select import select

from crunw.effects.processes import open_pidfd
from crunw.errors import KernelError
from crunw.files import environment
from crunw.notices import degraded

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from crunw.oci.model import Mount

_NAME = "notify.sock"
_INSIDE = "/run/notify"  # where runc has it
_BARRIER = 30  # s, as sd_notify_barrier(3) is called by crun and runc

VARIABLE = f"NOTIFY_SOCKET={_INSIDE}/{_NAME}"


def address() -> str:
    """The caller's $NOTIFY_SOCKET: a path, or ``@`` and an abstract name; "" if there is none."""
    found = environment("NOTIFY_SOCKET")
    return found if found.startswith(("/", "@")) else ""


def make_directory(state_directory: str) -> Mount:
    """Create the directory of the container's socket; return the mount that shows it inside.

    Raises :class:`KernelError`.
    """
    path = f"{state_directory}/notify"
    try:
        posix.mkdir(path)
        posix.chmod(path, 0o755)  # nosec B103  # every user of the container reads it
    except OSError as error:
        raise KernelError("mkdir", path, error) from error
    options = ["bind", "nosuid", "noexec", "nodev", "ro"]
    return {"destination": _INSIDE, "source": path, "type": "bind", "options": options}


class Readiness:
    """The container's socket, from just before its program runs until that is ready."""

    def __init__(self, state_directory: str) -> None:
        """Raises :class:`KernelError`."""
        self._socket = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC)
        path = f"{state_directory}/notify"
        try:
            directory = posix.open(path, posix.O_PATH | posix.O_CLOEXEC)
            short = f"/proc/self/fd/{directory}/{_NAME}"  # an address has room for 107 bytes
            self._socket.bind(short)
            posix.chmod(short, 0o777)  # nosec B103  # any user of the container may write
            posix.close(directory)
        except OSError as error:
            raise KernelError("bind", f"{path}/{_NAME}", error) from error

    def wait(self, pid: int, started: int, main: int) -> None:
        """Wait until the program says that it is ready, and pass that on; or until it ends.

        ``main``: the process that the unit is to follow from then on; 0: it stays as it is.
        """
        process = open_pidfd(pid, started)
        ended = process < 0
        while True:  # what the program said before its end counts
            sources: list[Any] = [self._socket] if ended else [self._socket, process]
            readable, _, _ = select(sources, [], [], 0 if ended else None)
            if self._socket not in readable:
                if ended:
                    break
                ended = True
            elif b"READY=1" in self._socket.recv(4096).split(b"\n"):
                tell_ready(main)
                break
        if process >= 0:
            posix.close(process)
        self._socket.close()


def tell_ready(main: int) -> None:
    """Tell the caller's $NOTIFY_SOCKET that the container is ready; ``main`` as above.

    Returns when it has been heard: the sender must live until then.
    """
    host = address()
    connection = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC)
    try:
        connection.connect(f"\0{host[1:]}" if host.startswith("@") else host)
        connection.send(b"READY=1" + (f"\nMAINPID={main}".encode() if main else b""))
        _barrier(connection)
    except OSError as error:
        degraded(
            "NOTIFY_SOCKET", f"can't report to {host} that the container is ready: {error.strerror}"
        )
    finally:
        connection.close()


def _barrier(connection: socket) -> None:
    """Wait until all that was sent has been read (sd_notify_barrier(3))."""
    ours, theirs = posix.pipe2(posix.O_CLOEXEC)
    try:
        rights = [(SOL_SOCKET, SCM_RIGHTS, theirs.to_bytes(4, "little"))]
        connection.sendmsg([b"BARRIER=1"], rights)
    finally:
        posix.close(theirs)
    select([ours], [], [], _BARRIER)
    posix.close(ours)
