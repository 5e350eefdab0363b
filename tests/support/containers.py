"""Drive the program ``crunw`` as engines do, and look for what it leaves behind."""

from __future__ import annotations

import array
import ctypes
import itertools
import json
import os
import pwd
import re
import select
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

import pytest
from support.commands import PATIENCE, Result, wait_for

from crunw.effects.cgroups.layout import UNIFIED, detect
from crunw.oci.example import example

PREFIX = f"crunw-test-{os.getpid()}-"
SANITIZED = "CRUNW_TEST_SANITIZED" in os.environ  # the build with sanitizers
# "--cgroup-manager=systemd": what every call is made with.
OPTIONS = os.environ.get("CRUNW_TEST_OPTIONS", "").split()
PR_SET_CHILD_SUBREAPER = 36
MAPPED = 100000
MAPS = [{"containerID": 0, "hostID": MAPPED, "size": 65536}]
LIBC = ctypes.CDLL(None, use_errno=True)

_numbers = itertools.count()


def last_number(log: str) -> int:
    """The last number that ``podman logs --tail 1`` prints, which may be of more than one line."""
    lines = log.split()
    return int(lines[-1]) if lines else 0


@dataclass
class Bundle:
    """A bundle on disk. ``config`` is written by :meth:`write`."""

    path: Path
    config: dict[str, Any]
    id: str = field(default_factory=lambda: f"{PREFIX}{next(_numbers)}")

    @property
    def rootfs(self) -> Path:
        return self.path / "rootfs"

    @property
    def process(self) -> dict[str, Any]:
        return self.config["process"]

    def write(self) -> Bundle:
        (self.path / "config.json").write_text(json.dumps(self.config))
        return self

    def change(self, **changes: Any) -> Bundle:
        """Change members, named by their path with ``__`` for a dot, and write the file."""
        for name, value in changes.items():
            *parents, last = name.split("__")
            place = self.config
            for parent in parents:
                place = place.setdefault(parent, {})
            place[last] = value
        return self.write()


class Spawned(subprocess.Popen[str]):
    """A process that a test waits for, unless the test has failed."""

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if kind:
            self.kill()
        super().__exit__(kind, value, traceback)

    def rest(self) -> tuple[str, str]:
        """What it writes until it ends. Of that, ``communicate`` leaves out what ``readline`` has
        read ahead. After ``PATIENCE`` it is killed.
        """
        assert self.stdout
        assert self.stderr
        timer = threading.Timer(PATIENCE, self.kill)
        timer.start()
        written = self.stdout.read(), self.stderr.read()
        self.wait()
        timer.cancel()
        return written


class Runtime:
    """``crunw`` with a ``--root`` of its own: call it with the arguments."""

    def __init__(self, root: Path, program: str | Path = "crunw") -> None:
        self.root = root
        self.program = str(program)
        self.options = OPTIONS
        self._processes: list[Spawned] = []

    def command(self, *words: str | Path) -> list[str]:
        return [self.program, "--root", str(self.root), *self.options, *map(str, words)]

    def __call__(self, *words: str | Path, stdin: str = "", **options: Any) -> Result:
        # Files, not pipes: a container that runs on would keep a pipe open.
        with (
            open(os.memfd_create("out"), "w+", encoding="utf-8", errors="replace") as out,
            open(os.memfd_create("err"), "w+", encoding="utf-8", errors="replace") as err,
            open(os.memfd_create("in"), "w+", encoding="utf-8") as given,
        ):
            given.write(stdin)
            given.seek(0)
            done = subprocess.run(
                options.pop("prefix", []) + self.command(*words),
                stdin=given, stdout=out, stderr=err, check=False,
                **({"timeout": 3 * PATIENCE} | options),
            )  # fmt: skip
            out.seek(0)
            err.seek(0)
            return Result(done.returncode, out.read(), err.read())

    def spawn(self, *words: str | Path, **options: Any) -> Spawned:
        """Start a command; it is ended with the test."""
        options = {
            "stdin": subprocess.DEVNULL,
            "stdout": subprocess.PIPE,
            "stderr": subprocess.PIPE,
            "text": True,
            **options,
        }
        process = Spawned(self.command(*words), **options)
        self._processes.append(process)
        return process

    def run(self, bundle: Bundle, *options: str, **how: Any) -> Result:
        return self("run", "--bundle", bundle.path, *options, bundle.id, **how)

    def create(self, bundle: Bundle, *options: str, **how: Any) -> Result:
        return self("create", "--bundle", bundle.path, *options, bundle.id, **how)

    def start(self, bundle: Bundle) -> Bundle:
        """Create and start: the program runs when this returns."""
        self.create(bundle).ok()
        self("start", bundle.id).ok()
        return bundle

    def state(self, bundle: Bundle) -> dict[str, Any]:
        return json.loads(self("state", bundle.id).ok())

    def status(self, bundle: Bundle) -> str:
        """The OCI status; "" for a container that does not exist."""
        result = self("state", bundle.id)
        return json.loads(result.out)["status"] if result.status == 0 else ""

    def wait_status(self, bundle: Bundle, status: str) -> None:
        wait_for(lambda: self.status(bundle) == status, f"status {status}")

    def close(self) -> None:
        """End and remove what the test has left, with ``delete --force`` alone."""
        ids = self("list", "--quiet").ok().split()
        for container_id in ids:
            self._delete(container_id)
        for process in self._processes:
            process.kill()
            process.communicate()

    def _delete(self, container_id: str) -> None:
        """Reaps meanwhile, as engines do: a pid namespace does not end before its processes."""
        with self.spawn("delete", "--force", container_id) as process:
            ours = {spawned.pid for spawned in self._processes}
            while process.poll() is None:
                for pid in set(children()) - ours:
                    with suppress(ChildProcessError):
                        os.waitpid(pid, os.WNOHANG)
                time.sleep(0.005)
            Result(process.returncode, *process.communicate()).ok()


def empty_bundle(path: Path) -> Bundle:
    """The config of ``crunw spec`` without a terminal and with a writable, empty root, there.

    An ordinary user's has a user namespace of as many ids as root's have.
    """
    config = json.loads(json.dumps(example(rootless=False)))
    if os.geteuid():
        config["linux"] |= own_and_subordinate_ids()
        config["linux"]["namespaces"].append({"type": "user"})
    config["process"]["terminal"] = False
    config["root"]["readonly"] = False
    config["annotations"] = {"run.oci.wasm.aot": "off"}  # no compiler left behind a test
    (path / "rootfs").mkdir(parents=True)
    return Bundle(path, config)


def in_user_namespace(bundle: Bundle, *others: dict[str, Any]) -> Bundle:
    """Give the bundle a mapped user namespace. Its directory stays closed to that one's root."""
    skip_without_root("to give files away")
    linux = bundle.config["linux"]
    linux["namespaces"] += [{"type": "user"}, *others]
    linux["uidMappings"] = linux["gidMappings"] = MAPS
    for path in [bundle.rootfs, *bundle.rootfs.rglob("*")]:
        os.chown(path, MAPPED, MAPPED, follow_symlinks=False)
    bundle.path.chmod(0o700)
    return bundle.write()


def assert_ended_at_once(crunw: Runtime, made: Bundle, name: str) -> str:
    """A signal ends what `run` runs, which runs for long, with 128 + n; returns what it says."""
    number = signal.Signals[f"SIG{name}"].value
    with crunw.spawn("run", "--bundle", made.path, made.id) as process:
        crunw.wait_status(made, "running")
        crunw("kill", made.id, name).ok()
        assert process.wait(PATIENCE) == 128 + number
        assert process.stderr
        return process.stderr.read()


def has_capability(number: int) -> bool:
    """Whether this process's bounding set has a capability."""
    (mask,) = re.findall("CapBnd:\t(.*)", Path("/proc/self/status").read_text())
    return bool(int(mask, 16) >> number & 1)


def skip_without_root(purpose: str) -> None:
    """Skip what an ordinary user can't prepare; see ``tests/conftest.py``."""
    if os.geteuid():
        pytest.skip(f"needs root, {purpose}")


def available(controller: str) -> bool:
    """Whether the kernel has this controller of cgroup v1, or what it is called in v2, here."""
    tops = detect().tops
    if any(controller in key.split(",") for key in tops):
        return True
    if UNIFIED not in tops:
        return False
    with open(f"{tops[UNIFIED]}/cgroup.controllers", encoding="ascii") as file:
        return {"blkio": "io", "cpuacct": "cpu"}.get(controller, controller) in file.read().split()


def require(controller: str) -> None:
    """Skip the test where the controller is missing."""
    if not available(controller):
        pytest.skip(f"the controller {controller} is not available")


def subordinate(user: str) -> int:
    """The first of a user's subordinate ids; ``useradd`` gives the same for users and groups."""
    for line in Path("/etc/subuid").read_text().splitlines():
        name, first, _ = line.split(":")
        if name == user:
            return int(first)
    raise AssertionError(f"{user} has no subordinate ids")


def own_and_subordinate_ids() -> dict[str, Any]:
    """Mappings of an ordinary user's: his own ids are root's, the subordinate ones follow."""
    first = subordinate(pwd.getpwuid(os.geteuid()).pw_name)
    return {
        f"{kind}Mappings": [
            {"containerID": 0, "hostID": own, "size": 1},
            {"containerID": 1, "hostID": first, "size": 65535},
        ]
        for kind, own in (("uid", os.geteuid()), ("gid", os.getegid()))
    }


def host_id(number: int) -> int:
    """What a container's uid or gid other than 0 is outside; see own_and_subordinate_ids."""
    if os.geteuid() == 0:
        return number
    first: int = own_and_subordinate_ids()["uidMappings"][1]["hostID"]
    return first + number - 1


def join_user_namespace(bundle: Bundle, pid: int) -> None:
    """Where a bundle would get a user namespace of its own, as a user's would, join another."""
    linux = bundle.config["linux"]
    if linux.pop("uidMappings", None):
        del linux["gidMappings"]
        linux["namespaces"].append({"type": "user", "path": f"/proc/{pid}/ns/user"})
    bundle.write()


def expect(descriptor: int, text: str, pattern: str) -> tuple[str, str]:
    """Read a terminal until ``pattern`` matches: the text after the match, and the match."""
    deadline = time.monotonic() + PATIENCE
    while not (match := re.search(pattern, text)):
        ready, _, _ = select.select([descriptor], [], [], max(0, deadline - time.monotonic()))
        assert ready, f"{pattern!r} is not in {text!r}"
        try:
            data = os.read(descriptor, 65536)
        except OSError:
            data = b""
        assert data, f"end of {text!r} without {pattern!r}"
        text += data.decode()
    return text[match.end() :], match[0]


def receive_master(listener: socket.socket) -> int:
    connection, _ = listener.accept()
    with connection:
        _, [(level, kind, data)], *_ = connection.recvmsg(4096, socket.CMSG_SPACE(16))
        assert (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS)
        [master] = array.array("i", data)
    return master


def cgroup_directories() -> list[str]:
    """Directories in any hierarchy with a container id of this process's in their name."""
    return [
        os.path.join(path, name)
        for path, names, _ in os.walk("/sys/fs/cgroup")
        for name in names
        if PREFIX in name
    ]


def remove_cgroups(directories: list[str]) -> None:
    """End what runs there, and remove them if that works: later tests are not to fail, too."""
    for directory in reversed(directories):
        with suppress(OSError):
            for pid in Path(directory, "cgroup.procs").read_text().split():
                os.kill(int(pid), signal.SIGKILL)
    deadline = time.monotonic() + 2
    while (left := cgroup_directories()) and time.monotonic() < deadline:
        for directory in reversed(left):
            with suppress(OSError):
                os.rmdir(directory)
        time.sleep(0.01)


def of_this_machine(process: Path) -> bool:
    """Whether a process, by its directory in /proc, is not that of another one on this kernel.

    Such a process has cgroups outside of our cgroup namespace: cgroup_namespaces(7).
    """
    return ":/.." not in (process / "cgroup").read_text()


def processes() -> Iterator[Path]:
    """The directories in /proc of this machine's processes."""
    for path in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it has ended
            if of_this_machine(path):
                yield path


def cgroup_path(container: Bundle) -> str:
    """The cgroup of a container without ``linux.cgroupsPath``, below a hierarchy's top."""
    if "--cgroup-manager=systemd" in OPTIONS:
        top = "system.slice"
        if uid := os.geteuid():
            top = f"user.slice/user-{uid}.slice/user@{uid}.service/user.slice"
        return f"{top}/crunw-{container.id}.scope"
    return container.id


def mounts(below: Path) -> list[str]:
    """The mounts of this namespace on or of something below a directory."""
    with open("/proc/self/mountinfo", encoding="utf-8", errors="replace") as file:
        return [line for line in file if f"{below}/" in line]


def children() -> list[int]:
    with open(f"/proc/self/task/{os.getpid()}/children", encoding="ascii") as file:
        return [int(pid) for pid in file.read().split()]


def reap_ended(seconds: float) -> None:
    """Reap what ends within that time, until there is no child."""
    deadline = time.monotonic() + seconds
    while children() and time.monotonic() < deadline:
        try:
            pid, _ = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            break
        if not pid:
            time.sleep(0.005)


def reap_orphans() -> list[str]:
    """Reap the processes that ended after their parent had; return the command lines of others.

    Needs ``PR_SET_CHILD_SUBREAPER``: by it every orphan becomes a child of this process.
    """
    reap_ended(PATIENCE)  # the cache's work in the background ends by itself, on a busy host late
    left = []
    for pid in children():
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            left.append(f"{pid}: {file.read()!r}")
        os.kill(pid, 9)
        os.waitpid(pid, 0)
    return left
