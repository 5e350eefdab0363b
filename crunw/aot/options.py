"""How a module is compiled: part of an entry's key."""

from __future__ import annotations

LEVELS = "0123sz"


class Options:
    """``level``: ``0`` to ``3``, ``s`` or ``z``; the rest as ``Engine.compile`` has it."""

    __slots__ = ("generic", "interruptible", "level", "native", "statistics", "without")

    def __init__(self, *, native: bool = True, level: str = "2") -> None:
        self.native = native
        self.level = level
        self.generic = False
        self.interruptible = False
        self.statistics = False
        self.without: tuple[str, ...] = ()

    def text(self) -> str:
        """The options in one word, equal for equal options: ``native-O2+statistics``."""
        words = [
            *(name for name in ("generic", "interruptible", "statistics") if getattr(self, name)),
            *(f"no-{name}" for name in sorted(self.without)),
        ]
        return "+".join([f"{'native' if self.native else 'wasm'}-O{self.level}", *words])
