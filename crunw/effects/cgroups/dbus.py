"""systemd's manager over D-Bus (org.freedesktop.systemd1(5)), by way of jeepney.

jeepney takes some 15 ms to import: only for a caller that asks for the systemd cgroup manager.
"""

from __future__ import annotations

from crunw.errors import CrunwError
from crunw.files import environment
from crunw.paths import enable_site_packages

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from crunw.plan.scope import Property

_SYSTEM_BUS = "/run/dbus/system_bus_socket"
_NAME = "org.freedesktop.systemd1"
_PATH = "/org/freedesktop/systemd1"
_MANAGER = f"{_NAME}.Manager"
_TIMEOUT = 30.0  # s: a scope is started and stopped in milliseconds

UNIT_EXISTS = f"{_NAME}.UnitExists"
NO_SUCH_UNIT = f"{_NAME}.NoSuchUnit"  # also of one that has stopped and is forgotten


class SystemdError(CrunwError):
    """systemd refused a call. ``name`` is the D-Bus error's name."""

    def __init__(self, call: str, name: str, message: str) -> None:
        super().__init__(f"systemd: {call}: {message or name}")
        self.name = name


class Systemd:
    """A connection to the system's manager, or to the user's own."""

    def __init__(self, *, user: bool) -> None:
        """Connect. Raises :class:`CrunwError` without jeepney, without a bus, without systemd."""
        try:
            enable_site_packages()
            import jeepney
            from jeepney.io import blocking
        except ImportError:
            raise CrunwError(
                "the systemd cgroup manager needs the Python package jeepney"
                " (apt install python3-jeepney, or pip install jeepney where pip installed crunw)"
            ) from None
        self._jeepney: Any = jeepney
        address = _user_bus() if user else _SYSTEM_BUS
        try:
            self._connection: Any = blocking.DBusConnection(_authenticated(address))
        except OSError as error:
            problem = error.strerror or str(error)
            if isinstance(error, FileNotFoundError):
                # podman takes the system's words for it to mean a missing program.
                problem = "there is no socket (without systemd use --cgroup-manager=cgroupfs)"
            raise CrunwError(f"the systemd cgroup manager: D-Bus at {address}: {problem}") from None
        self._jobs: Any = None

    def control_group(self) -> str:
        """The cgroup below which systemd has its slices, as in ``/proc/self/cgroup``."""
        text: str = self._property(_PATH, _MANAGER, "ControlGroup")
        return text.rstrip("/")

    def start_scope(self, unit: str, properties: Sequence[Property]) -> None:
        """StartTransientUnit, and wait until it is done. Raises :class:`SystemdError`."""
        self._run_job("StartTransientUnit", "ssa(sv)a(sa(sv))", (unit, "replace", properties, []))

    def stop(self, unit: str) -> None:
        """Stop a unit and wait until it has stopped. A missing or failed one is not an error."""
        try:
            self._run_job("StopUnit", "ss", (unit, "replace"))
            self._call("ResetFailedUnit", "s", (unit,))
        except SystemdError as error:
            if error.name != NO_SUCH_UNIT:
                raise

    def attach(self, unit: str, pid: int) -> None:
        """AttachProcessesToUnit. Raises :class:`SystemdError`."""
        self._call("AttachProcessesToUnit", "ssau", (unit, "", [pid]))

    def set_properties(self, unit: str, properties: Sequence[Property]) -> None:
        """SetUnitProperties, until the next boot. Raises :class:`SystemdError`."""
        self._call("SetUnitProperties", "sba(sv)", (unit, True, properties))

    def _run_job(self, call: str, signature: str, body: tuple[Any, ...]) -> None:
        """A call that makes a job: wait for its JobRemoved."""
        self._subscribe()
        job = self._call(call, signature, body).body[0]
        while True:
            try:
                signal = self._connection.recv_until_filtered(self._jobs, timeout=_TIMEOUT)
            except TimeoutError:
                raise SystemdError(call, "", f"not done within {_TIMEOUT:.0f} s") from None
            _, path, unit, result = signal.body
            if path == job:
                break
        if result != "done":
            raise SystemdError(f"{call} {unit}", result, f"the job is {result}")

    def _subscribe(self) -> None:
        """Have systemd send JobRemoved, before the first job is made."""
        if self._jobs is not None:
            return
        wanted = {"type": "signal", "interface": _MANAGER, "member": "JobRemoved", "path": _PATH}
        rule = self._jeepney.MatchRule(sender=_NAME, **wanted)
        self._reply("AddMatch", self._jeepney.message_bus.AddMatch(rule))
        # Anybody can send a signal to this connection; the bus vouches for the sender's own name.
        sender = self._sender(self._call("Subscribe", "", ()))
        rule = self._jeepney.MatchRule(sender=sender, **wanted)
        self._jobs = self._connection.filter(rule, bufsize=None).queue

    def _sender(self, message: Any) -> Any:
        return message.header.fields[self._jeepney.HeaderFields.sender]

    def _call(self, call: str, signature: str, body: tuple[Any, ...]) -> Any:
        address = self._jeepney.DBusAddress(_PATH, bus_name=_NAME, interface=_MANAGER)
        message = self._jeepney.new_method_call(address, call, signature or None, body)
        return self._reply(call, message)

    def _property(self, path: str, interface: str, name: str) -> Any:
        address = self._jeepney.DBusAddress(path, bus_name=_NAME, interface=interface)
        return self._reply(name, self._jeepney.Properties(address).get(name)).body[0][1]

    def _reply(self, call: str, message: Any) -> Any:
        """Send, and return the reply. Raises :class:`SystemdError` for an error reply."""
        try:
            reply = self._connection.send_and_get_reply(message, timeout=_TIMEOUT)
        except TimeoutError:
            problem = f"no answer within {_TIMEOUT:.0f} s"
            raise SystemdError(call, "", problem) from None
        except OSError as error:
            raise SystemdError(call, "", str(error)) from None
        header = reply.header
        if header.message_type is self._jeepney.MessageType.error:
            name = header.fields[self._jeepney.HeaderFields.error_name]
            raise SystemdError(call, name, str(reply.body[0]) if reply.body else "")
        return reply


def _user_bus() -> str:
    """The socket of the user's bus. Raises :class:`CrunwError` when the environment has none."""
    for address in environment("DBUS_SESSION_BUS_ADDRESS").split(";"):
        if address.startswith("unix:path="):
            return address.removeprefix("unix:path=").partition(",")[0]
    directory = environment("XDG_RUNTIME_DIR")
    if not directory:
        raise CrunwError(
            "the systemd cgroup manager needs the user's bus:"
            " neither DBUS_SESSION_BUS_ADDRESS nor XDG_RUNTIME_DIR is set"
        )
    return f"{directory}/bus"


def _authenticated(path: str) -> Any:
    """A socket on which the bus knows who we are, from the socket itself.

    jeepney would send it our user id, which in a user namespace is another one outside.
    """
    import socket

    connection = socket.socket(socket.AF_UNIX)
    try:
        connection.settimeout(_TIMEOUT)
        connection.connect(path)
        _authenticate(connection)
        connection.settimeout(None)
    except OSError:
        connection.close()
        raise
    return connection


def _authenticate(connection: Any) -> None:
    """Authentication of the D-Bus specification, "EXTERNAL" without a name."""
    connection.sendall(b"\0AUTH EXTERNAL\r\nDATA\r\n")
    answer = b""
    while answer.count(b"\r\n") < 2:
        data = connection.recv(1024)
        if not data:
            raise ConnectionResetError(0, "it closed the connection")
        answer += data
    if b"\r\nOK " not in answer:
        raise PermissionError(0, "it refused the authentication")
    connection.sendall(b"BEGIN\r\n")
