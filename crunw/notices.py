"""What works, but worse than was asked for: reported as it happens, and kept with the container.

Any layer may call :func:`degraded`; ``crunw.cli.main`` says where it is shown. Who needs to know
only when looking for a cause calls :func:`detail`, which costs nothing without ``--debug``.
"""

from __future__ import annotations

import posix
from time import monotonic_ns

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

ERROR = "error"
WARNING = "warning"
DEBUG = "debug"
LEVELS = (ERROR, WARNING, "info", DEBUG)

_MAX_LENGTH = 2000  # characters of a message
_END_LENGTH = 500  # of which the end has so many: it says what is wrong with a long value
_MAX_KEPT = 65536  # bytes of a container's notices: each `exec` may add to them


class _Channel:
    """Where notices go: this process has one."""

    __slots__ = ("file", "level", "said", "show", "since")

    def __init__(self) -> None:
        self.said: list[str] = []  # each once
        self.show: Callable[[str, str], None] | None = None
        self.level = WARNING
        self.since = 0  # ns: when the stage began that is going on
        self.file = ""  # the container's; "" while there is none


_channel = _Channel()


def degraded(what: str, why: str) -> None:
    """Tell that ``what`` (a field, a path, a part of the container) works, but worse, and ``why``.

    Ends with what can be done about it, in parentheses, where there is something.
    """
    text = one_line(f"{what}: {why}")
    if text in _channel.said:
        return
    _channel.said.append(text)
    if _channel.show and _channel.level != ERROR:
        _channel.show(WARNING, text)
    _keep(text)


def detail(text: str) -> None:
    """Tell with ``--debug`` what an administrator may want to know."""
    if _channel.level == DEBUG and _channel.show:
        _channel.show(DEBUG, one_line(text))


def stage(name: str) -> None:
    """Tell with ``--debug`` that a stage is over, and how long it took since the last one was."""
    if _channel.level == DEBUG:
        now = monotonic_ns()
        detail(f"{name}: {(now - _channel.since) / 1e6:.2f} ms")
        _channel.since = now


def debugging() -> bool:
    """Whether details are reported."""
    return _channel.level == DEBUG


def show_by(show: Callable[[str, str], None], level: str) -> None:
    """From now on call ``show(level, text)`` for what is of ``level`` or more urgent."""
    _channel.show = show
    _channel.level = level
    _channel.since = monotonic_ns()


def hold() -> Callable[[], None]:
    """Show nothing from now on, but all of it when the function that is returned is called."""
    show = _channel.show
    held: list[tuple[str, str]] = []

    def release() -> None:
        _channel.show = show
        for level, text in held:
            if show:
                show(level, text)

    _channel.show = lambda level, text: held.append((level, text))
    return release


def keep_in(path: str) -> None:
    """Keep the notices of this process in a container's file, the earlier ones too."""
    _channel.file = path
    for text in _channel.said:
        _keep(text)


def said() -> list[str]:
    """What this process has reported."""
    return list(_channel.said)


def kept(path: str) -> list[str]:
    """The notices in a container's file, the oldest first. Raises OSError but for a missing one."""
    try:
        descriptor = posix.open(path, posix.O_RDONLY | posix.O_CLOEXEC | posix.O_NOFOLLOW)
    except FileNotFoundError:
        return []
    try:
        data = posix.read(descriptor, _MAX_KEPT)
    finally:
        posix.close(descriptor)
    return data.decode("utf-8", "surrogateescape").splitlines()


def one_line(text: str) -> str:
    """A message without line breaks, and without the middle of what is very long."""
    text = " ".join(text.splitlines())
    if len(text) <= _MAX_LENGTH:
        return text
    return f"{text[: _MAX_LENGTH - _END_LENGTH]} … {text[-_END_LENGTH:]}"


def _keep(text: str) -> None:
    if not _channel.file:
        return
    try:
        _append(_channel.file, text)
    except FileNotFoundError:
        pass  # the container has been deleted
    except OSError as error:
        path, _channel.file = _channel.file, ""
        degraded("notices", f"can't be kept in {path}: {error.strerror}")


def _append(path: str, text: str) -> None:
    present = kept(path)
    line = f"{text}\n".encode("utf-8", "surrogateescape")
    if text in present or sum(map(len, present)) + len(line) > _MAX_KEPT // 2:
        return
    flags = posix.O_WRONLY | posix.O_APPEND | posix.O_CREAT | posix.O_CLOEXEC | posix.O_NOFOLLOW
    descriptor = posix.open(path, flags, 0o600)
    try:
        posix.write(descriptor, line)
    finally:
        posix.close(descriptor)
