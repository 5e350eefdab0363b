"""Fill the cache: compile what is asked for, now or behind everything else."""

from __future__ import annotations

import fcntl
import os
import shutil
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from crunw.aot import config, digest, lookup, places, platform, store
from crunw.aot.compiler import Compilation
from crunw.aot.options import Options
from crunw.errors import CrunwError, KernelError

if TYPE_CHECKING:
    from collections.abc import Iterator

_MAX_WAITING = 64
_WORK_MODE = 0o711  # the compiler runs as another user, who can enter but his own directory


def build(module: int, name: str, options: Options) -> str:
    """Compile a module into the cache unless it is there; return the key.

    ``module`` is an open descriptor, ``name`` its file name, for people. Raises
    :class:`CrunwError`. What can't be compiled is noted, so that it isn't tried on each start.
    """
    store.prepare()
    with _own_copy(module) as (copy, directory):
        sha256 = digest.of_file(copy)
        key = lookup.key_of(sha256, options)
        with _lock(key):
            if not lookup.usable(key):
                try:
                    _compile(key, copy, directory, (name, sha256, options))
                except CrunwError as error:
                    places.write_note("failed", key, f"{error}\n")
                    raise
    return key


@contextmanager
def _own_copy(module: int) -> Iterator[tuple[int, str]]:
    """A copy of the module that nobody else can change, and a directory for the compiler."""
    root = os.geteuid() == 0
    parent = f"{places.cache()}-work" if root else f"{places.cache()}/new"
    try:
        os.makedirs(parent, exist_ok=True)
        if root:
            os.chmod(parent, _WORK_MODE)
        with store.scratch(parent) as directory:
            if os.lstat(parent).st_uid != os.geteuid():
                raise CrunwError(f"{parent}: belongs to somebody else")
            copy = os.open(f"{directory}/module", os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
            try:
                _copy(module, copy)
                if root:
                    os.chown(directory, 65534, 65534)
                yield copy, directory
            finally:
                os.close(copy)
    except OSError as error:
        raise KernelError("write", parent, error) from None


def _copy(source: int, target: int) -> None:
    at = 0
    while data := os.pread(source, 1 << 20, at):
        at += os.pwrite(target, data, at)


def _compile(key: str, module: int, directory: str, what: tuple[str, str, Options]) -> None:
    name, sha256, options = what
    artefact = f"{directory}/{places.ARTEFACT}"
    compilation = Compilation(name, module, artefact, options, sandbox=True)
    try:
        compilation.finish()
    finally:
        compilation.kill()
    seconds = compilation.seconds()
    limit = config.load().max_size
    if os.lstat(artefact).st_size > limit:
        raise CrunwError(
            f"{name}: the compiled code is larger than the cache may be, {limit} bytes"
        )
    size = os.fstat(module).st_size
    described = store.Meta(
        sha256, size, "", 0, platform.current(), options.text(), name, time.time(), seconds
    )
    store.prune(limit - os.lstat(artefact).st_size)
    store.add(key, artefact, described)


@contextmanager
def _lock(key: str) -> Iterator[None]:
    """Held by whoever makes this entry: the others wait and find it."""
    places.make_notes("locks")
    try:
        descriptor = os.open(
            places.note("locks", key), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600
        )
    except OSError as error:
        raise KernelError("open", places.note("locks", key), error) from None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def enqueue(module: int, name: str, key: str, *, statistics: bool) -> None:
    """Keep a copy of the module in the queue, for :func:`work`. ``key``: of the entry to make.

    ``statistics``: with counters.
    """
    store.prepare()
    queue = f"{places.cache()}/queue"
    if len(os.listdir(queue)) >= _MAX_WAITING:
        return
    with store.scratch(f"{places.cache()}/new") as directory:
        os.mkdir(f"{directory}/item")
        with open(f"{directory}/item/module", "xb") as copy:
            _copy(module, copy.fileno())
        with open(
            f"{directory}/item/name", "x", encoding="utf-8", errors="surrogateescape"
        ) as file:
            file.write(name)
        if statistics:
            os.mkdir(f"{directory}/item/statistics")
        try:
            os.rename(f"{directory}/item", f"{queue}/{key}")
        except OSError:
            pass  # it is waiting already


def work() -> None:
    """Compile what waits in the queue, one after the other, unless somebody does so already."""
    queue = f"{places.cache()}/queue"
    descriptor = os.open(f"{places.cache()}/lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        while os.listdir(queue):
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return  # who holds it looks at the queue again after letting go
            for key in os.listdir(queue):
                _work_on(f"{queue}/{key}")
            fcntl.flock(descriptor, fcntl.LOCK_UN)
    finally:
        os.close(descriptor)


def _work_on(item: str) -> None:
    try:
        with open(f"{item}/module", "rb") as module:
            name = places.read(f"{item}/name")
            options = Options()
            options.statistics = os.path.isdir(f"{item}/statistics")
            build(module.fileno(), name, options)
    except (CrunwError, OSError):
        pass  # noted; a start of the container will say the same where it matters
    finally:
        shutil.rmtree(item, ignore_errors=True)
