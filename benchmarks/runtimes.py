"""OCI runtimes as an engine calls them: a process for each verb."""

from __future__ import annotations

import ctypes
import itertools
import os
import shutil
import signal
from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmarks import measure

if TYPE_CHECKING:
    from pathlib import Path

_PR_SET_CHILD_SUBREAPER = 36
_serial = itertools.count()


def become_subreaper() -> None:
    """Be the one who waits for containers whose `create` has ended, as conmon is (prctl(2))."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl PR_SET_CHILD_SUBREAPER")


@dataclass(frozen=True)
class Runtime:
    """A runtime program with a state directory and a log of its own below ``directory``."""

    name: str
    program: str
    directory: Path

    @classmethod
    def find(cls, name: str, directory: Path) -> Runtime:
        """The runtime of that name on PATH. Raises FileNotFoundError."""
        program = shutil.which(name)
        if program is None:
            raise FileNotFoundError(f"{name} is not on PATH")
        return cls(name, program, directory)

    @property
    def errors(self) -> str:
        """The file that collects what its calls write to standard error."""
        return str(self.directory / f"{self.name}.log")

    def command(self, verb: str, *arguments: str) -> list[str]:
        """The command line of a verb."""
        return [self.program, "--root", str(self.directory / self.name), verb, *arguments]

    def call(self, verb: str, *arguments: str) -> None:
        """Run a verb to its end. Raises RuntimeError when it fails."""
        measure.run(self.command(verb, *arguments), self.errors)

    def run(self, bundle: Path) -> None:
        """`run` in the foreground."""
        self.call("run", "--bundle", str(bundle), new_id())

    def create(self, bundle: Path) -> Container:
        """`create`."""
        container = Container(self, new_id())
        pid_file = str(self.directory / f"{container.id}.pid")
        self.call("create", "--bundle", str(bundle), "--pid-file", pid_file, container.id)
        with open(pid_file, encoding="ascii") as file:
            container.pid = int(file.read())
        os.unlink(pid_file)
        return container

    def lifecycle(self, bundle: Path) -> None:
        """All that CRI-O does for a container that ends by itself."""
        container = self.create(bundle)
        self.call("state", container.id)
        self.call("start", container.id)
        os.waitpid(container.pid, 0)
        self.call("delete", container.id)


@dataclass
class Container:
    """A created container, a child of this process."""

    runtime: Runtime
    id: str
    pid: int = 0

    def start(self) -> None:
        """`start`."""
        self.runtime.call("start", self.id)

    def remove(self) -> None:
        """End it with SIGKILL, and `delete`."""
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        self.runtime.call("delete", self.id)


def new_id() -> str:
    """A container id that has not been used yet."""
    return f"bench-{os.getpid()}-{next(_serial)}"
