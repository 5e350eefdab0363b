"""A table on the terminal that is renewed, for ``crunw top``."""

from __future__ import annotations

import curses
import select
import signal
import sys
from time import monotonic
from typing import TYPE_CHECKING

from crunw import notices
from crunw.cli.usage import ORDERS, ordered, text
from crunw.errors import CrunwError

if TYPE_CHECKING:
    from typing import Any

    from crunw.lifecycle.usage import Meter

    Row = dict[str, Any]

_QUIT = ord("q")
_KEYS = {ord(key): order for key, order in zip("cmpin", ORDERS, strict=True)}
_GONE = -1  # instead of a key


def show(meter: Meter, interval: float, order: str) -> None:
    """Until the user has enough, or TERM comes. Raises :class:`CrunwError`."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    release = notices.hold()
    try:
        curses.wrapper(lambda screen: _Table(screen, meter, order).follow(interval))
    except KeyboardInterrupt:
        pass
    except curses.error as error:
        raise CrunwError(f"top: the terminal can't be used: {error} (try --once)") from None
    finally:
        release()


class _Table:
    def __init__(self, screen: curses.window, meter: Meter, order: str) -> None:
        self._screen = screen
        self._meter = meter
        self._order = order
        self._rows: list[Row] = []
        screen.nodelay(True)
        for wish in (curses.use_default_colors, lambda: curses.curs_set(0)):
            try:
                wish()
            except curses.error:
                pass  # this terminal has one colour, or shows its cursor always

    def follow(self, interval: float) -> None:
        """Measure and draw, until the user says so or is gone."""
        while True:
            self._rows = self._meter.measure()
            self._draw()
            if not self._keys(monotonic() + interval):
                return

    def _keys(self, until: float) -> bool:
        """Do what keys say until then; False: it is the end."""
        while (left := until - monotonic()) > 0:
            pressed, _, _ = select.select([sys.stdin], (), (), left)
            key = self._screen.getch()
            if key == _QUIT or (pressed and key == _GONE):
                return False
            self._order = _KEYS.get(key, self._order)
            if key != _GONE:
                self._draw()
        return True

    def _draw(self) -> None:
        height, width = self._screen.getmaxyx()
        header, *lines = text(ordered(self._rows, self._order)).splitlines()
        modules = sum(row["kind"] == "wasm" for row in self._rows)
        title = f"containers: {len(self._rows)}, of WebAssembly: {modules}; by {self._order}"
        self._screen.erase()
        for at, line in enumerate([title, "", header, *lines][:height]):
            look = curses.A_REVERSE if at == 2 else curses.A_NORMAL
            # The last cell can't be written without the terminal's scrolling.
            self._screen.addnstr(at, 0, line.ljust(width), width - 1, look)
        self._screen.refresh()
