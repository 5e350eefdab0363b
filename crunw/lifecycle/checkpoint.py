"""``checkpoint``: write a running container to files, by CRIU, and end it."""

from __future__ import annotations

import posix

from crunw import status
from crunw.effects.cgroups.layout import detect
from crunw.effects.criu import wire
from crunw.effects.criu.service import Service
from crunw.effects.rootfs import Root
from crunw.effects.store import Container, write_file
from crunw.errors import CrunwError
from crunw.files import is_directory
from crunw.lifecycle.cgroup import callers_view
from crunw.lifecycle.delete import end_process
from crunw.lifecycle.images import (
    CGROUP_MODES,
    DESCRIPTORS,
    EXTERNAL,
    criu_program,
    external_mounts,
    make_directory,
)
from crunw.lifecycle.state import cgroup_of, current
from crunw.oci.jsontext import dumps
from crunw.oci.load import load
from crunw.oci.queries import namespaces
from crunw.paths import init_path
from crunw.plan.inputs import Target
from crunw.plan.mounts import clean
from crunw.workload import decide

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crunw.effects.criu.wire import Value
    from crunw.effects.store import Record
    from crunw.lifecycle.images import Options
    from crunw.oci.model import Spec

_LOG = "dump.log"


class Request:
    """What the command line asks of ``checkpoint``."""

    __slots__ = ("id", "leave_running", "options", "parent_path", "pre_dump", "root")

    def __init__(self, root: str, container_id: str, options: Options) -> None:
        self.root = root
        self.id = container_id
        self.options = options
        self.leave_running = False
        self.pre_dump = False
        self.parent_path = ""  # relative to the images' directory


def checkpoint(request: Request) -> None:
    """Write the images; then the container is stopped, unless it is asked to be left running.

    Raises :class:`CrunwError`; then the container goes on as before.
    """
    container = Container(request.root, request.id)
    container.lock()
    record = container.read()
    status.check("checkpoint", request.id, current(container, record))
    program = criu_program("checkpoint", request.id)
    spec = load(container.directory)
    if _is_wasm(record, spec):
        raise CrunwError(f"checkpoint {request.id}: not possible for WebAssembly containers")
    options = request.options
    make_directory(options.image_path)
    make_directory(options.work_path)
    if request.parent_path and not is_directory(f"{options.image_path}/{request.parent_path}"):
        raise CrunwError(f"--parent-path: no directory {options.image_path}/{request.parent_path}")
    streams = [_stream(record["pid"], number) for number in range(3)]
    values = {**options.values(spec, _LOG), **_values(request, record, spec, streams)}
    if not request.pre_dump:
        write_file(f"{options.image_path}/{DESCRIPTORS}", dumps(streams))
    _dump(request, program, values)
    if request.leave_running or request.pre_dump:
        return
    end_process(record["pid"], record["startTime"], cgroup_of(record))
    record["checkpointed"] = True
    container.write(record)


def _dump(request: Request, program: str, values: dict[str, Value]) -> None:
    service = Service(program)
    pid = service.spawn()
    try:
        service.call(wire.PRE_DUMP if request.pre_dump else wire.DUMP, values, _no_notification)
    except CrunwError as error:
        raise request.options.failed("checkpoint", request.id, _LOG, error) from None
    finally:
        service.close()
        posix.waitpid(pid, 0)


def _values(request: Request, record: Record, spec: Spec, streams: list[str]) -> dict[str, Value]:
    """The options that depend on the container."""
    values: dict[str, Value] = {
        "pid": record["pid"],
        "root": record["rootfs"],
        "leave_running": request.leave_running or request.pre_dump,
        "external": [*_external(record, spec), *{s for s in streams if s.startswith("file[")}],
    }
    group = cgroup_of(record)
    if not group:
        values["manage_cgroups_mode"] = CGROUP_MODES["ignore"]
    else:
        # In any other hierarchy the process is in a cgroup of the host's: CRIU would write down all
        # that are below it, and make them again.
        values["cgroup_dump_controller"] = list(group.record()["directories"])
        if group.directory("freezer"):
            values["freeze_cgroup"] = group.directory("freezer")
    if request.parent_path:
        values["parent_img"] = request.parent_path
    if request.parent_path or request.pre_dump:
        values["track_mem"] = True
    return values


def _external(record: Record, spec: Spec) -> list[str]:
    """What is the host's: mounts, named by their mount points, and namespaces that were joined."""
    target = Target("", record["bundle"], record["rootfs"], rootless=False)
    view = callers_view(spec, detect())
    pid = record["pid"]
    root = f"/proc/{pid}/root"
    found = [f"mnt[{point}]:{point}" for point, _ in external_mounts(spec, target, view, pid)]
    if "user" in namespaces(spec):  # then what covers a masked file is the host's
        masked = map(clean, spec["linux"].get("maskedPaths", ()))
        found += [f"mnt[{p}]:/dev/null" for p in masked if not is_directory(f"{root}{p}")]
    for kind, (name, key) in EXTERNAL.items():
        if namespaces(spec).get(kind):
            found.append(f"{name}[{posix.stat(f'/proc/{pid}/ns/{name}').st_ino}]:{key}")
    return found


def _is_wasm(record: Record, spec: Spec) -> bool:
    """Whether crunw itself runs in the container; by what runs, then by what was to run."""
    running = f"/proc/{record['pid']}/exe"
    ours, theirs = posix.stat(init_path()), posix.stat(running)
    if (ours.st_dev, ours.st_ino) == (theirs.st_dev, theirs.st_ino):
        return True
    process = spec["process"]
    root = Root(f"/proc/{record['pid']}/root", ())
    path, head = root.find_program(process["args"][0], process["cwd"], process.get("env", ()))
    return decide(spec.get("annotations", {}), path, head).kind == "wasm"


def _stream(pid: int, number: int) -> str:
    """What a descriptor is, so that ``restore`` puts its own there: ``pipe:[INODE]``.

    A file of the host (/dev/null, a log) is ``file[MOUNT:INODE]``, as CRIU names it; one of the
    container, which CRIU opens again, is its path.
    """
    try:
        path = posix.readlink(f"/proc/{pid}/fd/{number}")
        if not path.startswith("/"):
            return path
        inode = posix.stat(f"/proc/{pid}/fd/{number}").st_ino
        with open(f"/proc/{pid}/fdinfo/{number}", "rb", buffering=0) as file:
            mount = file.readall().partition(b"mnt_id:")[2].split()[0]
        with open(f"/proc/{pid}/mountinfo", "rb", buffering=0) as file:
            own = {line.split(b" ", 1)[0] for line in file.readall().split(b"\n")}
    except FileNotFoundError:  # closed
        return ""
    return path if mount in own else f"file[{int(mount):x}:{inode:x}]"


def _no_notification(script: str, pid: int, descriptor: int) -> None:
    """None is asked for."""
    raise AssertionError((script, pid, descriptor))
