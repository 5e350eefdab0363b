"""The state directory: one directory a container, ``<root>/<id>/`` (``csrc/contract.toml``)."""

from __future__ import annotations

import errno
import posix
from fcntl import LOCK_EX, LOCK_NB, flock

from crunw import directories, notices
from crunw.contract import (
    STATE_CONFIG,
    STATE_COUNTERS,
    STATE_EXEC,
    STATE_EXEC_PROCESS,
    STATE_FAST,
    STATE_LATER,
    STATE_LOCK,
    STATE_NOTICES,
    STATE_RECORD,
    STATE_START,
    STATE_STARTED,
)
from crunw.errors import KernelError, StateError, UsageError
from crunw.files import create_file, environment, exists, is_directory, is_special, parent
from crunw.oci.jsontext import dumps, loads
from crunw.paths import is_rootless

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    Record = dict[str, Any]

_ID_CHARACTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_+-.")
_ID_LENGTH = 1024
_KINDS: dict[str, type | tuple[type, ...]] = {
    "pid": int,
    "startTime": int,
    "bundle": str,
    "rootfs": str,
    "annotations": dict,
    "hooks": dict,
    "cgroup": (dict, type(None)),
}


def default_root() -> str:
    """``/run/crunw``, or below $XDG_RUNTIME_DIR for an ordinary user.

    Never in a directory that everyone may write to: there somebody else could be first.
    """
    if not is_rootless():
        return "/run/crunw"
    runtime_dir = environment("XDG_RUNTIME_DIR") or f"/run/user/{posix.geteuid()}"
    return f"{runtime_dir}/crunw"


def check_id(container_id: str) -> None:
    """Raise :class:`StateError` for an id that is not a plain file name (as runc checks it)."""
    if (
        not container_id
        or len(container_id) > _ID_LENGTH
        or container_id in (".", "..")
        or not _ID_CHARACTERS.issuperset(container_id)
    ):
        raise StateError(f"container id {container_id!r}: use only letters, digits and _ + - .")


def container_ids(root: str) -> list[str]:
    """The ids below ``root``, sorted."""
    try:
        names = posix.listdir(root)
    except FileNotFoundError:
        return []
    return sorted(name for name in names if is_directory(f"{root}/{name}"))


class Container:
    """The state directory of one container."""

    __slots__ = ("_lock", "directory", "id")

    def __init__(self, root: str, container_id: str) -> None:
        check_id(container_id)
        self.id = container_id
        self.directory = f"{root}/{container_id}"
        self._lock = -1

    def make(self) -> None:
        """Create the directory and lock it. Raises :class:`StateError` if the id is taken."""
        try:
            try:
                posix.mkdir(self.directory, 0o700)
            except FileNotFoundError:
                directories.create(parent(self.directory), directories.PRIVATE)
                posix.mkdir(self.directory, 0o700)
        except FileExistsError:
            raise self.taken() from None
        except OSError as error:
            raise KernelError("mkdir", self.directory, error) from error
        try:
            self.lock()
        except KernelError:
            self.remove()
            raise

    def exec_recipe(self, *, by_file: bool) -> str:
        """Where what :mod:`crunw.plan.exec_recipe` makes is kept; ``by_file``: of --process."""
        return f"{self.directory}/{STATE_EXEC_PROCESS if by_file else STATE_EXEC}"

    def exists(self) -> bool:
        """Whether there is a container of this id, be it half made."""
        return exists(self.directory)

    def lock(self, *, wait: bool = True) -> bool:
        """Take the lock (released by :meth:`unlock` or at exit). False: another process has it.

        Raises :class:`StateError` when the container does not exist.
        """
        path = f"{self.directory}/{STATE_LOCK}"
        try:
            self._lock = posix.open(path, posix.O_RDWR | posix.O_CREAT | posix.O_CLOEXEC, 0o600)
            flock(self._lock, LOCK_EX if wait else LOCK_EX | LOCK_NB)
            if posix.fstat(self._lock).st_nlink:
                return True
        except (FileNotFoundError, NotADirectoryError):
            raise self.missing() from None
        except BlockingIOError:
            self.unlock()
            return False
        except OSError as error:
            raise KernelError("lock", path, error) from error
        self.unlock()
        raise self.missing()  # deleted while we waited

    def locked(self) -> bool:
        """Whether this object has the lock."""
        return self._lock >= 0

    def unlock(self) -> None:
        """Give the lock back."""
        posix.close(self._lock)
        self._lock = -1

    def missing(self) -> StateError:
        """The error for a container that does not exist."""
        return StateError(f"container {self.id} does not exist")

    def taken(self) -> StateError:
        """The error for an id that another container has."""
        return StateError(f"container {self.id} already exists")

    def read(self) -> Record:
        """Return the record; empty when ``create`` died before its first.

        Raises :class:`StateError` for one that is damaged.
        """
        try:
            with open(f"{self.directory}/{STATE_RECORD}", "rb") as file:
                text = file.read().decode("utf-8", "surrogateescape")
        except (FileNotFoundError, NotADirectoryError):
            if exists(f"{self.directory}/{STATE_FAST}"):  # which is written after the first record
                raise self._damaged("it is missing") from None
            if is_directory(self.directory):
                return {}
            raise self.missing() from None
        except OSError as error:
            raise KernelError("read", f"{self.directory}/{STATE_RECORD}", error) from error
        try:
            record = loads(text)
        except ValueError as error:
            raise self._damaged(str(error)) from None
        if not isinstance(record, dict):
            raise self._damaged("not an object")
        for name, kind in _KINDS.items():
            if name in record and not isinstance(record[name], kind):
                raise self._damaged(f"{name}: not of its type")
        return record

    def fast_record(self) -> bytes:
        """Return the launcher's record (:mod:`crunw.effects.fast`); empty where there is none."""
        try:
            with open(f"{self.directory}/{STATE_FAST}", "rb", buffering=0) as file:
                return file.readall()
        except FileNotFoundError:
            return b""
        except OSError as error:
            raise KernelError("read", f"{self.directory}/{STATE_FAST}", error) from error

    def _damaged(self, problem: str) -> StateError:
        path = f"{self.directory}/{STATE_RECORD}"
        return StateError(f"container {self.id}: {path} is damaged: {problem}")

    def write(self, record: Record) -> None:
        """Replace the record."""
        write_file(f"{self.directory}/{STATE_RECORD}", dumps(record))

    def stage(self, record: Record, fast: str) -> None:
        """Have a record, and that of the launcher (:mod:`crunw.effects.fast`), on the disk, for
        :meth:`publish` to put in place.
        """
        stage_file(f"{self.directory}/{STATE_FAST}", fast)
        stage_file(f"{self.directory}/{STATE_RECORD}", dumps(record))

    def publish(self) -> None:
        """Replace both records by what :meth:`stage` has written."""
        publish_file(f"{self.directory}/{STATE_FAST}")
        publish_file(f"{self.directory}/{STATE_RECORD}")

    def config(self) -> str:
        """Return the path of the copy of the specification."""
        return f"{self.directory}/{STATE_CONFIG}"

    def make_fifos(self) -> None:
        """Create ``start`` and ``started``."""
        for path in (self.start_fifo(), self.started_fifo()):
            try:
                posix.mkfifo(path, 0o600)
            except OSError as error:
                raise KernelError("mkfifo", path, error) from error

    def counters(self) -> str:
        """Return the path of the module's counters."""
        return f"{self.directory}/{STATE_COUNTERS}"

    def notices_file(self) -> str:
        """Return the path of the container's notices, for :func:`crunw.notices.keep_in`."""
        return f"{self.directory}/{STATE_NOTICES}"

    def later_file(self) -> str:
        """Return the path of what ``start`` has compiled (:func:`crunw.aot.background.leave`)."""
        return f"{self.directory}/{STATE_LATER}"

    def notices(self) -> list[str]:
        """What works worse than was asked for, the oldest first."""
        try:
            return notices.kept(self.notices_file())
        except OSError as error:
            return [f"notices: can't be read from {self.notices_file()}: {error.strerror}"]

    def start_fifo(self) -> str:
        """The FIFO the container's process waits on. It exists until the container is started."""
        return f"{self.directory}/{STATE_START}"

    def started_fifo(self) -> str:
        """The FIFO that is at its end once the program has been executed."""
        return f"{self.directory}/{STATE_STARTED}"

    def remove(self) -> None:
        """Delete the directory. The lock goes last: a process that waits for it finds it gone."""
        try:
            while not self._remove_once():
                pass
        except OSError as error:
            raise KernelError("remove", self.directory, error) from error

    def _remove_once(self) -> bool:
        """False: another process, which was late, has created the lock again."""
        try:
            for name in sorted(posix.listdir(self.directory), key=STATE_LOCK.__eq__):
                _remove_entry(f"{self.directory}/{name}")
            posix.rmdir(self.directory)
        except FileNotFoundError:
            return not exists(self.directory)
        except OSError as error:
            if error.errno != errno.ENOTEMPTY:
                raise
            return False
        return True


def _remove_entry(path: str) -> None:
    """Remove a file, or a directory of files."""
    try:
        posix.unlink(path)
    except IsADirectoryError:
        if not path.endswith("/notify"):  # crunw.effects.notify has made it
            raise
        for name in posix.listdir(path):
            posix.unlink(f"{path}/{name}")
        posix.rmdir(path)


def read_file(path: str) -> bytes:
    """The bytes of a regular file; none of another, or of one that can't be read."""
    try:
        descriptor = posix.open(path, posix.O_RDONLY | posix.O_NONBLOCK | posix.O_CLOEXEC)
        with open(descriptor, "rb", buffering=0) as file:
            regular = posix.fstat(descriptor).st_mode & 0o170000 == 0o100000
            return file.readall() if regular else b""
    except OSError:
        return b""


def write_file(path: str, text: str) -> None:
    """Write ``text`` so that a reader sees either the old content or all of the new."""
    stage_file(path, text)
    publish_file(path)


def write_pid_file(path: str, pid: int) -> None:
    """Write what ``--pid-file`` asks for. A device or a FIFO would be replaced by a file."""
    if is_special(path):
        raise UsageError(f"--pid-file {path}: is not a regular file")
    write_file(path, str(pid))


def stage_file(path: str, text: str) -> None:
    """Write ``text`` beside ``path``, for :func:`publish_file`."""
    try:
        descriptor = create_file(_temporary(path), 0o600)
        try:
            data = text.encode("utf-8", "surrogateescape")
            while data:
                data = data[posix.write(descriptor, data) :]
        finally:
            posix.close(descriptor)
    except OSError as error:
        _discard(path)
        raise KernelError("write", path, error) from error


def publish_file(path: str) -> None:
    """Replace ``path`` by what :func:`stage_file` has written."""
    try:
        posix.rename(_temporary(path), path)
    except OSError as error:
        _discard(path)
        raise KernelError("write", path, error) from error


def _discard(path: str) -> None:
    """Leave nothing beside ``path``, where others may look."""
    try:
        posix.unlink(_temporary(path))
    except OSError:
        pass  # most often it was not created


def _temporary(path: str) -> str:
    return f"{path}.{posix.getpid()}"


def containers(root: str) -> Iterator[Container]:
    """All containers below ``root``."""
    for name in container_ids(root):
        yield Container(root, name)
