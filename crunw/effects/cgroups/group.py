"""One container's cgroup: the directory of the same path in every hierarchy.

Files and their rules: Documentation/admin-guide/cgroup-v1 and cgroup-v2 of the kernel.
"""

from __future__ import annotations

import errno
import posix
import time

from crunw import notices
from crunw.effects.cgroups import files
from crunw.effects.cgroups.files import pauses, put, read
from crunw.errors import CrunwError, KernelError, SpecError, StateError
from crunw.files import exists, is_directory, parent

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any, Self

    from crunw.effects.cgroups.layout import Layout
    from crunw.plan.resources import Write

_UNIFIED = ""  # as layout.UNIFIED, which the verbs that only read a record need not import
_SIGKILL = 9
# No limit of processor time, and the default share; cpu.idle first: shares depend on it.
_PROCESSOR = (
    ("cpu.idle", "0"),
    ("cpu.shares", "1024"),
    ("cpu.cfs_quota_us", "-1"),
    ("cpu.weight", "100"),
    ("cpu.max", "max"),
)


class Cgroup:
    """A container's cgroup; making the object touches nothing."""

    __slots__ = ("_directories", "mode", "path")

    def __init__(self, mode: str, path: str, directories: dict[str, str]) -> None:
        self.mode = mode
        self.path = path
        self._directories = directories  # by hierarchy, keys as in Layout.tops

    @classmethod
    def at(cls, layout: Layout, path: str) -> Self:
        """The cgroup of ``path`` (from :func:`crunw.effects.cgroups.layout.group_path`)."""
        return cls(layout.mode, path, {key: top + path for key, top in layout.tops.items()})

    @classmethod
    def from_record(cls, record: dict[str, Any]) -> Self:
        """What :meth:`record` made, in a later process."""
        return cls(record["mode"], record["path"], record["directories"])

    def record(self) -> dict[str, Any]:
        """A plain dict for the state file."""
        return {"mode": self.mode, "path": self.path, "directories": self._directories}

    @property
    def unified(self) -> str:
        """The cgroup v2 directory, or "" where none is mounted."""
        return self._directories.get(_UNIFIED, "")

    def v1_directories(self) -> list[tuple[str, str]]:
        """``(controllers, directory)`` of each v1 hierarchy; "cpu,cpuacct", "name=systemd"."""
        return [(key, path) for key, path in self._directories.items() if key]

    def join_files(self) -> list[str]:
        """The files of v1 to which a single-threaded process writes "0" to move itself in.

        ``tasks``: moving just the calling thread takes no lock of its thread group.
        ``cgroup.procs`` takes a system-wide one and waits for RCU grace periods, 5 to 20 ms in an
        idle system. Where cgroup v2 is mounted :attr:`unified` must be joined too; clone3(2) with
        CLONE_INTO_CGROUP avoids that wait there.
        """
        return [f"{directory}/tasks" for _, directory in self.v1_directories()]

    def admit(self, pid: int) -> None:
        """Do what a process needs to have done before it may join: nothing. Moves nothing."""

    def create(self, writes: list[Write], first: int = 0) -> None:
        """Make the directories and apply ``writes``; on an error, remove what was made.

        ``first``: a process that may be in it already. An empty directory left over from before is
        reused; one with other processes in it is a :class:`StateError`. Otherwise raises as
        :meth:`apply`, and :class:`KernelError`.
        """
        if not self._directories:
            raise StateError("no cgroup hierarchy is mounted")
        made: list[str] = []
        mask = posix.umask(0)  # a program that is not root reads its limits there
        try:
            for key, directory in self._directories.items():
                top = directory.removesuffix(self.path)
                pids = [] if _make(directory, top, made) else _procs(directory)
                if pids and pids != [first]:
                    raise StateError(f"cgroup {directory} is in use by {len(pids)} processes")
                if key == _UNIFIED:
                    self.enable_controllers(writes)
                    _check_domain(directory)
                elif "cpuset" in key.split(","):
                    _inherit_cpuset(directory, top)
            Cgroup.apply(self, writes)  # of a scope, systemd knows them already
        except BaseException as error:
            _unmake(made)
            if isinstance(error, OSError):
                raise KernelError("cgroup", error.filename or self.path, error) from error
            raise
        finally:
            posix.umask(mask)

    def enable_controllers(self, writes: list[Write]) -> None:
        """On cgroup v2 have the parents hand down what ``writes`` need; all where v2 is alone."""
        if self.unified:
            wanted = None if self.mode == "v2" else {write.controller for write in writes}
            _enable_controllers(self.unified.removesuffix(self.path), self.path, wanted)

    def apply(self, writes: list[Write]) -> None:
        """Write the limits, in order.

        One that the kernel refuses because it does not fit the old value of a related file
        (memory.limit_in_bytes and memsw, period and quota) is tried again after the others.
        Raises :class:`SpecError` with the field for what the kernel refuses or does not have.
        """
        self.check_usage(writes)
        refused = []
        for write in writes:
            try:
                self._write(write)
            except OSError as error:
                if error.errno not in (errno.EINVAL, errno.EBUSY):
                    raise self._spec_error(write, error) from error
                refused.append(write)
        for write in refused:
            try:
                self._write(write)
            except OSError as error:
                raise self._spec_error(write, error) from error

    def check_usage(self, writes: list[Write]) -> None:
        """Raise :class:`SpecError` for a limit below what is in use, where that was asked for."""
        for write in writes:
            if not write.usage_file:
                continue
            file = f"{self.directory(write.controller)}/{write.usage_file}"
            usage = int(read(file)) if exists(file) else 0  # no such controller: writing says so
            if usage > int(write.value):
                problem = f"{write.value} is less than is in use, {usage}"
                raise SpecError(write.field, problem)

    def _write(self, write: Write) -> None:
        directory = self.directory(write.controller)
        if not directory and write.resets:
            return
        if not directory:
            raise FileNotFoundError(errno.ENOENT, posix.strerror(errno.ENOENT))
        try:
            put(f"{directory}/{write.file}", write.value)
        except FileNotFoundError:
            if write.fallback:
                self._write(write.fallback)
            elif not (write.optional or write.resets) or not self._has(write.controller, directory):
                raise

    def directory(self, controller: str) -> str:
        """Where that controller is found: its v1 hierarchy, else the unified one ("": neither)."""
        for key, directory in self._directories.items():
            if controller in key.split(","):
                return directory
        return self.unified

    def _has(self, controller: str, directory: str) -> bool:
        if directory != self.unified:
            return True
        return controller in read(f"{directory}/cgroup.controllers").split()

    def _spec_error(self, write: Write, error: OSError) -> SpecError:
        directory = self.directory(write.controller)
        missing = isinstance(error, FileNotFoundError)
        if missing and not (directory and self._has(write.controller, directory)):
            problem = f"the cgroup controller {write.controller} is not available"
        else:
            problem = f"writing {write.value!r} to {write.file}: {error.strerror}"
        return SpecError(write.field, problem)

    def procs(self) -> list[int]:
        """The pids of all processes in the cgroup and below it; none when it is gone."""
        return _procs(self._main_directory())

    def _main_directory(self) -> str:
        """The hierarchy to look processes up in: they are in all of them."""
        return self.unified or self.directory("freezer") or next(iter(self._directories.values()))

    def kill(self) -> None:
        """SIGKILL to every process in the cgroup and below it, also to those just being forked.

        Raises :class:`KernelError`. Returns before they have ended. A cgroup that goes meanwhile,
        as systemd removes an empty one, is not an error.
        """
        try:
            if is_directory(self._main_directory()):
                self._kill()
        except (KernelError, OSError) as error:
            if not _has_gone(self._main_directory(), error):
                raise

    def _kill(self) -> None:
        self.hasten()  # to be frozen takes processor time, too
        freezer = self.directory("freezer")
        if self.unified and exists(f"{self.unified}/cgroup.kill"):
            put(f"{self.unified}/cgroup.kill", "1")
        else:
            if freezer:
                self.freeze()
            for pid in self.procs():
                _kill(pid, _SIGKILL)
        if freezer != self.unified and is_directory(freezer):
            self.thaw()  # what is frozen on v1 does not end

    def hasten(self) -> None:
        """Lift the limits of processor time: what has been killed needs some to end.

        With a share of 2 beside busy neighbours that would take minutes. What can't be lifted is
        left: the wait for the end that follows says what comes of it.
        """
        if directory := self.directory("cpu"):
            _lift_limits(directory)

    def signal(self, number: int) -> None:
        """Send a signal to every process in the cgroup and below it."""
        for pid in self.procs():
            _kill(pid, number)

    def freezer_state(self) -> tuple[str, str]:
        """The file that says whether the cgroup is frozen, and what it holds when it is not."""
        directory = self.directory("freezer")
        if directory == self.unified:
            return f"{directory}/cgroup.freeze", "0"
        return f"{directory}/freezer.state", "THAWED"

    def frozen(self) -> bool:
        """Whether the cgroup is frozen or being frozen."""
        file, thawed = self.freezer_state()
        try:
            return read(file).strip() != thawed
        except FileNotFoundError:
            return False

    def frozen_place(self) -> str:
        """The frozen cgroup, this one or one above it, in which a new process would not run; ""."""
        directory, unified = self.directory("freezer"), self.unified
        file, thawed = self.freezer_state()
        name = file.rpartition("/")[2]
        top = directory.removesuffix(self.path)
        while directory and len(directory) > len(top):
            try:
                if read(f"{directory}/{name}").strip() != thawed:
                    return directory
                if directory != unified:
                    break  # v1: its state covers those above, too
            except OSError:
                pass  # not made yet, or no file of the kind
            directory = parent(directory)
        return ""

    def below(self, wanted: Sequence[str]) -> Cgroup:
        """The cgroups of these paths below this one, in the hierarchies that have them.

        ``PATH``, or ``CONTROLLER,…:PATH`` once for each hierarchy that is meant, as runc has it.
        Raises :class:`CrunwError` if there is none.
        """
        found: dict[str, str] = {}
        for word in wanted:
            if len(wanted) > 1 and ":" not in word:
                raise CrunwError(f"--cgroup {word}: one of several needs its CONTROLLER")
            found |= self._below(word)
        return Cgroup(self.mode, self.path, {**self._directories, **found})

    def _below(self, word: str) -> dict[str, str]:
        controllers, colon, path = word.partition(":") if ":" in word else ("", "", word)
        keys = {
            key
            for name in controllers.split(",")
            for key in self._directories
            if not colon or name in key.split(",")
        }
        if colon and not keys:
            raise CrunwError(f"--cgroup {word}: no hierarchy of cgroup v1 has that controller")
        parts = [part for part in path.split("/") if part not in ("", ".")]
        inner = "".join(f"/{part}" for part in parts)
        found = {
            key: self._directories[key] + inner
            for key in keys
            if is_directory(self._directories[key] + inner)
        }
        if ".." in parts or not found:
            raise CrunwError(f"--cgroup {word}: there is no such cgroup below the container's")
        return found

    def tops(self) -> dict[str, str]:
        """The mount points of the hierarchies, as :class:`~crunw.effects.cgroups.layout.Layout`
        takes them.
        """
        return {key: path.removesuffix(self.path) for key, path in self._directories.items()}

    def directories(self) -> list[str]:
        """The container's directory in each hierarchy."""
        return list(self._directories.values())

    def freeze(self) -> None:
        """Stop every process of the cgroup; returns when they have stopped (``pause``).

        Raises :class:`KernelError`, with ETIMEDOUT when they do not.
        """
        self._set_frozen(True)

    def thaw(self) -> None:
        """Undo :meth:`freeze`. In a cgroup that goes meanwhile nothing is frozen any more."""
        try:
            self._set_frozen(False)
        except KernelError as error:
            if not _has_gone(self.directory("freezer"), error):
                raise

    def _set_frozen(self, frozen: bool) -> None:
        from crunw.effects.cgroups.freezer import freeze_v1, freeze_v2  # not needed to start

        directory = self.directory("freezer")
        if not directory:
            raise CrunwError("the cgroup controller freezer is not available")
        freeze = freeze_v2 if directory == self.unified else freeze_v1
        try:
            freeze(directory, frozen)
        except OSError as error:
            raise KernelError("freeze" if frozen else "thaw", directory, error) from error

    def delete(self) -> None:
        """Remove the directories and all below them; parents stay, as in runc and crun.

        Waits for processes that are ending. Raises :class:`KernelError` (EBUSY) for those that
        are not, the first error when all has been tried.
        """
        deadline = time.monotonic() + files.PATIENCE
        problem = None
        for directory in self._directories.values():
            try:
                _remove(directory, deadline)
            except KernelError as error:
                problem = problem or error
        if problem:
            raise problem


def _has_gone(directory: str, error: KernelError | OSError) -> bool:
    """Whether an error is that the cgroup has been removed, as systemd removes an empty one.

    ENODEV is what an opened file says then; ENOENT may also mean that there is no such file.
    """
    return error.errno == errno.ENODEV or (
        error.errno == errno.ENOENT and not is_directory(directory)
    )


def _lift_limits(directory: str) -> None:
    """Of processor time, in a cgroup and below it."""
    for file, value in _PROCESSOR:
        try:
            put(f"{directory}/{file}", value)
        except OSError:  # of the other version, gone, without the controller
            continue
    for child in _children(directory):
        _lift_limits(child)


def _kill(pid: int, number: int) -> None:
    try:
        posix.kill(pid, number)
    except ProcessLookupError:
        pass


def _procs(directory: str) -> list[int]:
    try:
        text = read(f"{directory}/cgroup.procs")
    except OSError as error:
        # Gone meanwhile, or a threaded cgroup, whose processes its domain lists.
        if error.errno not in (errno.ENOENT, errno.EOPNOTSUPP):
            raise
        text = ""
    pids = [int(pid) for pid in text.split() if pid != "0"]  # 0: outside of our pid namespace
    for child in _children(directory):
        pids += _procs(child)
    return pids


def _children(directory: str) -> list[str]:
    try:
        with posix.scandir(directory) as entries:
            return [e.path for e in entries if e.is_dir(follow_symlinks=False)]
    except FileNotFoundError:
        return []


def _make(directory: str, top: str, made: list[str]) -> bool:
    """mkdir with parents; what is new is appended to ``made``. False: it was there."""
    try:
        posix.mkdir(directory, 0o755)
    except FileExistsError:
        return False
    except FileNotFoundError:
        above = parent(directory)
        if above == top:
            raise
        _make(above, top, made)
        posix.mkdir(directory, 0o755)
    made.append(directory)
    return True


def _unmake(made: list[str]) -> None:
    for directory in reversed(made):
        try:
            posix.rmdir(directory)
        except OSError:  # a parent that another container has begun to use
            return


def _remove(directory: str, deadline: float) -> None:
    for _ in pauses(deadline):
        try:
            posix.rmdir(directory)
        except FileNotFoundError:
            return
        except OSError as error:
            if error.errno != errno.EBUSY:
                raise KernelError("rmdir", directory, error) from error
            for child in _children(directory):
                _remove(child, deadline)
        else:
            return
    raise KernelError("rmdir", directory, OSError(errno.EBUSY, posix.strerror(errno.EBUSY)))


def _inherit_cpuset(directory: str, top: str) -> None:
    """A new v1 cpuset is empty, and no process can join it: take the parent's."""
    for file in ("cpuset.cpus", "cpuset.mems"):
        if directory == top or read(f"{directory}/{file}").strip():
            continue
        above = parent(directory)
        _inherit_cpuset(above, top)
        put(f"{directory}/{file}", read(f"{above}/{file}").strip())


def _enable_controllers(top: str, path: str, wanted: set[str] | None) -> None:
    """Hand controllers down from ``top`` to the cgroup ``path`` (all if ``wanted`` is None).

    What can't be enabled on the way (a parent with processes of its own) is left: only a limit
    that needs it is an error, when it is written.
    """
    controllers = set(read(f"{top}/cgroup.controllers").split())
    if wanted is not None:
        controllers &= wanted
    directory = top
    for part in path.split("/")[1:] if controllers else ():
        control = f"{directory}/cgroup.subtree_control"
        missing = sorted(controllers.difference(read(control).split()))
        if missing:
            if _has_own_processes(directory):
                notices.detail(f"{control}: {' '.join(missing)}: not enabled: there are processes")
                return  # it would become a threaded domain, in which there can be no container
            try:
                put(control, " ".join(f"+{name}" for name in missing))
            except OSError:
                for name in missing:
                    try:
                        put(control, f"+{name}")
                    except OSError as error:
                        notices.detail(f"{control}: {name}: not enabled: {error.strerror}")
                        controllers.discard(name)
        directory = f"{directory}/{part}"


def _has_own_processes(directory: str) -> bool:
    """Whether a cgroup of v2 other than the root has processes in itself."""
    try:
        return exists(f"{directory}/cgroup.type") and bool(read(f"{directory}/cgroup.procs"))
    except OSError:  # it is threaded already
        return True


def _check_domain(directory: str) -> None:
    """Below a threaded cgroup there are only threads of its processes, none from outside."""
    kind = read(f"{directory}/cgroup.type").strip()
    if kind != "domain":
        raise StateError(f"cgroup {directory} can't hold a container: its type is {kind!r}")
