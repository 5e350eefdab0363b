"""Drive ``crunw-init`` with a plan written by hand, in a mount namespace that ends with it."""

from __future__ import annotations

import os
import select
import shutil
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path

from crunw.paths import init_path
from crunw.plan.encode import Step, decode_fields, encode
from crunw.plan.flags import (
    CLONE_NEWIPC,
    CLONE_NEWNS,
    CLONE_NEWPID,
    CLONE_NEWUSER,
    CLONE_NEWUTS,
    MS_NODEV,
    MS_NOEXEC,
    MS_NOSUID,
    MS_REC,
    MS_SLAVE,
)
from crunw.plan.ops import REPORT_ERROR, REPORT_PID, REPORT_USERNS, REPORTS

INIT = os.environ.get("CRUNW_INIT") or init_path()
BUSYBOX = "/bin/busybox"
TIMEOUT = 30.0
MAPPED_ROOT = 100000

PROC = Step("mount", "proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, "", 0)
DEV = Step("mount", "tmpfs", "/dev", "tmpfs", MS_NOSUID, "mode=755", 0)
NULL = Step("mknod", "/dev/null", 0o020666, 1, 3, 0, 0)


@dataclass
class Failure:
    """REPORT_ERROR."""

    stage: str
    operation: str
    path: str
    errno: int
    message: str


@dataclass
class Mount:
    """A line of mountinfo."""

    root: str
    point: str
    options: set[str]
    optional: list[str]
    type: str
    source: str
    super_options: set[str]


@dataclass
class Result:
    status: int
    output: str
    error: Failure | None

    @property
    def mounts(self) -> list[Mount]:
        """What the program printed of /proc/self/mountinfo."""
        return [parse_mount(line) for line in self.output.splitlines() if " - " in line]

    def mount(self, point: str) -> Mount:
        """The topmost mount on ``point``."""
        return [mount for mount in self.mounts if mount.point == point][-1]

    def ok(self) -> Result:
        """Self, if nothing failed."""
        assert self.error is None, self.error
        assert self.status == 0, self.output
        return self

    def failed(self) -> Failure:
        """The error that was reported."""
        assert self.error is not None, self.output
        assert self.status != 0
        return self.error


def parse_mount(line: str) -> Mount:
    before, after = line.split(" - ")
    _id, _parent, _device, root, point, options, *optional = before.split()
    type_, source, super_options = after.split()
    return Mount(
        root, point, set(options.split(",")), optional, type_, source, set(super_options.split(","))
    )


def mount_step(source: str | Path, target: str, kind: str = "", bits: int = 0, data: str = "",
               extra: int = 0) -> Step:  # fmt: skip
    return Step("mount", str(source), target, kind, bits, data, extra)


@dataclass
class Rootfs:
    """A root directory with a static busybox, and the plans that run in it."""

    path: Path
    pivot: int = 0
    namespaces: int = CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS
    user_namespace: bool = False
    umask: int = 0o022
    before: list[Step] = field(default_factory=list)
    pass_fds: tuple[int, ...] = ()
    program: str | Path | None = None  # another crunw-init

    def __post_init__(self) -> None:
        (self.path / "bin").mkdir(parents=True)
        shutil.copy(BUSYBOX, self.path / "bin/busybox")

    def in_user_namespace(self) -> None:
        """Give it to the user who is root of the new user namespace, and let that one in."""
        self.user_namespace = True
        for path in [self.path, *self.path.rglob("*")]:
            os.chown(path, MAPPED_ROOT, MAPPED_ROOT)
        for directory in self.path.parents:
            directory.chmod(directory.stat().st_mode | 0o011)

    def run(self, steps: list[Step], command: str = "cat /proc/self/mountinfo",
            late: list[Step] | None = None) -> Result:  # fmt: skip
        """Perform ``steps``, change the root, perform ``late``, run a shell with ``command``."""
        user = [Step("ns_unshare", CLONE_NEWUSER), Step("userns_map")]
        argv = ["/bin/busybox", "sh", "-c", command]
        plan = [
            *(user if self.user_namespace else []),
            Step("fork", self.namespaces),
            Step("setsid"),
            Step("root_propagation", MS_SLAVE | MS_REC),
            *self.before,
            Step("rootfs", str(self.path)),
            *steps,
            Step("pivot_root", self.pivot),
            *(late or []),
            Step("process", argv, ["PATH=/bin"]),
            Step("exec_find"),
            Step("exec"),
        ]
        return run_plan(plan, umask=self.umask, pass_fds=self.pass_fds, program=self.program)


def run_plan(
    steps: list[Step],
    umask: int = 0o022,
    pass_fds: tuple[int, ...] = (),
    program: str | Path | None = None,
) -> Result:
    """Give the plan to ``crunw-init`` and wait for the program it becomes."""
    program = program or INIT
    assert program is not None
    plan = os.memfd_create("plan")
    os.write(plan, encode(steps))
    os.lseek(plan, 0, os.SEEK_SET)
    report, report_end = os.pipe()
    answer_end, answer = os.pipe()
    output, output_end = os.pipe()
    inherited = (plan, report_end, answer_end)
    try:
        parent = subprocess.Popen(
            [program, *map(str, inherited)],
            stdin=subprocess.DEVNULL,
            stdout=output_end,
            stderr=output_end,
            pass_fds=(*inherited, *pass_fds),
            umask=umask,
        )
        for descriptor in (*inherited, output_end):
            os.close(descriptor)
        return _follow(parent, report, answer, output)
    finally:
        for descriptor in (report, answer, output):
            os.close(descriptor)


def _follow(parent: subprocess.Popen[bytes], report: int, answer: int, output: int) -> Result:
    """Read reports and output to their ends; the child is ours, by CLONE_PARENT."""
    streams = {report: b"", output: b""}
    child = 0
    error = None
    deadline = time.monotonic() + TIMEOUT
    is_open = set(streams)
    while is_open:
        ready, _, _ = select.select(list(is_open), [], [], max(0.0, deadline - time.monotonic()))
        assert ready, (streams, "crunw-init hangs")
        for descriptor in ready:
            data = os.read(descriptor, 65536)
            streams[descriptor] += data
            if not data:
                is_open.discard(descriptor)
        reports, streams[report] = _cut(streams[report])
        for kind, payload in reports:
            if kind == REPORT_PID:
                child = int.from_bytes(payload, "little")
            elif kind == REPORT_USERNS:
                _map_users(parent.pid, answer)
            elif kind == REPORT_ERROR:
                error = Failure(*decode_fields(REPORTS[REPORT_ERROR], payload))  # type: ignore[arg-type]
    status = parent.wait(TIMEOUT)
    if child:
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return Result(status, streams[output].decode(errors="replace"), error)


def _cut(data: bytes) -> tuple[list[tuple[int, bytes]], bytes]:
    """Whole reports at the beginning of ``data``, and the rest."""
    reports = []
    while len(data) >= 8:
        size = int.from_bytes(data[4:8], "little")
        if len(data) < 8 + size:
            break
        reports.append((int.from_bytes(data[:4], "little"), data[8 : 8 + size]))
        data = data[8 + size :]
    return reports, data


def _map_users(pid: int, answer: int) -> None:
    Path(f"/proc/{pid}/uid_map").write_text(f"0 {MAPPED_ROOT} 65536\n")
    Path(f"/proc/{pid}/gid_map").write_text(f"0 {MAPPED_ROOT} 65536\n")
    os.write(answer, b"g")
