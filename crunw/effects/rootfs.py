"""Find a program inside a root filesystem that its owner may have made to mislead us.

Paths are walked by descriptor, a component at a time, each once; links are resolved inside the
root as the container would (``openat2(2)`` RESOLVE_IN_ROOT, which Python does not offer). Only used
to *decide* what runs: ``crunw-init`` opens the file again, inside the container.
"""

from __future__ import annotations

import posix
from _stat import S_ISCHR, S_ISLNK, S_ISREG

from crunw.errors import CrunwError
from crunw.files import is_directory
from crunw.plan.ops import MOUNT_COPY_LINK, MOUNT_SOURCE_LINK, MOUNT_TARGET_LINK

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Self

_HEAD = 8
_MAX_LINKS = 40
_MAX_OPENED = 1 << 15  # files in the life of a Root: no sane image needs a hundredth
_MAX_DIRECTORIES = 1024  # of $PATH, as in csrc/init/process.c
_MAX_KEPT = 128  # descriptors of a walk
_FLAGS = posix.O_PATH | posix.O_CLOEXEC
_DEFAULT_PATH = "/bin:/usr/bin"  # execvp(3), as crunw-init has it


class _Place:
    """A path at which something is mounted, or that leads there."""

    __slots__ = ("below", "flags", "number", "sources")

    def __init__(self) -> None:
        self.below: dict[str, _Place] = {}
        self.number = -1  # of the mount: the last one covers those before
        self.sources: Sequence[str] = ()
        self.flags = 0  # O_NOFOLLOW: a link is what is mounted


class Root:
    """A root filesystem with the mounts of the host's directories that will cover parts of it."""

    __slots__ = ("_binds", "_left", "_path", "top")

    def __init__(self, path: str, binds: Sequence[tuple[str, Sequence[str], int]]) -> None:
        """``binds``: (destination, sources, MOUNT_*_LINK) in the order of mounting: one source of a
        bind mount, the layers of an overlay with the uppermost first.
        """
        self._path = path
        self._left = _MAX_OPENED
        self.top = _Place()
        self.top.sources = (path,)
        self._binds: list[tuple[list[str], Sequence[str]]] = []
        for destination, sources, links in binds:
            try:
                self._bind(self._target(destination, sources, links), sources, links)
            except OSError:
                continue  # mounting there fails, too

    def _target(self, destination: str, sources: Sequence[str], links: int) -> list[str]:
        """The parts of the path of a mount, or of a link that is copied. Raises OSError."""
        copied = links & MOUNT_COPY_LINK and S_ISLNK(posix.lstat(sources[0]).st_mode)
        if not copied and not links & MOUNT_TARGET_LINK:
            return self._resolve(destination)
        directory, _, name = destination.rpartition("/")
        return [*self._resolve(directory), name] if name else []

    def _bind(self, parts: list[str], sources: Sequence[str], links: int) -> None:
        place = self.top
        for part in parts:
            place = place.below.setdefault(part, _Place())
        place.number, place.sources = len(self._binds), sources
        place.flags = posix.O_NOFOLLOW if links & (MOUNT_SOURCE_LINK | MOUNT_COPY_LINK) else 0
        self._binds.append((parts, sources))

    def find_program(self, name: str, cwd: str, environment: Sequence[str]) -> tuple[str, bytes]:
        """Return where ``args[0]`` is found, and the file's first four bytes.

        ``("", b"")`` when it isn't. A name without a slash is looked for in $PATH, as execvp(3)
        does, then in the working directory: images that hold one module name it so.
        """
        for candidate in _candidates(name, cwd, environment):
            head = self._read_head(candidate)
            if head is not None:
                return candidate, head
        return "", b""

    def directories(self) -> list[str]:
        """Names of the directories in "/", those that a bind mount makes included."""
        names: set[str] = set()
        for source in self.top.sources:
            with posix.scandir(source) as entries:
                names.update(entry.name for entry in entries if entry.is_dir(follow_symlinks=False))
        on_root = [number for number, (covered, _) in enumerate(self._binds) if not covered]
        later = self._binds[on_root[-1] + 1 :] if on_root else self._binds
        names.update(
            covered[0]
            for covered, sources in later
            if len(covered) > 1 or _is_directory(sources[0])
        )
        return sorted(names)

    def _read_head(self, path: str) -> bytes | None:
        """The first bytes of the regular file at ``path`` in the container; None: there is none."""
        try:
            found = self._find(path)
        except OSError:
            return None
        try:
            file = _reopen(found)
            try:
                return posix.pread(file, _HEAD, 0)
            finally:
                posix.close(file)
        except OSError:
            return b""  # there, but not readable
        finally:
            posix.close(found)

    def open_file(self, path: str) -> int:
        """Open the regular file at ``path`` in the container for reading. Raises OSError."""
        found = self._find(path)
        try:
            return _reopen(found)
        finally:
            posix.close(found)

    def _find(self, path: str) -> int:
        """An O_PATH descriptor of a regular file. Raises OSError."""
        with _Walk(self) as walk:
            walk.follow(path)
            descriptor = posix.dup(walk.descriptor())
        if not S_ISREG(posix.fstat(descriptor).st_mode):
            posix.close(descriptor)
            raise FileNotFoundError(f"{path}: not a regular file")
        return descriptor

    def resolve(self, path: str) -> str:
        """Return ``path`` with no link left in it; it may be missing. Raises OSError."""
        return "/" + "/".join(self._resolve(path))

    def _resolve(self, path: str) -> list[str]:
        """Return the parts of ``path`` with no link left in it. Raises OSError."""
        with _Walk(self) as walk:
            walk.follow(path)
            return list(walk.parts)

    def open(self, path: str, flags: int, directory: int | None = None) -> int:
        """Open an O_PATH descriptor; -1: it is missing. Raises OSError.

        The image, and a container that runs, decide how much there is to open: more than enough is
        an error.
        """
        self._left -= 1
        if self._left < 0:
            problem = f"its links lead through more than {_MAX_OPENED} files"
            raise CrunwError(f"root filesystem {self._path}: {problem}")
        try:
            return posix.open(path, _FLAGS | flags, dir_fd=directory)
        except FileNotFoundError:
            return -1


class _Step:
    """One part of a path, open in each layer of the mount that it is in, the uppermost first.

    ``descriptors`` are -1 where it is missing; empty once they have been closed.
    """

    __slots__ = ("descriptors", "mount", "place")

    def __init__(self, mount: int, place: _Place | None) -> None:
        self.descriptors: list[int] = []
        self.mount = mount  # the number of that mount
        self.place = place

    def seen(self) -> int:
        """What is seen of the layers; -1: nothing."""
        return next((found for found in self.descriptors if found >= 0), -1)

    def close(self) -> None:
        for found in self.descriptors:
            if found >= 0:
                posix.close(found)
        self.descriptors = []


class _Walk:
    """The state of a resolution: the parts so far, with open descriptors of the last of them, so
    that each part is opened once, also after ``..``.
    """

    __slots__ = ("_root", "_steps", "parts")

    def __init__(self, root: Root) -> None:
        self._root = root
        self.parts: list[str] = []
        self._steps: list[_Step] = []
        self._begin()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._cut(0)

    def descriptor(self) -> int:
        """That of the walk's place. Raises FileNotFoundError."""
        found = self._last().seen()
        if found < 0:
            raise FileNotFoundError("/".join(self.parts))
        return found

    def follow(self, path: str) -> None:
        """Go along ``path``; what is missing may be a directory that a mount below it makes.

        Raises OSError.
        """
        rest = [part for part in path.split("/") if part][::-1]
        links = 0
        while rest:
            part = rest.pop()
            if part == ".":
                continue
            if part == "..":
                self._cut(max(1, len(self._steps) - 1))
                continue
            target = self._enter(part)
            if target is None:
                continue
            links += 1
            if links > _MAX_LINKS:
                raise OSError(f"{path}: too many links")
            if target.startswith("/"):
                self._cut(1)
            rest += [piece for piece in target.split("/") if piece][::-1]

    def _enter(self, part: str) -> str | None:
        """Go one part on; not where that is a link, but return its target."""
        step = self._below(part, self._last())
        found = step.seen()
        if found >= 0 and S_ISLNK(posix.fstat(found).st_mode):
            try:
                return posix.readlink("", dir_fd=found)
            finally:
                step.close()
        self._add(part, step)
        return None

    def _begin(self) -> None:
        top = self._root.top
        self._steps = [self._opened(_Step(top.number, top), top.sources, [])]

    def _below(self, part: str, above: _Step) -> _Step:
        place = above.place.below.get(part) if above.place else None
        if place and place.number > above.mount:
            return self._opened(_Step(place.number, place), place.sources, [])
        step = self._opened(_Step(above.mount, place), [part], above.descriptors)
        found = step.seen()
        if found >= 0 and len(step.descriptors) > 1 and _is_whiteout(found):
            step.close()
            step.descriptors = [-1]
        return step

    def _opened(self, step: _Step, paths: Sequence[str], directories: list[int]) -> _Step:
        """Open the sources of a mount, or one name in the layers of the directory above."""
        try:
            how = step.place.flags if step.place else 0
            for path in paths if not directories else ():
                step.descriptors.append(self._root.open(path, how))
            for directory in directories:
                found = -1
                if directory >= 0:
                    found = self._root.open(paths[0], posix.O_NOFOLLOW, directory)
                step.descriptors.append(found)
        except BaseException:
            step.close()
            raise
        return step

    def _add(self, part: str, step: _Step) -> None:
        self.parts.append(part)
        self._steps.append(step)
        old = max(1, _MAX_KEPT // len(step.descriptors))
        if len(self._steps) > old:
            self._steps[-old - 1].close()

    def _last(self) -> _Step:
        """The last part, opened again from the root on if it has been closed."""
        if not self._steps[-1].descriptors:
            parts = list(self.parts)
            self._cut(0)
            self._begin()
            for part in parts:
                self._add(part, self._below(part, self._steps[-1]))
        return self._steps[-1]

    def _cut(self, length: int) -> None:
        for step in self._steps[length:]:
            step.close()
        del self._steps[length:]
        del self.parts[max(0, length - 1) :]


def _is_whiteout(descriptor: int) -> bool:
    """Whether the upper layer of an overlay says so that there is nothing (overlayfs.rst)."""
    status = posix.fstat(descriptor)
    return S_ISCHR(status.st_mode) and status.st_rdev == 0


def _reopen(descriptor: int) -> int:
    return posix.open(f"/proc/self/fd/{descriptor}", posix.O_RDONLY | posix.O_CLOEXEC)


def _candidates(name: str, cwd: str, environment: Sequence[str]) -> list[str]:
    if "/" in name:
        return [_join(cwd, name)]
    paths = (entry[5:] for entry in environment if entry.startswith("PATH="))
    search = next(paths, _DEFAULT_PATH)
    directories = search.split(":", _MAX_DIRECTORIES)[:_MAX_DIRECTORIES]
    return [_join(_join(cwd, directory), name) for directory in [*directories, ""]]


def _join(directory: str, path: str) -> str:
    """``path``, as seen from ``directory``."""
    return (
        path if path.startswith("/") else f"{directory.rstrip('/')}/{path}" if path else directory
    )


def _is_directory(source: str) -> bool:
    """Of one that can't be looked at the mount says why."""
    try:
        return is_directory(source)
    except OSError:
        return False
