"""The cache of compiled modules, for the tests alone."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from container_harness import Bundle, children

ANNOTATION = "run.oci.wasm.aot"
CACHE = Path("/var/cache/crunw/aot")
NOTES = Path("/run/crunw-aot")
WORDS = (b"\0cache\0enqueue\0", b"\0create\0", b"\0run\0")


def mount(target: Path, options: str) -> None:
    target.mkdir(parents=True, exist_ok=True)
    command = ["mount", "-t", "tmpfs", "-o", options, "crunw-test", target]
    subprocess.run(command, check=True)


def background() -> list[int]:
    """The pids of the background compilers that this test's containers have left to it.

    Also of those that do not have their own command line yet.
    """
    lines = {pid: read(f"/proc/{pid}/cmdline") for pid in children()}
    return [pid for pid, line in lines.items() if any(word in line for word in WORDS)]


def read(path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError:
        return b""


def settle() -> None:
    """Wait until nothing is compiled any more, and reap the compilers."""
    for pid in background():
        os.waitpid(pid, 0)


def entries() -> list[Path]:
    path = CACHE / "entries"
    return sorted(path.iterdir()) if path.exists() else []


def with_policy(bundle: Bundle, policy: str) -> Bundle:
    bundle.config["annotations"] = {ANNOTATION: policy} if policy else {}
    return bundle.write()
