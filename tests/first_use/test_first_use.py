"""The first containers on a node, by each engine and umask: what later ones find of them."""

from __future__ import annotations

from pathlib import Path

from support.commands import wait_for

CACHE = Path("/var/cache/crunw")


def is_compiled(pid: int) -> bool:
    """Whether the container runs compiled code, seen from outside."""
    return "/module.so" in Path(f"/proc/{pid}/maps").read_text()


def test_second_start_is_compiled(start):
    start()  # perhaps compiled already, if that took no longer than a start may wait
    entries = CACHE / "aot" / "entries"
    wait_for(lambda: entries.is_dir() and list(entries.iterdir()), "the compiled module")
    assert is_compiled(start())


def test_seccomp_filter_is_kept(start):
    """The engine's default profile, for the next container."""
    start()
    assert len(list((CACHE / "seccomp").iterdir())) == 1
