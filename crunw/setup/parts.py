"""Checks of crunw's own parts and of the libraries that it uses."""

from __future__ import annotations

import os
import shutil
import subprocess

from crunw import paths
from crunw.errors import CrunwError
from crunw.setup.finding import MISSING, OK, WARNING, Finding


def programs() -> list[Finding]:
    """``crunw-init``, which starts every container, and ``crunw-compiler``."""
    return [_program(paths.init_path()), _program(paths.compiler_path())]


def _program(path: str) -> Finding:
    name = os.path.basename(path)
    if os.access(path, os.X_OK):
        return Finding(name, OK, path)
    return Finding(name, MISSING, f"no {path}", "install crunw again")


def libseccomp() -> Finding:
    """The library that compiles seccomp profiles."""
    try:
        from crunw.effects import seccomp

        seccomp.features()
    except (CrunwError, ImportError, OSError) as error:
        advice = "apt install libseccomp2 python3-cffi-backend"
        return Finding("libseccomp", MISSING, str(error), advice)
    return Finding("libseccomp", OK, "loaded")


def libwasmedge() -> list[Finding]:
    """The engine, as containers get it and as the compiler gets it."""
    try:
        from crunw.engine import PROPOSALS, Engine

        with Engine(stub=paths.engine_stub()) as engine:
            version, uses_stub = engine.version, engine.uses_stub
    except (CrunwError, ImportError) as error:
        advice = "apt install libwasmedge0; native containers work without it"
        return [Finding("libwasmedge", MISSING, str(error), advice)]
    found = f"{version}, {len(PROPOSALS)} proposals: {', '.join(PROPOSALS)}"
    stub = Finding("LLVM stub", OK, "modules run without LLVM")
    if not uses_stub:
        advice = "build crunw again with the installed libwasmedge, so that modules start faster"
        stub = Finding("LLVM stub", WARNING, "does not fit libwasmedge", advice)
    return [Finding("libwasmedge", OK, found), stub, _llvm()]


def _llvm() -> Finding:
    try:
        from crunw.engine import Engine

        Engine().close()
    except CrunwError as error:
        advice = "install the LLVM that libwasmedge depends on; modules run without it, interpreted"
        return Finding("LLVM", WARNING, str(error), advice)
    return Finding("LLVM", OK, "loaded: modules can be compiled ahead of time")


def criu() -> Finding:
    """The program behind ``checkpoint`` and ``restore``."""
    path = shutil.which("criu")
    if not path:
        advice = "apt install criu, if containers are to be checkpointed"
        return Finding("criu", WARNING, "not installed", advice)
    done = subprocess.run([path, "--version"], capture_output=True, text=True, check=False)
    version = done.stdout.removeprefix("Version:").strip()
    return Finding("criu", OK, f"{version}: containers can be checkpointed")


def cache() -> Finding:
    """The directory of compiled modules; made when it is first needed."""
    path = paths.cache_dir("aot")
    existing = path
    while not os.path.exists(existing):
        existing = os.path.dirname(existing)
    if os.access(existing, os.W_OK):
        return Finding("AOT cache", OK, path)
    advice = f"make {existing} writable, else modules are interpreted"
    return Finding("AOT cache", WARNING, f"{path} can't be written", advice)
