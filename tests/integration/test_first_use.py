"""The first containers of a node on which crunw has never run, whatever the caller's umask is.

Each test has a mount namespace of its own, in which ``/var/cache`` and ``/run`` are empty.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from support.aot import background, mapped, with_policy
from support.commands import Result, wait_for
from support.containers import Bundle, Runtime, skip_without_root

UMASKS = ("022", "027", "077")
EMPTY = "mount -t tmpfs -o mode=755 new /var/cache && mount -t tmpfs -o mode=755 new /run"


class Node:
    """``crunw`` on a node of its own; called as :class:`Runtime` is."""

    def __init__(self, crunw: Runtime, pid: int, umask: str) -> None:
        self.crunw = crunw
        self.pid = pid
        self.prefix = [
            *("nsenter", f"--mount=/proc/{pid}/ns/mnt", "sh", "-c"),
            *(f'umask {umask}; exec "$@"', "-"),
        ]

    def __call__(self, *words: str | Path, **options: Any) -> Result:
        return self.crunw(*words, prefix=self.prefix, **options)

    def path(self, name: str) -> Path:
        """A file of the node's, as it is seen from here."""
        return Path(f"/proc/{self.pid}/root{name}")

    def settle(self) -> None:
        """Wait until nothing is compiled any more."""
        for pid in background():
            os.waitpid(pid, 0)

    def is_compiled(self, bundle: Bundle) -> bool:
        """Whether a new container of the bundle runs compiled code. Ends it."""
        self("create", "--bundle", bundle.path, bundle.id).ok()
        self("start", bundle.id).ok()
        pid = json.loads(self("state", bundle.id).ok())["pid"]
        maps = mapped(pid)
        self("delete", "--force", bundle.id).ok()
        return b"/module.so" in maps


@pytest.fixture
def node(crunw: Runtime) -> Iterator[Callable[[str], Node]]:
    """Make a node for an umask."""
    skip_without_root("to mount")
    holders = []

    def make(umask: str) -> Node:
        command = ["unshare", "--mount", "sh", "-c", f"{EMPTY} && echo made && exec sleep inf"]
        holder = subprocess.Popen(command, stdout=subprocess.PIPE)
        holders.append(holder)
        assert holder.stdout
        assert holder.stdout.readline() == b"made\n"
        return Node(crunw, holder.pid, umask)

    yield make
    for pid in background():
        os.waitpid(pid, 0)
    for holder in holders:
        holder.kill()
        holder.communicate()


@pytest.mark.parametrize("umask", UMASKS)
def test_the_second_start_is_compiled(node, wasm_bundle, umask: str) -> None:
    fresh = node(umask)
    bundle = with_policy(wasm_bundle("sleep"), "")
    assert not fresh.is_compiled(bundle)
    fresh.settle()
    assert fresh.is_compiled(bundle)
    assert "sleep.wasm" in fresh("cache", "ls").ok()


@pytest.mark.parametrize("umask", UMASKS)
def test_directories(node, wasm_bundle, umask: str) -> None:
    """Their modes are the same for every umask."""
    fresh = node(umask)
    assert not fresh.is_compiled(with_policy(wasm_bundle("sleep"), ""))
    fresh.settle()
    found = {
        path: oct(fresh.path(path).stat().st_mode & 0o7777)
        for path in ("/var/cache/crunw", "/var/cache/crunw/aot", "/run/crunw-aot")
    }
    assert found == {
        "/var/cache/crunw": "0o755",
        "/var/cache/crunw/aot": "0o700",
        "/run/crunw-aot": "0o700",
    }


@pytest.mark.parametrize("umask", UMASKS)
def test_the_filter_is_compiled_once(node, bundle, umask: str) -> None:
    """Also on a node that runs no WebAssembly."""
    fresh = node(umask)
    native = bundle("true", linux__seccomp={"defaultAction": "SCMP_ACT_ALLOW"})
    for _ in range(2):
        fresh("run", "--bundle", native.path, native.id).ok()
    directory = fresh.path("/var/cache/crunw/seccomp")
    assert directory.stat().st_mode & 0o7777 == 0o700
    assert len(os.listdir(directory)) == 1


@pytest.mark.parametrize("mode", [0o700, 0o755, 0o750])
def test_directories_of_an_older_version(node, wasm_bundle, mode: int) -> None:
    """They are set right, and what it has noted to have failed is tried again."""
    old = node("077")
    for name in ("/var/cache/crunw", "/var/cache/crunw/aot", "/var/cache/crunw/aot-work"):
        old.path(name).mkdir()
        old.path(name).chmod(mode)
    bundle = with_policy(wasm_bundle("sleep"), "")
    assert not old.is_compiled(bundle)
    old.settle()
    assert old.is_compiled(bundle)
    assert old.path("/var/cache/crunw").stat().st_mode & 0o7777 == 0o755
    assert old.path("/var/cache/crunw/aot").stat().st_mode & 0o7777 == 0o700
    assert not old.path("/var/cache/crunw/aot-work").exists()


def test_notes_of_an_older_version_are_void(node, wasm_bundle) -> None:
    old = node("022")
    bundle = with_policy(wasm_bundle("sleep"), "")
    assert not old.is_compiled(bundle)
    old.settle()
    (entry,) = old.path("/var/cache/crunw/aot/entries").iterdir()
    old("cache", "prune", "--all").ok()
    failed = old.path("/run/crunw-aot/failed")
    failed.mkdir(exist_ok=True)
    (failed / entry.name).write_text("landlock: Permission denied\n")
    assert not old.is_compiled(bundle)
    old.settle()
    assert old.is_compiled(bundle)


def test_mended_by_the_next_start(node, wasm_bundle) -> None:
    """What was wrong with the directory is not remembered as the module's fault."""
    broken = node("022")
    cache = broken.path("/var/cache/crunw/aot")
    cache.parent.mkdir()
    cache.symlink_to("/nowhere")
    bundle = with_policy(wasm_bundle("sleep"), "")
    (notice,) = broken("create", "--bundle", bundle.path, bundle.id).notices()
    assert notice.startswith("compiled code: the cache can't be used: /var/cache/crunw/aot: not a ")
    broken("delete", "--force", bundle.id).ok()
    cache.unlink()
    assert not broken.is_compiled(bundle)
    broken.settle()
    assert broken.is_compiled(bundle)
    wait_for(lambda: not background())
