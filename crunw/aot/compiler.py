"""Compile one module: start ``crunw-compiler``, follow it to its end (``csrc/compiler``)."""

from __future__ import annotations

import _signal
import posix
import time

from crunw.errors import CrunwError, KernelError
from crunw.paths import compiler_path, engine_library

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crunw.aot.options import Options

_SIGNALS = (_signal.SIGINT, _signal.SIGTERM, _signal.SIGHUP)


class Compilation:
    """A compilation that runs, in a process that ends with this one.

    ``sandbox``: without any rights, for modules that nobody vouches for.
    """

    def __init__(
        self, name: str, module: int, output: str, options: Options, *, sandbox: bool = False
    ) -> None:
        """``name`` names the ``module``, an open descriptor, in errors; ``output``: a new file.

        The compiler makes other files beside it: give it a directory of its own. ``report`` is a
        descriptor that becomes readable when it ends.
        """
        self._name = name
        self._output = output
        self._started = time.monotonic()
        self.report, report = posix.pipe()
        words = [*(["native"] if options.native else []), *options.words()]
        words += ["sandbox"] if sandbox else []
        program = compiler_path()
        argv = ["crunw-compiler", engine_library(), str(module), str(report), output]
        _signal.pthread_sigmask(_signal.SIG_BLOCK, _SIGNALS)  # not before there is a child to end
        try:
            self._pid = posix.posix_spawn(
                program,
                [*argv, options.level, *words],
                posix.environ,
                file_actions=[(posix.POSIX_SPAWN_DUP2, fd, fd) for fd in (module, report)],
                setsigmask=(),
                setsigdef=(*_SIGNALS, _signal.SIGPIPE),
            )
        except OSError as error:
            posix.close(self.report)
            raise KernelError("execute", program, error) from None
        finally:
            posix.close(report)
            _signal.pthread_sigmask(_signal.SIG_UNBLOCK, _SIGNALS)

    def seconds(self) -> float:
        """The time since it was started."""
        return time.monotonic() - self._started

    def finish(self) -> None:
        """Wait for its end. Raises :class:`CrunwError` where there is no artefact."""
        message = b""
        while data := posix.read(self.report, 4096):
            message += data
        posix.close(self.report)
        _, status = posix.waitpid(self._pid, 0)
        self._pid = 0
        if message:
            raise CrunwError(f"{self._name}: {message.decode(errors='replace')}")
        code = posix.waitstatus_to_exitcode(status)
        if code < 0:
            raise CrunwError(f"{self._name}: the compiler was ended by signal {-code}")
        if code:
            raise CrunwError(f"{self._name}: the compiler ended with status {code}")

    def kill(self) -> None:
        """End it now."""
        if self._pid:
            posix.kill(self._pid, _signal.SIGKILL)
            posix.waitpid(self._pid, 0)
            posix.close(self.report)
            self._pid = 0
