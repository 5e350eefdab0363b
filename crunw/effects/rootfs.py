"""Find a program inside a root filesystem that its owner may have made to mislead us.

Paths are walked by descriptor, a component at a time; links are resolved inside the root as the
container would (``openat2(2)`` RESOLVE_IN_ROOT, which Python does not offer). Only used to *decide*
what runs: ``crunw-init`` opens the file again, inside the container.
"""

from __future__ import annotations

import posix
from _stat import S_ISCHR, S_ISLNK, S_ISREG

from crunw.files import is_directory

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

_HEAD = 4
_MAX_LINKS = 40
_DEFAULT_PATH = "/bin:/usr/bin"  # execvp(3), as crunw-init has it


class Root:
    """A root filesystem with the mounts of the host's directories that will cover parts of it."""

    __slots__ = ("_binds", "_path")

    def __init__(self, path: str, binds: Sequence[tuple[str, Sequence[str]]]) -> None:
        """``binds``: (destination, sources) in the order of mounting: one source of a bind mount,
        the layers of an overlay with the uppermost first.
        """
        self._path = path
        self._binds: list[tuple[list[str], Sequence[str]]] = []
        for destination, sources in binds:
            try:
                self._binds.append((self._resolve(destination), sources))
            except OSError:
                continue  # mounting there fails, too

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
        for source in self._sources([])[0]:
            with posix.scandir(source) as entries:
                names.update(entry.name for entry in entries if entry.is_dir(follow_symlinks=False))
        on_root = [number for number, (covered, _) in enumerate(self._binds) if not covered]
        later = self._binds[on_root[-1] + 1 :] if on_root else self._binds
        names.update(
            covered[0] for covered, sources in later if len(covered) > 1 or is_directory(sources[0])
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
        descriptor = self._open_parts(self._resolve(path))
        if not S_ISREG(posix.fstat(descriptor).st_mode):
            posix.close(descriptor)
            raise FileNotFoundError(f"{path}: not a regular file")
        return descriptor

    def resolve(self, path: str) -> str:
        """Return ``path`` with no link left in it; it may be missing. Raises OSError."""
        return "/" + "/".join(self._resolve(path))

    def _resolve(self, path: str) -> list[str]:
        """Return the parts of ``path`` with no link left in it. Raises OSError."""
        rest = [part for part in path.split("/") if part][::-1]
        done: list[str] = []
        links = 0
        while rest:
            part = rest.pop()
            if part == ".":
                continue
            if part == "..":
                del done[-1:]
                continue
            target = self._link([*done, part])
            if target is None:
                done.append(part)
                continue
            links += 1
            if links > _MAX_LINKS:
                raise OSError(f"{path}: too many links")
            if target.startswith("/"):
                done.clear()
            rest += [piece for piece in target.split("/") if piece][::-1]
        return done

    def _link(self, parts: list[str]) -> str | None:
        """The target of the symbolic link at ``parts``, None when it is none.

        What is missing is none: it may be a directory that a mount below it makes.
        """
        try:
            descriptor = self._open_parts(parts)
        except FileNotFoundError:
            return None
        try:
            if not S_ISLNK(posix.fstat(descriptor).st_mode):
                return None
            return posix.readlink("", dir_fd=descriptor)
        finally:
            posix.close(descriptor)

    def _open_parts(self, parts: list[str]) -> int:
        """Open a path without links in it, through the mount that covers it, if any."""
        sources, rest = self._sources(parts)
        *upper, lowest = sources
        for source in upper:
            try:
                descriptor = _walk(source, rest)
            except FileNotFoundError:
                continue
            if _is_whiteout(descriptor):
                posix.close(descriptor)
                raise FileNotFoundError("/".join(rest))
            return descriptor
        return _walk(lowest, rest)

    def _sources(self, parts: list[str]) -> tuple[Sequence[str], list[str]]:
        """The directories seen at ``parts``, the uppermost first, and what is left of ``parts``."""
        sources: Sequence[str] = (self._path,)
        rest = parts
        for covered, covering in self._binds:
            if parts[: len(covered)] == covered:
                sources, rest = covering, parts[len(covered) :]
        return sources, rest


def _walk(start: str, parts: list[str]) -> int:
    """An O_PATH descriptor. Raises OSError."""
    flags = posix.O_PATH | posix.O_CLOEXEC
    descriptor = posix.open(start, flags)
    for part in parts:
        try:
            below = posix.open(part, flags | posix.O_NOFOLLOW, dir_fd=descriptor)
        finally:
            posix.close(descriptor)
        descriptor = below
    return descriptor


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
    return [_join(_join(cwd, directory), name) for directory in [*search.split(":"), ""]]


def _join(directory: str, path: str) -> str:
    """``path``, as seen from ``directory``."""
    return (
        path if path.startswith("/") else f"{directory.rstrip('/')}/{path}" if path else directory
    )
