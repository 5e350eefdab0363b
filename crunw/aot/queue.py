"""Modules that wait for the background compiler, and the compiler's turn of work.

Of those that have no code at all the fast tier is made first, then the better one of each. Images
take turns, by the time that has been spent on each of them: one with many modules that take long
keeps no other waiting.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import time
from typing import NamedTuple

from crunw.aot import config, digest, estimate, events, lookup, places, store
from crunw.aot.build import Order, build, copy_data, first_levels
from crunw.aot.options import BEST, FAST
from crunw.errors import CrunwError, KernelError

MAX_WAITING = 64
_MAX_OF_ONE = 32  # of one image, or of all whose image is not known
_AT_ONCE = 5.0  # s: where the better tier takes no longer, there is no point in a fast one


class Item(NamedTuple):
    """A module that waits; ``better``: it has code, and waits for a better tier."""

    key: str
    path: str
    order: Order
    size: int
    since: float
    better: bool


def items() -> list[Item]:
    """All that waits."""
    found = []
    for path in store.queued():
        try:
            with open(f"{path}/order", encoding="utf-8", errors="surrogateescape") as file:
                order = Order(*json.load(file))
            status = os.stat(f"{path}/module")
            better = os.path.exists(f"{path}/better")
        except (OSError, ValueError, TypeError):
            continue
        key = os.path.basename(path)
        found.append(Item(key, path, order, status.st_size, status.st_mtime, better))
    return found


def enqueue(module: int, key: str, order: Order) -> None:
    """Keep a copy of the module for :func:`work`. ``key`` names it (``Tiers.name``).

    Raises :class:`CrunwError`: no room.
    """
    places.prepare()
    _check_room(module, order)
    try:
        with store.scratch(f"{places.cache()}/new") as directory:
            item = f"{directory}/item"
            os.mkdir(item, 0o700)
            copy = os.open(
                f"{item}/module", os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600
            )
            try:
                copy_data(module, copy)
            finally:
                os.close(copy)
            with open(f"{item}/order", "x", encoding="utf-8", errors="surrogateescape") as file:
                json.dump(order, file)
            try:
                os.rename(item, f"{places.cache()}/queue/{key}")
            except FileExistsError:
                pass  # it is waiting already
            except OSError:
                if not os.path.isdir(f"{places.cache()}/queue/{key}"):
                    raise
    except OSError as error:
        raise KernelError("write to", places.cache(), error) from None


def _check_room(module: int, order: Order) -> None:
    waiting = items()
    settings = config.load()
    if too_large := estimate.is_beyond(module, settings.max_module):
        raise CrunwError(f"{order.name}: {too_large}")
    if len(waiting) >= MAX_WAITING:
        raise CrunwError(f"{order.name}: the queue is full: {MAX_WAITING} modules are waiting")
    if sum(item.order.origin == order.origin for item in waiting) >= _MAX_OF_ONE:
        whose = order.origin or "unknown images"
        raise CrunwError(f"{order.name}: {_MAX_OF_ONE} modules of {whose} are waiting already")
    if store.queue_size() + os.fstat(module).st_blocks * 512 > settings.max_size // 2:
        raise CrunwError(f"{order.name}: the modules that wait take half of aot.max-size already")


def work() -> None:
    """Compile what waits, one after the other, unless somebody does so already."""
    shutil.rmtree(f"{places.cache()}-work", ignore_errors=True)  # of older versions
    descriptor = os.open(f"{places.cache()}/lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    spent: dict[str, float] = {}  # seconds, by image
    try:
        while store.queued():
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return  # its holder looks at the queue again after letting go
            while waiting := items():
                item = min(waiting, key=lambda item: _turn(item, spent))
                started = time.monotonic()
                _work_on(item)
                took = time.monotonic() - started
                spent[item.order.origin] = spent.get(item.order.origin, 0.0) + took
            for path in store.queued():
                shutil.rmtree(path, ignore_errors=True)  # damaged
            fcntl.flock(descriptor, fcntl.LOCK_UN)
    finally:
        os.close(descriptor)


def _turn(item: Item, spent: dict[str, float]) -> tuple[bool, float, float]:
    return item.better, spent.get(item.order.origin, 0.0), item.since


def _work_on(item: Item) -> None:
    """Make one tier. What has failed is noted, and has been reported."""
    done = True
    try:
        module = os.open(f"{item.path}/module", os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            done = _compile(item, module)
        finally:
            os.close(module)
    except CrunwError:
        pass
    except OSError as error:
        events.report("warning", f"{item.order.name}: {error}")
    try:
        if not done:
            os.mkdir(f"{item.path}/better", 0o700)
            return
    except OSError as error:
        events.report("warning", f"{item.order.name}: {error}")
    shutil.rmtree(item.path, ignore_errors=True)


def _compile(item: Item, module: int) -> bool:
    """Whether nothing is left to do for it."""
    if item.better:
        build(module, item.order, BEST)
        return True
    order = item.order
    tiers = lookup.Tiers(digest.of_file(module), statistics=order.statistics, engine=order.engine)
    if not tiers.find():
        code = estimate.code_size(module, order.engine)
        levels = first_levels(code, _AT_ONCE, order.engine) or (FAST, *BEST)
        tiers = build(module, item.order, levels)
    return tiers.is_final()
