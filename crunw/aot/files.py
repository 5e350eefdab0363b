"""``crunw compile``: modules in files to compiled files, several at once, with progress."""

from __future__ import annotations

import posix
import select
import sys
import time

from crunw.aot.compiler import OUTPUT, Compilation
from crunw.errors import CrunwError, KernelError
from crunw.files import absolute
from crunw.workload import is_component

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from crunw.aot.options import Options

_HEAD = 8  # bytes, which say what kind of module it is
_SHOWN_AFTER = 1.0  # s: a line for less would only flicker
_TICK = 0.125  # s between two pictures of the spinner
_SPINNER = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"


class Job:
    """One module: ``module`` and ``output`` are paths; ``error`` is empty when it has been done."""

    def __init__(self, module: str, output: str) -> None:
        self.module = module
        self.output = output
        self.error = ""
        self.size = 0  # bytes, of the module
        self.output_size = 0
        self.seconds = 0.0
        self._directory = ""
        self._running: Compilation | None = None

    def start(self, options: Options) -> None:
        """Start the compiler. Raises :class:`CrunwError`."""
        try:
            module = posix.open(self.module, posix.O_RDONLY | posix.O_NONBLOCK | posix.O_CLOEXEC)
        except OSError as error:
            raise KernelError("open", self.module, error) from None
        directory, _, name = absolute(self.output).rpartition("/")
        try:
            self._refuse_component(module)
            self.size = posix.fstat(module).st_size
            # Beside the output: what is whole is renamed.
            made = f"{directory}/.{name}.{posix.getpid()}.crunw"
            posix.mkdir(made, 0o700)
            self._directory = made
            self._running = Compilation(self.module, module, self._directory, options)
        except OSError as error:
            raise KernelError("create a directory in", directory or "/", error) from None
        finally:
            posix.close(module)

    def _refuse_component(self, module: int) -> None:
        try:
            head = posix.pread(module, _HEAD, 0)
        except OSError:
            return  # the compiler says why
        if is_component(head):
            raise CrunwError(
                f"{self.module}: this is a component, whose compiled code a container loads from "
                "the node's cache, never from a file (crunw cache warm puts it there)"
            )

    def descriptor(self) -> int:
        """Becomes readable when the compiler ends."""
        return self._running.report if self._running else -1

    def poll(self) -> bool:
        """Whether it has ended; then the output is in its place, or ``error`` is set."""
        if not self._running:
            return True
        if not select.select([self.descriptor()], [], [], 0)[0]:
            return False
        self.seconds = self._running.seconds()
        try:
            self._running.finish()
            self._put_in_place()
        except CrunwError as error:
            self.error = str(error)
        self.stop()
        return True

    def _put_in_place(self) -> None:
        made = f"{self._directory}/{OUTPUT}"
        try:
            mask = posix.umask(0)
            posix.umask(mask)
            posix.chmod(made, 0o666 & ~mask)
            self.output_size = posix.stat(made).st_size
            posix.rename(made, self.output)
        except OSError as error:
            raise KernelError("write", self.output, error) from None

    def stop(self) -> None:
        """End the compiler, leave nothing."""
        if self._running:
            self._running.kill()
            self._running = None
        if self._directory:
            _remove(self._directory)
            self._directory = ""

    def line(self) -> str:
        """The result, for people."""
        return (
            f"{self.output}: {human(self.output_size)} from {human(self.size)} "
            f"in {self.seconds:.1f} s"
        )

    def document(self) -> dict[str, Any]:
        """The result, for programs."""
        if self.error:
            return {"module": self.module, "error": self.error}
        return {
            "module": self.module,
            "output": self.output,
            "moduleSize": self.size,
            "outputSize": self.output_size,
            "seconds": round(self.seconds, 3),
        }


def _remove(directory: str) -> None:
    """Remove a directory of files; what can't be removed stays."""
    try:
        for name in posix.listdir(directory):
            posix.unlink(f"{directory}/{name}")
        posix.rmdir(directory)
    except OSError:
        pass


def _base_name(path: str) -> str:
    return path.rpartition("/")[2]


def compile_files(jobs: list[Job], options: Options, at_once: int = 0) -> None:
    """Do the jobs, ``at_once`` at a time (0: as many as there are processors).

    Each says itself whether it failed. An interruption stops all and leaves nothing half done.
    """
    waiting = list(reversed(jobs))
    running: list[Job] = []
    limit = at_once or len(posix.sched_getaffinity(0))
    progress = Progress(len(jobs))
    try:
        while waiting or running:
            while waiting and len(running) < limit:
                running += _started(waiting.pop(), options)
            _wait(running)
            running = [job for job in running if not job.poll()]
            progress.show(running, len(jobs) - len(waiting) - len(running))
    finally:
        for job in jobs:
            job.stop()
        progress.clear()


def _started(job: Job, options: Options) -> list[Job]:
    try:
        job.start(options)
    except CrunwError as error:
        job.error = str(error)
        job.stop()
        return []
    return [job]


def _wait(running: list[Job]) -> None:
    """Until one of them has ended, or the spinner moves."""
    if running:
        select.select([job.descriptor() for job in running], [], [], _TICK)


class Progress:
    """One line on a terminal for what takes over a second: what is compiled, and for how long."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._started = time.monotonic()
        self._shown = False
        self._wanted = sys.stderr.isatty()

    def show(self, running: list[Job], done: int) -> None:
        """Draw it."""
        seconds = time.monotonic() - self._started
        if not (self._wanted and running) or seconds < _SHOWN_AFTER:
            return
        picture = _SPINNER[int(seconds / _TICK) % len(_SPINNER)]
        names = ", ".join(f"{_base_name(job.module)} ({human(job.size)})" for job in running)
        count = f" {done}/{self._count}" if self._count > 1 else ""
        text = f"{picture} {seconds:.0f} s{count}  compiling {names}"
        columns = posix.get_terminal_size(sys.stderr.fileno()).columns or 80
        sys.stderr.write(f"\r\033[K{text[: columns - 1]}")
        sys.stderr.flush()
        self._shown = True

    def clear(self) -> None:
        """Remove it."""
        if self._shown:
            sys.stderr.write("\r\033[K")
            sys.stderr.flush()


def human(size: int) -> str:
    """Bytes, as ``74.2 KB``."""
    value = float(size)
    for unit in ("B", "KB", "MB"):
        if value < 1000:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} GB"
