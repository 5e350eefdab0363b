"""``crunw cache warm`` of an engine's image: the first container of it runs compiled code."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from support import aot

# What each example image has in it.
MODULE = ("localhost/wasm-pause", "/pause.wasm")
NO_MODULE = "localhost/busybox"


@contextmanager
def empty_cache() -> Iterator[None]:
    """Have nothing compiled; what runs by then must have ended at the end."""
    aot.begin_empty()
    try:
        yield
    finally:
        aot.end_empty()


def warm(engine: str, image: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """``crunw cache warm --engine ENGINE IMAGE``; without an engine all of them are asked."""
    words = ["crunw", "cache", "warm", *(["--engine", engine] if engine else []), image]
    return subprocess.run(
        words, env=os.environ | environment, capture_output=True, text=True, check=False
    )


def check_warm(engine: str, **environment: str) -> None:
    """The module is compiled, whether or not the engine is named; the rest is an error."""
    image, module = MODULE
    for name, shown in ((engine, image), ("", f"{image}:latest")):
        done = warm(name, shown, **environment)
        assert (done.returncode, done.stdout, done.stderr) == (0, f"{shown} {module}\n", "")
    done = warm(engine, NO_MODULE, **environment)
    assert done.stderr == f"crunw: {NO_MODULE}: no WebAssembly module in it\n"
    done = warm(engine, "localhost/none", **environment)
    assert done.stderr.startswith(f"crunw: localhost/none: no engine has this image ({engine}: ")
    assert done.stderr.count("\n") == 1
    assert done.returncode == 1


def check_silent(engine: str, said: str, **environment: str) -> None:
    """The engine does not run."""
    done = warm(engine, MODULE[0], **environment)
    start = f"crunw: {MODULE[0]}: no engine has this image ({engine}: "
    assert done.returncode == 1
    assert done.stderr.startswith(start)
    assert said in done.stderr


def is_compiled(pid: int | str) -> bool:
    """Whether the container runs compiled code, seen from outside."""
    return "/module.so" in Path(f"/proc/{pid}/maps").read_text()
