"""Checks of crunw's own parts and of the libraries that it uses: each is tried, not looked for."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from typing import TYPE_CHECKING

from crunw import directories, paths
from crunw.aot.options import BEST
from crunw.errors import CrunwError
from crunw.setup.finding import BROKEN, INFO, OK, WARNING, Finding
from crunw.workload import WASMTIME

if TYPE_CHECKING:
    from types import ModuleType

    from crunw.aot.lookup import Tiers
    from crunw.oci.model import Seccomp

_CFFI = "apt install python3-cffi-backend, or pip install cffi for the Python that runs crunw"
_PROFILE: Seccomp = {
    "defaultAction": "SCMP_ACT_ERRNO",
    "syscalls": [{"names": ["read", "write", "exit_group"], "action": "SCMP_ACT_ALLOW"}],
}
_USAGE = 2  # the exit status of crunw's own programs without arguments
# (module (import "wasi_snapshot_preview1" "proc_exit" (func (param i32)))
#   (memory (export "memory") 1) (func (export "_start") (call 0 (i32.const 7))))
_STATUS = 7
_MODULE = (
    b"\0asm\1\0\0\0"
    b"\1\x08\2\x60\1\x7f\0\x60\0\0"
    b"\2\x24\1\x16wasi_snapshot_preview1\x09proc_exit\0\0"
    b"\3\2\1\1"
    b"\5\3\1\0\1"
    b"\7\x13\2\6memory\2\0\6_start\0\1"
    b"\x0a\x08\1\6\0\x41\7\x10\0\x0b"
)


def programs() -> list[Finding]:
    """Start ``crunw-init``, which starts every container, and what compiles modules."""
    return [
        _program(path) for path in (paths.init_path(), paths.compiler_path(), paths.later_path())
    ]


def _program(path: str) -> Finding:
    name = os.path.basename(path)
    advice = "install crunw again"
    try:
        status = subprocess.run([path], capture_output=True, check=False).returncode
    except OSError as error:
        return Finding(name, BROKEN, f"{path}: {error.strerror}", advice)
    if status != _USAGE:
        return Finding(name, BROKEN, f"{path}: ended with status {status}", advice)
    return Finding(name, OK, path)


def seccomp() -> Finding:
    """A small profile, compiled as those of containers are."""
    try:
        from crunw.effects.seccomp.compile import compile_filter, library_path

        code, _flags = compile_filter(_PROFILE)
    except (CrunwError, ImportError, OSError) as error:
        advice = _CFFI if _lacks_cffi(error) else "apt install libseccomp2"
        return Finding("seccomp filter", BROKEN, str(error), advice)
    return Finding("seccomp filter", OK, f"compiled by {library_path()}: {len(code) // 8} steps")


def _lacks_cffi(error: BaseException | None) -> bool:
    while error:
        if isinstance(error, ImportError) and error.name == "_cffi_backend":
            return True
        error = error.__cause__
    return False


def webassembly() -> list[Finding]:
    """The engine, opened as containers get it; a module, compiled as it is for them."""
    try:
        from crunw.engine import PROPOSALS, Engine

        with Engine(stub=paths.engine_stub()) as engine:
            version, uses_stub = engine.version, engine.uses_stub
    except ImportError as error:
        advice = _CFFI if _lacks_cffi(error) else "install crunw again"
        return [Finding("libwasmedge", BROKEN, str(error), advice)]
    except CrunwError as error:
        advice = "apt install libwasmedge0; native containers work without it"
        return [Finding("libwasmedge", BROKEN, str(error), advice)]
    found = f"{version}, {len(PROPOSALS)} proposals: {', '.join(PROPOSALS)}"
    stub = Finding("LLVM stub", OK, "libwasmedge was opened without LLVM")
    if not uses_stub:
        advice = "build crunw again with the installed libwasmedge, so that modules start faster"
        stub = Finding("LLVM stub", WARNING, "does not fit libwasmedge", advice)
    return [Finding("libwasmedge", OK, found), stub, compiled(), wasmtime()]


def wasmtime() -> Finding:
    """The engine of components, which a node need not have."""
    from crunw.aot.engines import ADVICE, wasmtime_library
    from crunw.engine import Engine

    try:
        library = wasmtime_library()
        if not library:
            return Finding(
                "wasmtime", INFO, f"not on this node: components can't be run ({ADVICE})"
            )
        with Engine(library, name=WASMTIME) as engine:
            return Finding("wasmtime", OK, f"{engine.version}, {library}")
    except CrunwError as error:
        return Finding("wasmtime", WARNING, str(error), ADVICE)


def compiled() -> Finding:
    """A module that no cache can hold yet: compiled, taken from the cache, and run."""
    from crunw.aot import build, config, places, store

    name = "compiled module"
    if not paths.has_llvm():
        return Finding(name, INFO, "this installation has no LLVM: modules are interpreted")
    try:
        if config.load().policy == "off":
            return Finding(name, INFO, f"{config.FILE}: aot.policy is off: modules are interpreted")
        started = time.monotonic()
        tiers = _build(build)
        seconds = time.monotonic() - started
        try:
            status = _run(f"{tiers.directory()}/{places.ARTEFACT}")
        finally:
            store.drop(tiers.key(tiers.level))
    except (CrunwError, OSError) as error:
        advice = "mend this, then crunw cache warm; until then modules are interpreted"
        return Finding(name, BROKEN, str(error), advice)
    if status != _STATUS:
        advice = "report it, with the versions of crunw and libwasmedge"
        return Finding(name, BROKEN, f"ended with status {status} instead of {_STATUS}", advice)
    return Finding(name, OK, f"compiled in {seconds:.1f} s into {places.cache()}, loaded and run")


def _build(build: ModuleType) -> Tiers:
    """Compile the module into the cache; return its entries."""
    descriptor = os.memfd_create("doctor")
    try:
        nonce = os.urandom(16)
        section = bytes((0, 1 + 6 + len(nonce), 6)) + b"doctor" + nonce
        os.write(descriptor, _MODULE + section)
        found: Tiers = build.build(descriptor, build.Order("doctor.wasm"), BEST)
        return found
    finally:
        os.close(descriptor)


def _run(artefact: str) -> int:
    """The exit status of the compiled module, in a process of its own: native code may crash."""
    from crunw.engine import Engine

    pid = os.fork()
    if pid:
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    status = -1
    try:
        with Engine(stub=paths.engine_stub()) as engine:
            status = engine.run(artefact, ["doctor"], compiled=True).status
    finally:
        os._exit(status & 0xFF)


def caches() -> list[Finding]:
    """The caches' directories that can't be used, by the rule of their readers."""
    return [*_notes(), *_caches()]


def _notes() -> list[Finding]:
    """Where notes about modules can't be written, which nothing else reports."""
    from crunw.aot import places

    kind, name = "verified", "doctor"
    wrong = places.write_note(kind, name, "")
    places.remove(places.note(kind, name))
    found = f"{wrong}: modules are read as a whole at each start, failures are forgotten"
    return [Finding("AOT notes", WARNING, found, f"see to {places.run_dir()}")] if wrong else []


def _caches() -> list[Finding]:
    return [
        Finding(f"{name} cache", BROKEN, f"{wrong}: not used", f"remove {path}: it is made again")
        for name, path in (("AOT", paths.cache_dir("aot")), ("seccomp", paths.cache_dir("seccomp")))
        if os.path.lexists(path) and (wrong := directories.private(path))
    ]


def systemd(root: str = "") -> Finding:
    """The manager that engines use for cgroups where systemd runs the host, asked for its own."""
    name = "systemd manager"
    if not os.path.isdir(f"{root}/run/systemd/system"):
        return Finding(name, INFO, "systemd does not run this host: cgroups without it")
    from crunw.effects.cgroups.dbus import Systemd

    try:
        manager = Systemd(user=paths.is_rootless())
        found = manager.control_group() or "/"
    except CrunwError as error:
        return Finding(name, BROKEN, str(error), "apt install python3-jeepney dbus")
    return Finding(name, OK, f"answers over D-Bus, its cgroup is {found}")


def criu() -> Finding:
    """The program for ``checkpoint`` and ``restore``."""
    path = shutil.which("criu")
    if not path:
        advice = "apt install criu, if containers are to be checkpointed"
        return Finding("criu", INFO, "not installed", advice)
    done = subprocess.run([path, "--version"], capture_output=True, text=True, check=False)
    version = done.stdout.removeprefix("Version:").split("\n")[0].strip()
    if done.returncode or not version:
        return Finding("criu", BROKEN, f"{path}: {done.stderr.strip()}", "apt install criu")
    return Finding("criu", OK, f"{version}: containers can be checkpointed")
