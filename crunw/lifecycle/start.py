"""``start``: let a created container's process execute the program."""

from __future__ import annotations

import posix

from crunw import notices, status
from crunw.effects import hooks
from crunw.effects.init import follow_reports, read_all
from crunw.effects.store import Container
from crunw.errors import CrunwError, KernelError, StateError
from crunw.files import exists
from crunw.lifecycle.state import current, hook_state
from crunw.plan.annotations import hook_outputs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from crunw.effects.notify import Readiness
    from crunw.effects.store import Record


def start(root: str, container_id: str) -> None:
    """Start the container. Raises :class:`CrunwError`, also when the program can't be executed."""
    container = Container(root, container_id)
    container.lock()
    record = container.read()
    status.check("start", container_id, current(container, record))
    notices.keep_in(container.notices_file())
    readiness = listen(container, record)
    release(container)
    run_poststart(container, record)
    container.unlock()  # a program may take its time, or never be ready
    wait_ready(readiness, record, record["pid"])


def listen(container: Container, record: Record) -> Readiness | None:
    """The socket on which the program says that it is ready, where somebody waits for that; before
    :func:`release`. Raises :class:`CrunwError`.
    """
    if not record.get("notify"):
        return None
    from crunw.effects.notify import Readiness, address

    return Readiness(container.directory) if address() else None


def wait_ready(readiness: Readiness | None, record: Record, main: int) -> None:
    """Wait until the program is ready or has ended. ``main``: as in ``crunw.effects.notify``.

    A module can't speak the protocol: it is ready when it runs.
    """
    if not readiness:
        return
    if record["notify"] == "wasm":
        from crunw.effects.notify import tell_ready

        tell_ready(main)
    else:
        readiness.wait(record["pid"], record["startTime"], main)


def beside(readiness: Readiness | None, record: Record) -> Callable[[], object]:
    """As :func:`wait_ready` while the caller does something else; call the result for its end.

    The caller stays the unit's main process.
    """
    if not readiness:
        return lambda: None
    from _thread import allocate_lock, start_new_thread

    done = allocate_lock()
    done.acquire()

    def wait() -> None:
        try:
            wait_ready(readiness, record, 0)
        finally:
            done.release()

    start_new_thread(wait, ())
    return done.acquire


def release(container: Container) -> None:
    """Write to the ``start`` FIFO; return when the program runs."""
    _compile_later(container)
    started = _open(container.started_fifo(), posix.O_RDONLY)
    go = _open(container.start_fifo(), posix.O_WRONLY)
    try:
        # First: where it can't go, the container would stay "created" though it runs.
        posix.unlink(container.start_fifo())
        posix.write(go, b"g")
    except BrokenPipeError:
        raise _ended() from None
    except OSError as error:
        raise KernelError("start", container.start_fifo(), error) from error
    posix.close(go)
    posix.set_blocking(started, True)
    follow_reports(read_all(started))
    posix.close(started)
    posix.unlink(container.started_fifo())


def _compile_later(container: Container) -> None:
    """Not by ``create``: conmon would inherit the compiler, and wait for it in the end."""
    if not exists(container.later_file()):
        return
    from crunw.aot.background import take_up

    if problem := take_up(container.later_file()):
        notices.degraded("compiled code", f"{problem} (nothing is compiled for later starts)")


def run_poststart(container: Container, record: Record) -> None:
    """Run the poststart hooks. If one fails the container is stopped, as runc does."""
    wanted = record["hooks"].get("poststart")
    if not wanted:
        return
    try:
        state = hook_state(container, record, status.RUNNING)
        outputs = hook_outputs(record.get("annotations") or {})
        hooks.run("poststart", wanted, state, record["bundle"], outputs)
    except CrunwError:
        from crunw.effects.processes import send_signal

        send_signal(record["pid"], record["startTime"], 9)
        raise


def _ended() -> StateError:
    return StateError("the container's process has ended before it was started")


def _open(path: str, mode: int) -> int:
    """Open a FIFO without waiting for the other side (ENXIO: there is none any more)."""
    try:
        return posix.open(path, mode | posix.O_NONBLOCK | posix.O_CLOEXEC)
    except OSError as error:
        if error.errno == 6:
            raise _ended() from None
        raise KernelError("open", path, error) from error
