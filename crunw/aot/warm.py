"""``crunw cache warm``: compile what containers will run, before they do."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

from crunw.aot import config, estimate, images
from crunw.aot.build import Order, build, private_copy
from crunw.aot.engines import wasmtime_library
from crunw.aot.exceptions import better_by_wasmtime
from crunw.aot.options import BEST, FAST
from crunw.errors import CrunwError, KernelError
from crunw.workload import WASMEDGE, WASMTIME

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

_CORE, _COMPONENT = b"\0asm\1\0\0\0", b"\0asm\x0d\0\1\0"


def warm(name: str, engines: Sequence[str], *, is_image: bool) -> list[str]:
    """Compile the modules of ``name``; return their paths.

    A module, a bundle, another directory with modules in it, or else an image that one of
    ``engines`` has. Raises :class:`CrunwError`.
    """
    if os.path.isfile(name) and not is_image:
        _build(name)
        return [name]
    if os.path.isdir(name) and not is_image:
        return _build_all(_rootfs(name), name)
    with images.opened(name, engines) as directory:
        found = _build_all(directory, name)
        return [f"{name} /{os.path.relpath(path, directory)}" for path in found]


def _build(path: str) -> None:
    try:
        module = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise KernelError("open", path, error) from None
    try:
        if too_large := estimate.is_beyond(module, config.load().max_module):
            raise CrunwError(f"{path}: {too_large}")
        order = Order(os.path.basename(path), engine=_engine(module))
        with private_copy(module) as copy:
            build(copy, order, (*BEST, FAST), again=True)
    finally:
        os.close(module)


def _engine(module: int) -> str:
    """What executes an open module, unless a container asks for another one."""
    is_component = os.pread(module, len(_COMPONENT), 0) == _COMPONENT
    return WASMTIME if is_component or better_by_wasmtime(module) else WASMEDGE


def _build_all(directory: str, name: str) -> list[str]:
    found = list(modules(directory))
    if not found:
        raise CrunwError(f"{name}: no WebAssembly module in it")
    for path in found:
        _build(path)
    return found


def modules(directory: str) -> Iterator[str]:
    """The regular files below ``directory``, on its file system, that start as core modules do, and
    where there is wasmtime as components do.
    """
    device = os.stat(directory).st_dev
    wanted = (_CORE, _COMPONENT) if wasmtime_library() else (_CORE,)
    for path, names, files in os.walk(directory):
        names[:] = [name for name in names if os.lstat(f"{path}/{name}").st_dev == device]
        for file in map(f"{path}/{{}}".format, sorted(files)):
            if _starts_with(file, wanted):
                yield file


def _starts_with(path: str, wanted: Collection[bytes]) -> bool:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        return os.pread(descriptor, len(_CORE), 0) in wanted
    except OSError:
        return False
    finally:
        os.close(descriptor)


def _rootfs(directory: str) -> str:
    """The root file system of a bundle; of anything else, the directory itself."""
    try:
        with open(f"{directory}/config.json", encoding="utf-8") as file:
            return os.path.join(directory, json.load(file)["root"]["path"])
    except (OSError, ValueError, KeyError, TypeError):
        return directory
