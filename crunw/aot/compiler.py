"""Compile one module in a process of its own.

LLVM keeps what it has allocated and can't be interrupted: a process gives everything back, whether
it ends, is stopped or is killed. It ends with the process that has started it.
"""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import time
from typing import TYPE_CHECKING

from crunw.errors import CrunwError

if TYPE_CHECKING:
    from typing import NoReturn

    from crunw.aot.options import Options

_PR_SET_PDEATHSIG = 1
_PR_SET_NO_NEW_PRIVS = 38
_CLONE_NEWIPC, _CLONE_NEWNET = 0x08000000, 0x40000000
_NOBODY = 65534
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_CPU_SECONDS = 3600


class Compilation:
    """A compilation that runs. ``sandbox``: see :func:`_enter_sandbox`."""

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
        self.report, report = os.pipe()
        parent = os.getpid()
        signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)  # not before the child is one
        self._pid = os.fork()
        if self._pid == 0:
            os.close(self.report)
            _child(parent, report, (name, module, output, options), sandbox=sandbox)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
        os.close(report)

    def seconds(self) -> float:
        """The time since it was started."""
        return time.monotonic() - self._started

    def finish(self) -> None:
        """Wait for its end. Raises :class:`CrunwError` where there is no artefact."""
        message = b""
        while data := os.read(self.report, 4096):
            message += data
        os.close(self.report)
        _, status = os.waitpid(self._pid, 0)
        self._pid = 0
        if message:
            raise CrunwError(message.decode(errors="replace"))
        code = os.waitstatus_to_exitcode(status)
        if code < 0:
            raise CrunwError(f"{self._name}: the compiler was ended by signal {-code}")
        if code:
            raise CrunwError(f"{self._name}: the compiler ended with status {code}")

    def kill(self) -> None:
        """End it now."""
        if self._pid:
            os.kill(self._pid, signal.SIGKILL)
            os.waitpid(self._pid, 0)
            os.close(self.report)
            self._pid = 0


def _child(
    parent: int, report: int, work: tuple[str, int, str, Options], *, sandbox: bool
) -> NoReturn:
    try:
        for number in _SIGNALS:
            signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        _compile(parent, *work, sandbox=sandbox)
    except CrunwError as error:
        os.write(report, str(error).encode(errors="surrogateescape"))
    except BaseException as error:  # noqa: BLE001 -- nothing of the parent's may run here
        os.write(report, f"{work[0]}: {type(error).__name__}: {error}".encode())
    os._exit(0)


def _compile(
    parent: int, name: str, module: int, output: str, options: Options, *, sandbox: bool
) -> None:
    from crunw.engine import Engine

    engine = Engine()
    if sandbox:
        _enter_sandbox()
    libc = ctypes.CDLL(None)
    libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        return  # too late: it has ended already
    engine.compile(
        name,
        output,
        module,
        level=options.level,
        native=options.native,
        generic=options.generic,
        interruptible=options.interruptible,
        statistics=options.statistics,
        without=options.without,
    )


def _enter_sandbox() -> None:
    """Give up all rights: the module that is parsed and compiled may be made to break LLVM.

    What a subverted compiler can do is to make an artefact that does more than the module says: it
    is run by containers of this very module alone, as confined as native programs.
    """
    libc = ctypes.CDLL(None)
    libc.unshare(_CLONE_NEWIPC | _CLONE_NEWNET)
    resource.setrlimit(resource.RLIMIT_CPU, (_CPU_SECONDS, _CPU_SECONDS))
    os.setgroups([])
    os.setresgid(_NOBODY, _NOBODY, _NOBODY)
    os.setresuid(_NOBODY, _NOBODY, _NOBODY)
    libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
