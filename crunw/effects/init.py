"""Start ``crunw-init`` with a plan and talk to it (``csrc/plan.h``, "enum plan_report")."""

from __future__ import annotations

import posix

from crunw import notices
from crunw.errors import CrunwError, InitError, KernelError
from crunw.plan.encode import Step, decode_fields, encode
from crunw.plan.ops import (
    NOTICE_DETAIL,
    NOTICE_INTERPRETED,
    REPORT_ERROR,
    REPORT_HOOKS,
    REPORT_NOTICE,
    REPORT_PID,
    REPORT_READY,
    REPORT_USERNS,
    REPORTS,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable


_HEADER = 8
# Where the command line of a process that runs a module is shown (csrc/init/title.c).
_TITLE_ROOM = {"TITLE": " " * 1000}
# The step "credentials" carries out two fields; capabilities are the larger one.
_USER = {
    "setgroups": "process.user.additionalGids",
    "setresgid": "process.user.gid",
    "setresuid": "process.user.uid",
    "chdir": "process.cwd",
}


class Init:
    """A running ``crunw-init``: the short-lived parent and, once reported, the container's pid.

    It is started before there is a plan: while it begins, the plan is made.
    """

    __slots__ = ("_answer", "_plan", "_report", "interpreted", "parent", "pid")

    # One that the launcher has started: its pid, descriptors for plan, reports and answers.
    started: list[int] = []  # noqa: RUF012 - ClassVar would have to be imported

    def __init__(self, program: str, inherit: Collection[int] = ()) -> None:
        """Start ``program``, unless it has been, with nothing to ``inherit``.

        ``inherit``: the descriptors that the plan's steps will name.
        """
        self.pid = 0
        self.interpreted = ""  # why the cached code of the plan could not be used
        if Init.started and not inherit:
            self.parent, self._plan, self._report, self._answer = Init.started
            Init.started = []
            for descriptor in (self._plan, self._report, self._answer):
                posix.set_inheritable(descriptor, False)
        else:
            Init.discard()
            self._start(program, inherit)

    @staticmethod
    def discard() -> None:
        """Let what the launcher has started, and nobody has taken, end."""
        if Init.started:
            pid, *descriptors = Init.started
            Init.started = []
            for descriptor in descriptors:
                posix.close(descriptor)
            posix.waitpid(pid, 0)

    def _start(self, program: str, inherit: Collection[int]) -> None:
        plan, self._plan = posix.pipe()
        self._report, report = posix.pipe()
        answer, self._answer = posix.pipe()
        passed = (plan, report, answer)
        try:
            for descriptor in (*passed, *inherit):
                posix.set_inheritable(descriptor, True)
            argv = ["crunw-init", *map(str, passed)]
            self.parent = posix.posix_spawn(program, argv, _TITLE_ROOM, setsigmask=())
        except OSError as error:
            raise KernelError("execute", program, error) from error
        finally:
            for descriptor in passed:
                posix.close(descriptor)
            for descriptor in inherit:
                posix.set_inheritable(descriptor, False)

    def send(self, steps: Iterable[Step], *, more: bool = False) -> None:
        """Give it the plan, or a part of it with ``more`` to come: it performs it at once."""
        if notices.debugging():
            steps = [Step("debug"), *steps]
        data = encode(steps, more=more)
        try:
            while data:
                data = data[posix.write(self._plan, data) :]
        except BrokenPipeError:
            pass  # it has ended; what it reported says why
        if not more:
            posix.close(self._plan)
            self._plan = -1

    def run(
        self,
        map_ids: Callable[[int], None],
        born: Callable[[int], None],
        hooks: Callable[[int], None],
    ) -> int:
        """Follow the reports until the process is ready and waits for :meth:`commit`.

        ``map_ids(pid)`` writes the id maps of a new user namespace, ``born(pid)`` is called when
        there is a process and does not keep it waiting, ``hooks(pid)`` runs the hooks of the
        runtime namespace. Returns the pid. Raises :class:`InitError`.
        """
        while True:
            kind, fields = self._receive()
            if kind == REPORT_READY:
                return self.pid
            if kind == REPORT_PID:
                self.pid = int(fields[0])
                posix.waitpid(self.parent, 0)
                self.parent = 0
                born(self.pid)
                continue
            if kind == REPORT_NOTICE:
                self._notice(fields)
                continue
            if kind == REPORT_USERNS:
                map_ids(self.parent)
            elif kind == REPORT_HOOKS:
                hooks(self.pid)
            posix.write(self._answer, b"g")

    def _notice(self, fields: list[int | str]) -> None:
        if fields[0] == NOTICE_INTERPRETED:
            self.interpreted = str(fields[2])
        tell_notice(fields)

    def commit(self) -> None:
        """Let the process go on. Without this, because the runtime died, it exits."""
        try:
            posix.write(self._answer, b"g")
        except BrokenPipeError:
            pass  # it died meanwhile; the status will say so
        posix.close(self._answer)

    def follow(self) -> None:
        """Wait until the program runs; raise :class:`InitError` if it could not be executed.

        For plans without ``wait_start``.
        """
        follow_reports(read_all(self._report))

    def finish(self) -> None:
        """Wait for the end of a plan without ``fork``, which is done with its last step.

        Raises :class:`InitError`.
        """
        report = read_all(self._report)
        posix.close(self._report)
        posix.close(self._answer)
        _, status = posix.waitpid(self.parent, 0)
        follow_reports(report)
        if status:
            raise CrunwError("crunw-init ended unexpectedly")

    def abandon(self) -> None:
        """End what is left of a failed start and reap it: closing the pipes makes it exit."""
        for descriptor in (self._plan, self._report, self._answer):
            try:
                posix.close(descriptor)
            except OSError:
                pass  # closed already
        for pid in (self.parent, self.pid):
            if pid:
                _kill_and_reap(pid)

    def _receive(self) -> tuple[int, list[int | str]]:
        header = _read_exactly(self._report, _HEADER)
        if len(header) < _HEADER:
            raise CrunwError(f"crunw-init ended unexpectedly{self._how_it_ended()}")
        kind, length = parse_header(header)
        payload = _read_exactly(self._report, length)
        if kind == REPORT_ERROR:
            raise init_error(payload)
        return kind, decode_fields(REPORTS[kind], payload)

    def _how_it_ended(self) -> str:
        """Tell how the process ended that owed a report: ``: killed by signal 9``."""
        _, status = posix.waitpid(self.parent or self.pid, 0)
        if self.parent and not status:  # the container's process died before it reported its pid
            status = _status_of_any_child()
        self.parent = self.pid = 0
        code = posix.waitstatus_to_exitcode(status)
        if code == -9:  # most often by the kernel's out-of-memory killer
            return ": killed by signal 9 (memory limit too low?)"
        return f": killed by signal {-code}" if code < 0 else f": exit status {code}"


def perform(program: str, inherit: Collection[int], steps: Iterable[Step]) -> None:
    """Have ``program`` perform a plan with ``fork`` that ends with ``ready``, and runs nothing.

    Raises :class:`InitError`.
    """
    init = Init(program, inherit)
    try:
        init.send(steps)
        init.run(nothing, nothing, nothing)
        init.commit()
        posix.waitpid(init.pid, 0)
    except BaseException:
        init.abandon()
        raise


def nothing(pid: int) -> None:
    """For :meth:`Init.run` of a plan that makes no user namespace, runs no hooks and has a process
    of which nothing is recorded.
    """


def read_all(descriptor: int) -> bytes:
    """Read until end of file."""
    data = b""
    while chunk := posix.read(descriptor, 65536):
        data += chunk
    return data


def parse_header(header: bytes) -> tuple[int, int]:
    """Return a report's type and the length of its payload."""
    return int.from_bytes(header[:4], "little"), int.from_bytes(header[4:8], "little")


def follow_reports(data: bytes) -> None:
    """Tell the notices that ``data`` holds; raise the error, as :class:`InitError`."""
    while len(data) >= _HEADER:
        kind, length = parse_header(data)
        payload, data = data[_HEADER : _HEADER + length], data[_HEADER + length :]
        if len(payload) < length:
            raise CrunwError("the container's process ended while it reported an error")
        if kind == REPORT_ERROR:
            raise init_error(payload)
        if kind == REPORT_NOTICE:
            tell_notice(decode_fields(REPORTS[kind], payload))


def tell_notice(fields: list[int | str]) -> None:
    """Tell the notice of a report with these fields."""
    level, what, why = fields
    if level == NOTICE_DETAIL:
        notices.detail(f"crunw-init: {what}: {why}")
    else:
        notices.degraded(str(what), str(why))


def init_error(payload: bytes) -> InitError:
    """Make the exception of an error report; it names the field that asked for the step."""
    stage, operation, path, errno, message = decode_fields(REPORTS[REPORT_ERROR], payload)
    where = f"{operation} {path}".rstrip()
    cause = message or (posix.strerror(int(errno)) if errno else "")
    field = _field(str(stage), str(operation))
    parts = [str(part) for part in (field, where, cause) if part]
    return InitError(str(stage), str(operation), str(path), int(errno), ": ".join(parts))


def _field(stage: str, operation: str) -> str:
    """The field of config.json that alone asked for what failed; "": there is none."""
    from crunw.plan.op_fields import CONFIG

    if stage == "credentials" and operation in _USER:
        return _USER[operation]
    return CONFIG.get(stage, "")


def _read_exactly(descriptor: int, length: int) -> bytes:
    data = b""
    while len(data) < length and (chunk := posix.read(descriptor, length - len(data))):
        data += chunk
    return data


def _status_of_any_child() -> int:
    try:
        return posix.waitpid(-1, 0)[1]
    except ChildProcessError:
        return 0


def _kill_and_reap(pid: int) -> None:
    try:
        posix.kill(pid, 9)
        posix.waitpid(pid, 0)
    except (ProcessLookupError, ChildProcessError):
        pass  # reaped already
