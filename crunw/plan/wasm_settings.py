"""What a WebAssembly program may use."""

from __future__ import annotations

FAMILY = "run.oci.wasm."
COMPILED = ("aot", "aot-wait")  # those that crunw.aot.config reads
PLUGINS = f"{FAMILY}plugins"
MOST_PAGES = 65536  # of a memory, each of 64 KiB


class Preopen:
    """A directory with the name under which the program knows it."""

    __slots__ = ("guest", "host", "read_only")

    def __init__(self, guest: str, host: str, read_only: bool = False) -> None:
        self.guest = guest
        self.host = host  # a path in the container
        self.read_only = read_only


class Settings:
    """What holds for one program. 0 and ``""`` mean "not limited", "not asked for"."""

    __slots__ = (
        "counters",
        "engine",
        "function",
        "initial_pages",
        "insist",
        "instructions",
        "memory_pages",
        "milliseconds",
        "plugin_directory",
        "plugins",
        "preopens",
        "proc_writable",
        "seccomp",
        "statistics",
        "within_limit",
    )

    def __init__(self) -> None:
        self.engine = ""
        self.function = ""
        self.memory_pages = 0  # of 64 KiB, for each memory
        self.within_limit = False  # as many as the container's memory limit holds
        self.initial_pages = 0  # a module that begins with more is refused
        self.instructions = 0
        self.milliseconds = 0
        self.statistics = False
        self.preopens: list[Preopen] = []
        self.proc_writable = False
        self.seccomp = ""  # on, off
        self.insist = False  # on a module that the engine executes wrongly
        self.plugins: list[str] = []  # names
        self.plugin_directory = ""  # on the host
        self.counters = ""  # path of the file in which the counters are published

    def fenced(self) -> bool:
        """Whether the process is left the system calls of a list. What plugins do is not known."""
        return self.seccomp == "on" or not (self.seccomp or self.plugins)

    def counted(self) -> bool:
        """Whether instructions are counted, which compiled code must have been made for."""
        return self.statistics or self.instructions > 0
