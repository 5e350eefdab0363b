"""Drive ``crunw-init`` with hand-made plans, as the runtime does."""

from __future__ import annotations

import os
import signal
from dataclasses import dataclass, field
from pathlib import Path

from crunw.paths import init_path
from crunw.plan.encode import Step, decode_fields, encode
from crunw.plan.ops import (
    REPORT_ERROR,
    REPORT_HOOKS,
    REPORT_NOTICE,
    REPORT_PID,
    REPORT_READY,
    REPORT_USERNS,
    REPORTS,
)

PROGRAM = os.environ.get("CRUNW_INIT") or init_path()


@dataclass
class Result:
    """What came of a plan. ``status`` is that of the container's process, else of the parent."""

    reports: list[int] = field(default_factory=list)
    pid: int = 0
    error: list = field(default_factory=list)
    """stage, operation, path, errno, message; empty without an error."""
    notices: list[list] = field(default_factory=list)
    """level, what, why."""
    output: str = ""
    status: int = -1


def shell(script: str, env: tuple[str, ...] = ("PATH=/usr/bin:/bin",)) -> list[Step]:
    """The steps that run ``script`` at once."""
    return [Step("process", ["/bin/sh", "-c", script], list(env)), Step("exec_find"), Step("exec")]


def parse(data: bytes) -> list[tuple[int, list]]:
    """Cut the reports in ``data`` apart."""
    reports = []
    while data:
        kind, length = (int.from_bytes(data[at : at + 4], "little") for at in (0, 4))
        reports.append((kind, decode_fields(REPORTS[kind], data[8 : 8 + length])))
        data = data[8 + length :]
    return reports


class Running:
    """A started ``crunw-init``. Ends what it started when the ``with`` block ends.

    ``hold``: the plan is a part that fits a pipe, and what follows is sent by :meth:`send`.
    """

    def __init__(
        self,
        plan: list[Step] | bytes,
        inherit: tuple[int, ...] = (),
        prefix=(),
        *,
        hold: bool = False,
        program: str | Path = PROGRAM,
        **spawn,
    ):
        self.result = Result()
        self._children = []
        self._plan = -1
        data = plan if isinstance(plan, bytes) else encode(plan)
        if hold:
            descriptor, self._plan = os.pipe()
            os.write(self._plan, data)
        else:
            descriptor = os.memfd_create("plan")
            os.write(descriptor, data)
            os.lseek(descriptor, 0, os.SEEK_SET)
        self._report, report = os.pipe()
        answer, self._answer = os.pipe()
        self._output, output = os.pipe()
        passed = (descriptor, report, answer)
        for number in (*passed, *inherit):
            os.set_inheritable(number, True)
        arguments = [*prefix, str(program), *map(str, passed)]
        streams = [(os.POSIX_SPAWN_DUP2, output, 1), (os.POSIX_SPAWN_DUP2, output, 2)]
        spawn.setdefault("setsigmask", ())
        env = {name: os.environ[name] for name in ("ASAN_OPTIONS",) if name in os.environ}
        self.parent = os.posix_spawnp(arguments[0], arguments, env, file_actions=streams, **spawn)
        self._children.append(self.parent)
        for number in (*passed, output):
            os.close(number)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for number in (self._report, self._answer, self._output, self._plan):
            if number >= 0:
                os.close(number)
        for pid in self._children:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)

    def send(self, steps: list[Step]) -> None:
        """Send the last part of a plan."""
        os.write(self._plan, encode(steps))
        os.close(self._plan)
        self._plan = -1

    def next_report(self) -> int | None:
        """Read one report into the result; None at end of file."""
        header = os.read(self._report, 8)
        if not header:
            return None
        payload = os.read(self._report, int.from_bytes(header[4:], "little"))
        [(kind, fields)] = parse(header + payload)
        self.result.reports.append(kind)
        if kind == REPORT_PID:
            self.result.pid = int(fields[0])
            self._children.append(self.result.pid)
        elif kind == REPORT_ERROR:
            self.result.error = fields
        elif kind == REPORT_NOTICE:
            self.result.notices.append(fields)
        return kind

    def until(self, wanted: int) -> int | None:
        """Answer reports until the ``wanted`` one has come, which is left unanswered."""
        while (kind := self.next_report()) not in (wanted, None):
            if kind in (REPORT_USERNS, REPORT_HOOKS, REPORT_READY):
                self.answer()
        return kind

    def answer(self) -> None:
        os.write(self._answer, b"g")

    def hang_up(self) -> None:
        """Be a runtime that has died."""
        os.close(self._answer)
        self._answer = -1

    def finish(self) -> Result:
        """Answer every report, read all output, reap."""
        self.until(-1)
        while chunk := os.read(self._output, 65536):
            self.result.output += chunk.decode(errors="replace")
        for pid in self._children:
            _, status = os.waitpid(pid, 0)
            self.result.status = os.waitstatus_to_exitcode(status)
        self._children.clear()
        return self.result


def perform(plan: list[Step] | bytes, **options) -> Result:
    """Run a plan to its end."""
    with Running(plan, **options) as running:
        return running.finish()


def after_fork(*steps: Step, script: str = "true", **options) -> Result:
    """Perform ``steps`` in the container's process, then run ``script``."""
    return perform([Step("fork", 0), *steps, *shell(script)], **options)


def forked(flags: int, *steps: Step, script: str = "true") -> Result:
    """The same in new namespaces."""
    return perform([Step("fork", flags), *steps, *shell(script)])
