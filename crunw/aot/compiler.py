"""Compile one module: start ``crunw-compiler``, follow it to its end (``csrc/compiler``)."""

from __future__ import annotations

import _signal
import posix
import time

from crunw.aot.engines import library_of
from crunw.errors import CompileError, CrunwError, KernelError
from crunw.paths import compiler_path, has_llvm
from crunw.workload import WASMEDGE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crunw.aot.options import Options

OUTPUT = "output"  # in the compiler's directory, as csrc/compiler/main.c names it
_SIGNALS = (_signal.SIGINT, _signal.SIGTERM, _signal.SIGHUP)
_LAST_WORDS = 4096  # bytes of what LLVM writes before it gives up that are looked at
# What LLVM and lld say when the system is to blame, not the module (strerror(3)).
_SYSTEM = (
    "No space left on device",
    "Disk quota exceeded",
    "Input/output error",
    "out of memory",
    "no memory for a module",
)


class Compilation:
    """A compilation that runs, in a process that ends with this one.

    ``sandbox``: without any rights, for modules that nobody vouches for.
    """

    def __init__(
        self, name: str, module: int, directory: str, options: Options, *, sandbox: bool = False
    ) -> None:
        """``name`` names the ``module``, an open descriptor, in errors.

        The compiler writes ``directory/OUTPUT`` and other files beside it: give it a directory of
        its own. It gets there by a descriptor, whatever the modes above are. ``report`` is a
        descriptor that becomes readable when it ends. ``notices``, filled in by :meth:`finish`, are
        the fences that it had to do without.
        """
        if options.engine == WASMEDGE and not has_llvm():
            raise CrunwError(f"{name}: this installation has no LLVM (install one that has)")
        self._name = name
        self._started = time.monotonic()
        self.used = 0.0  # s of processor time: what it takes where nothing else runs
        self.notices: list[str] = []
        program = compiler_path()
        try:
            place = posix.open(directory, posix.O_RDONLY | posix.O_DIRECTORY | posix.O_CLOEXEC)
        except OSError as error:
            raise KernelError("open", directory, error) from None
        self.report, report = posix.pipe()
        self._said = posix.memfd_create("compiler", posix.MFD_CLOEXEC)
        numbers = [module, report, place]
        argv = [
            "crunw-compiler",
            options.engine,
            library_of(options.engine),
            *map(str, numbers),
            options.level,
        ]
        argv += [*(["native"] if options.native else []), *options.words()]
        argv += ["sandbox"] if sandbox else []
        argv += ["any-import"] if options.any_import else []
        # Not before there is a child to end. Who has blocked them before has reasons to.
        before = _signal.pthread_sigmask(_signal.SIG_BLOCK, _SIGNALS)
        try:
            self._pid = posix.posix_spawn(
                program,
                argv,
                posix.environ,
                file_actions=[
                    (posix.POSIX_SPAWN_OPEN, 0, "/dev/null", posix.O_RDONLY, 0),
                    # Its standard streams would be the container's.
                    (posix.POSIX_SPAWN_DUP2, self._said, 1),
                    (posix.POSIX_SPAWN_DUP2, self._said, 2),
                    *((posix.POSIX_SPAWN_DUP2, number, number) for number in numbers),
                ],
                setsigmask=(),
                setsigdef=(*_SIGNALS, _signal.SIGPIPE, _signal.SIGXCPU),
            )
        except OSError as error:
            posix.close(self.report)
            posix.close(self._said)
            raise KernelError("execute", program, error) from None
        finally:
            posix.close(report)
            posix.close(place)
            _signal.pthread_sigmask(_signal.SIG_SETMASK, before)

    def seconds(self) -> float:
        """The time since it was started."""
        return time.monotonic() - self._started

    def finish(self) -> None:
        """Wait for its end. Raises :class:`CrunwError` where there is no usable output.

        It is a :class:`CompileError` if the module is to blame, and trying again is no use.
        """
        text = b""
        while data := posix.read(self.report, 4096):
            text += data
        _, status, usage = posix.wait4(self._pid, 0)
        self._pid = 0
        self.used = usage.ru_utime + usage.ru_stime
        said = self._last_words()
        self._close()
        failed = CrunwError
        problem = ""
        for line in text.decode(errors="replace").splitlines():
            if line[:1] == "n":
                self.notices.append(line[1:])
            else:
                problem = line[1:]
                failed = CompileError if line[:1] == "m" else CrunwError
        code = posix.waitstatus_to_exitcode(status)
        if not problem and code:
            problem = f"the compiler ended with status {code}"
            if code < 0:
                problem = f"the compiler was ended by signal {-code}{_CAUSES.get(-code, '')}"
                # The kernel's out-of-memory killer, or an admin.
                failed = CrunwError if -code in (_signal.SIGKILL, _signal.SIGTERM) else CompileError
            problem += f": {said}" if said else ""
        if problem:
            if any(reason in problem for reason in _SYSTEM):
                failed = CrunwError
            raise failed(f"{self._name}: {problem}")

    def _last_words(self) -> str:
        """The first line of the last that LLVM has written: ``LLVM ERROR: …``; ``""``: nothing."""
        end = posix.fstat(self._said).st_size
        text = posix.pread(self._said, _LAST_WORDS, max(0, end - _LAST_WORDS))
        lines = text.decode(errors="replace").splitlines()
        errors = [line for line in lines if "error" in line.lower() or "assert" in line.lower()]
        return "".join(c if c.isprintable() else "?" for c in (errors or [""])[0])[:400]

    def kill(self) -> None:
        """End it now."""
        if self._pid:
            posix.kill(self._pid, _signal.SIGKILL)
            posix.waitpid(self._pid, 0)
            while posix.read(self.report, 4096):
                pass  # until the others of its pid namespace have ended, too
            self._close()
            self._pid = 0

    def _close(self) -> None:
        posix.close(self.report)
        posix.close(self._said)


_CAUSES = {
    int(_signal.SIGKILL): " (memory limit?)",
    int(_signal.SIGXCPU): " (it took too long)",
    int(_signal.SIGXFSZ): " (the code is too large)",
    int(_signal.SIGABRT): " (abort)",
    int(_signal.SIGSEGV): " (a fault in LLVM)",
}
