"""How a module is compiled: part of an entry's key."""

from __future__ import annotations

from crunw.workload import WASMEDGE

LEVELS = "0123sz"

# The cache's tiers. The first is ready soon; the second, made afterwards, replaces it for later
# starts. Of the second's levels the first that LLVM can do is used (docs/aot.md, "The level").
FAST = "0"
BEST = ("1", "2")


class Options:
    """How ``crunw-compiler`` compiles (``csrc/engine/engine.h``, ``engine_compile_options``).

    ``native``: a shared object, else Wasm with native code in it. ``level``: ``0`` to ``3``, ``s``
    or ``z``. ``without``: proposals that the module may not use. The defaults are the cache's.
    """

    __slots__ = (
        "any_import",
        "engine",
        "generic",
        "interruptible",
        "level",
        "native",
        "statistics",
        "without",
    )

    def __init__(
        self, *, native: bool = True, level: str = BEST[0], statistics: bool = False
    ) -> None:
        self.native = native
        self.level = level
        self.any_import = False  # compile it whatever it imports; changes nothing in the code
        self.engine = WASMEDGE
        self.generic = False
        self.interruptible = False
        self.statistics = statistics
        self.without: tuple[str, ...] = ()

    def words(self) -> list[str]:
        """What is asked for besides format and level, a word each: ``statistics``, ``no-gc``."""
        return [
            *(name for name in ("generic", "interruptible", "statistics") if getattr(self, name)),
            *(f"no-{name}" for name in sorted(self.without)),
        ]

    def text(self) -> str:
        """The options in one word, equal for equal options: ``native-O1+statistics``."""
        form = "native" if self.native else "wasm"
        return "+".join([f"{form}-O{self.level}", *self.words()])
