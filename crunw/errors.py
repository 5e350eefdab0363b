"""Every error crunw raises. Raised once, printed once (in ``crunw.cli``); imports nothing."""

from __future__ import annotations


class CrunwError(Exception):
    """Base of all errors. ``str()`` is the one line a person reads."""

    exit_code = 1


class UsageError(CrunwError):
    """Unknown verb, flag or argument."""


class SpecError(CrunwError):
    """A ``config.json`` (or ``process.json``) that can't be used.

    ``field`` is the JSON path of the offending value, as in ``mounts[3].destination``.
    """

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"{field}: {problem}" if field else problem)
        self.field = field
        self.problem = problem


class StateError(CrunwError):
    """The container does not exist, already exists, or is in the wrong status for the verb."""


class KernelError(CrunwError):
    """A system call failed in the runtime itself: operation, path and cause."""

    def __init__(self, operation: str, path: str, error: OSError) -> None:
        super().__init__(f"{operation} {path}: {error.strerror or error}")
        self.errno = error.errno


class CompileError(CrunwError):
    """A module can't be compiled, however often it is tried: the fault is its own or LLVM's."""


class InterruptError(CrunwError):
    """A signal asked this process to end before it was done."""

    def __init__(self, number: int) -> None:
        super().__init__(f"ended by signal {number} before it was done; what it made is removed")
        self.exit_code = 128 + number


class InitError(CrunwError):
    """``crunw-init`` reported the first step that failed."""

    def __init__(self, stage: str, operation: str, path: str, errno: int, message: str) -> None:
        super().__init__(message)
        self.stage = stage
        self.operation = operation
        self.path = path
        self.errno = errno
