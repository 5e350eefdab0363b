"""Hooks that run in the runtime namespace (config.md "POSIX-platform Hooks").

Those of the container namespace (createContainer, startContainer) are run by ``crunw-init``.
"""

from __future__ import annotations

import _signal
import posix

from crunw.errors import CrunwError
from crunw.files import inherited

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from crunw.oci.model import Hook

_STDERR_SHOWN = 1024
_ENDING = (_signal.SIGTERM, _signal.SIGINT, _signal.SIGHUP)


def run(
    name: str,
    hooks: Iterable[Hook],
    state: str,
    directory: str,
    outputs: tuple[str, str] = ("", ""),
) -> None:
    """Run ``hooks`` in order, ``state`` (JSON) on their standard input, in ``directory``.

    ``outputs``: files that their standard output and error are appended to; "": none.
    Raises :class:`CrunwError` for the first that can't be run, fails, or exceeds its timeout.
    """
    for hook in hooks:
        problem = _run_one(hook, state, directory, outputs)
        if problem:
            raise CrunwError(f"{name} hook {hook['path']}: {problem}")


def _run_one(hook: Hook, state: str, directory: str, outputs: tuple[str, str]) -> str:
    """Return what went wrong, ``""`` for nothing."""
    state_file = posix.memfd_create("state")
    output = posix.memfd_create("output")
    streams = [output, output]
    try:
        streams = [_append_to(path) if path else output for path in outputs]
        posix.write(state_file, state.encode("utf-8", "surrogateescape"))
        posix.lseek(state_file, 0, 0)
        status = _run_to_end(hook, state_file, streams, directory)
        if status is None:
            return f"did not end within {hook['timeout']} s"
        code = posix.waitstatus_to_exitcode(status)
        if code == 0:
            return ""
        how = f"exit status {code}" if code > 0 else f"killed by signal {-code}"
        return f"{how}{_tail(output)}"
    except OSError as error:
        return (
            f"{error.filename}: {error.strerror}"
            if error.filename in outputs
            else str(error.strerror)
        )
    finally:
        for descriptor in {state_file, output, *streams}:
            posix.close(descriptor)


def _append_to(path: str) -> int:
    flags = posix.O_WRONLY | posix.O_CREAT | posix.O_APPEND | posix.O_CLOEXEC
    return posix.open(path, flags, 0o600)


def _spawn(hook: Hook, state_file: int, streams: list[int], directory: str) -> int:
    """Start the hook with the state as standard input, in the bundle's directory.

    What the caller has left open is not the hook's affair.
    """
    argv = list(hook.get("args") or [hook["path"]])
    environment = dict(entry.partition("=")[::2] for entry in hook.get("env", ()))
    here = posix.open(".", posix.O_PATH | posix.O_DIRECTORY | posix.O_CLOEXEC)
    try:
        posix.chdir(directory)
        return posix.posix_spawn(
            hook["path"],
            argv,
            environment,
            file_actions=[
                (posix.POSIX_SPAWN_DUP2, state_file, 0),
                (posix.POSIX_SPAWN_DUP2, streams[0], 1),
                (posix.POSIX_SPAWN_DUP2, streams[1], 2),
                *((posix.POSIX_SPAWN_CLOSE, number) for number in inherited()),
            ],
            setsigmask=(),
            setsigdef=(13,),  # Python ignores SIGPIPE
        )
    finally:
        posix.fchdir(here)
        posix.close(here)


def _run_to_end(hook: Hook, state_file: int, streams: list[int], directory: str) -> int | None:
    """As :func:`_status`; where a signal is to end this process meanwhile, the hook ends first.

    The signals are blocked until it is certain which process that is.
    """
    mask = _signal.pthread_sigmask(_signal.SIG_BLOCK, _ENDING)
    try:
        pid = _spawn(hook, state_file, streams, directory)
        try:
            _signal.pthread_sigmask(_signal.SIG_SETMASK, mask)
            return _status(pid, hook.get("timeout", 0))
        except BaseException:
            try:
                posix.kill(pid, 9)
                posix.waitpid(pid, 0)
            except OSError:
                pass  # it had ended already
            raise
    finally:
        _signal.pthread_sigmask(_signal.SIG_SETMASK, mask)


def _status(pid: int, timeout: int) -> int | None:
    """Return the wait status, or None after ``timeout`` seconds (0: none), the hook killed."""
    if timeout:
        import select

        descriptor = posix.pidfd_open(pid)
        try:
            ended, _, _ = select.select([descriptor], [], [], timeout)
        finally:
            posix.close(descriptor)
        if not ended:
            posix.kill(pid, 9)
            posix.waitpid(pid, 0)
            return None
    return posix.waitpid(pid, 0)[1]


def _tail(output: int) -> str:
    size = posix.fstat(output).st_size
    text = posix.pread(output, _STDERR_SHOWN, max(0, size - _STDERR_SHOWN)).decode(
        "utf-8", "replace"
    )
    line = " ".join(text.split())
    return f": {line}" if line else ""
