"""Make entries of the cache: compile a module at the levels of optimisation that are asked for."""

from __future__ import annotations

import fcntl
import os
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

from crunw.aot import config, digest, estimate, events, failures, lookup, places, platform, store
from crunw.aot.compiler import OUTPUT, Compilation
from crunw.aot.options import BEST, FAST, Options
from crunw.errors import CompileError, CrunwError, KernelError
from crunw.workload import WASMEDGE, WASMTIME

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_NOBODY = 65534
_SPARE = 64 << 10  # bytes that a compilation needs at least, and for each of the module's so many:
_GROWTH = 8


class Order(NamedTuple):
    """What is to be compiled.

    ``name`` is the module's file name, for people; ``origin`` its image, where that is known.
    ``statistics``: with counters. ``plugins``: plugins may provide what it imports. ``engine``:
    that executes it.
    """

    name: str
    origin: str = ""
    statistics: bool = False
    plugins: bool = False
    engine: str = WASMEDGE

    def options(self, level: str) -> Options:
        """How it is compiled at a level."""
        options = Options(level=level, statistics=self.statistics)
        options.any_import = self.plugins
        options.engine = self.engine
        return options


def first_levels(code: int, budget: float, engine: str = WASMEDGE) -> tuple[str, ...]:
    """The levels to try, in their order, for a module of which code is wanted within ``budget`` s.

    ``code``: the size of its code section. Empty: there will be none in time. wasmtime's best takes
    little longer than its fastest.
    """
    if engine == WASMTIME:
        return BEST[:1]
    if estimate.seconds(code, BEST[0]) <= budget:
        return (*BEST, FAST)
    return (FAST, *BEST) if estimate.seconds(code, FAST) <= budget else ()


@contextmanager
def private_copy(module: int) -> Iterator[int]:
    """A copy of an open module that nobody else can change."""
    places.prepare()
    parent = f"{places.cache()}/new"
    try:
        copy = os.open(parent, os.O_RDWR | os.O_TMPFILE | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise KernelError("create a file in", parent, error) from None
    try:
        copy_data(module, copy)
        yield copy
    finally:
        os.close(copy)


def copy_data(source: int, target: int) -> None:
    """Copy a file with its holes. Raises :class:`KernelError`."""
    size = os.fstat(source).st_size
    try:
        os.ftruncate(target, size)
        at = 0
        while at < size:
            try:
                at = os.lseek(source, at, os.SEEK_DATA)
            except OSError:  # ENXIO: nothing but a hole is left
                break
            end = os.lseek(source, at, os.SEEK_HOLE)
            while at < end and (data := os.pread(source, min(1 << 20, end - at), at)):
                at += os.pwrite(target, data, at)
    except OSError as error:
        raise KernelError("write to", places.cache(), error) from None


def build(module: int, order: Order, levels: Sequence[str], *, again: bool = False) -> lookup.Tiers:
    """Compile a module into the cache at the first of the levels that works; return its entries.

    ``module`` is an open file that nobody else can change. Code that is there already, and as good,
    is enough. Failures are noted; ``again``: what was the system's fault is tried in any case.
    Raises :class:`CompileError` if no level works, :class:`CrunwError` if the system is to blame.
    """
    places.prepare()
    if too_large := estimate.is_beyond(module, config.load().max_module):
        raise CompileError(f"{order.name}: {too_large}")
    sha256 = digest.of_file(module)
    tiers = lookup.Tiers(sha256, statistics=order.statistics, engine=order.engine)
    with _lock(tiers.name):
        if tiers.find() and (tiers.level in BEST or FAST in levels):
            return tiers
        problem: CrunwError | None = None
        for level in levels:
            failure = failures.read(tiers.key(level))
            if failure and (failure.lasting or (failure.is_settled() and not again)):
                kind = CompileError if failure.lasting else CrunwError
                problem = problem or kind(failure.reason)
                continue
            try:
                _build_level(tiers.key(level), module, sha256, order, level)
            except CompileError as error:
                problem = problem or error
                continue
            if level in BEST:
                store.drop(tiers.key(FAST))
            tiers.find()
            return tiers
    raise problem or CompileError(f"{order.name}: there is no level to compile it at")


def _build_level(key: str, module: int, sha256: str, order: Order, level: str) -> None:
    """Make one entry; note it if that fails."""
    options = order.options(level)
    status = os.fstat(module)
    compilation = None
    try:
        _check_space(order.name, status.st_size)
        with _directory() as directory:
            compilation = Compilation(order.name, module, directory, options, sandbox=True)
            try:
                compilation.finish()
            finally:
                compilation.kill()
            seconds = compilation.used
            size = _check_size(order.name, f"{directory}/{OUTPUT}")
            described = store.Meta(
                sha256, status.st_size, "", 0, platform.current(order.engine), options.text(),
                order.name, time.time(), seconds, estimate.code_size(module, order.engine),
            )  # fmt: skip
            store.prune(config.load().max_size - size - store.queue_size())
            store.add(key, f"{directory}/{OUTPUT}", described)
    except (CrunwError, OSError) as problem:
        error = problem
        if isinstance(problem, OSError):
            error = KernelError("write to", places.cache(), problem)
        failure = failures.Failure(key, order.name, options.text(), status.st_size, str(error))
        failure.lasting = isinstance(error, CompileError)
        failure.seconds = compilation.seconds() if compilation else 0.0
        failures.write(failure)
        events.report("warning", f"not compiled ({options.text()}): {error}")
        raise error from None
    failures.forget(key)
    for notice in compilation.notices:
        events.report("warning", f"{order.name}: {notice}")
    events.report("info", f"{order.name}: compiled ({options.text()}) in {seconds:.1f} s")


@contextmanager
def _directory() -> Iterator[str]:
    """A new directory for the compiler, which is its user's."""
    try:
        with store.scratch(f"{places.cache()}/new") as directory:
            if os.geteuid() == 0:
                os.chown(directory, _NOBODY, _NOBODY)
            yield directory
    except OSError as error:
        raise KernelError("write to", places.cache(), error) from None


def _check_space(name: str, size: int) -> None:
    status = os.statvfs(places.cache())
    if status.f_flag & os.ST_NOEXEC:
        raise CrunwError(f"{places.cache()}: mounted noexec: code can't be loaded from there")
    free = status.f_bavail * status.f_frsize
    if free < _SPARE + _GROWTH * size:
        raise CrunwError(
            f"{name}: not enough space in {places.cache()}: {free} bytes are free"
            " (make room, or lower aot.max-size)"
        )


def _check_size(name: str, output: str) -> int:
    size, limit = os.lstat(output).st_size, config.load().max_size
    if size > limit:
        raise CrunwError(
            f"{name}: the compiled code is larger than the cache may be, {limit} bytes"
            " (raise aot.max-size)"
        )
    return size


@contextmanager
def _lock(name: str) -> Iterator[None]:
    """Held by whoever compiles this module: the others wait and find what he has made."""
    path = places.note("locks", name)
    if wrong := places.prepare_notes("locks"):
        raise CrunwError(wrong)
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise KernelError("open", path, error) from None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
