"""LLVM and native code: the stub and its fallback, compilation, and what is never executed."""

from __future__ import annotations

import resource
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("crunw._engine")

from crunw import paths
from crunw.aot.compiler import OUTPUT, Compilation
from crunw.aot.options import Options
from crunw.engine import Engine, Result
from crunw.errors import CrunwError

MODULES = Path(__file__).parents[1] / "modules"


@pytest.fixture(scope="module")
def exit3(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("modules") / "exit3.wasm"
    subprocess.run(["wat2wasm", MODULES / "exit3.wat", "-o", path], check=True)
    return path


@pytest.fixture(scope="module")
def universal(exit3: Path) -> Path:
    """Wasm with an AOT section."""
    path = exit3.with_name("universal.wasm")
    compile_module(exit3, path, Options(native=False))
    return path


def compile_module(module: Path, output: Path, options: Options) -> Compilation:
    with module.open("rb") as file:
        compilation = Compilation("it", file.fileno(), str(output.parent), options)
        compilation.finish()
    (output.parent / OUTPUT).rename(output)
    return compilation


def test_how_long_it_took_is_processor_time(exit3: Path, tmp_path: Path) -> None:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = compile_module(exit3, tmp_path / "exit3.so", Options(native=True)).used
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    taken = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
    assert used == pytest.approx(taken, abs=1e-4)


def test_signals_that_the_caller_has_blocked_stay_blocked(exit3: Path, tmp_path: Path) -> None:
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
    try:
        compile_module(exit3, tmp_path / "exit3.so", Options(native=True))
        held = signal.pthread_sigmask(signal.SIG_BLOCK, [])
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    assert held == before | {signal.SIGTERM}


def leb128(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        value |= (data[at] & 0x7F) << shift
        shift += 7
        at += 1
        if data[at - 1] < 0x80:
            return value, at


def aot_section(module: bytes) -> bytes:
    at = 8
    while at < len(module):
        length, body = leb128(module, at + 1)
        if module[at] == 0 and b"wasmedge" in module[body : body + 10]:
            return module[at : body + length]
        at = body + length
    raise AssertionError("no AOT section")


def test_native_code_of_an_image_is_not_run(exit3: Path, universal: Path, tmp_path: Path) -> None:
    """A module that says 4 carries native code that says 3."""
    exit4 = exit3.read_bytes().replace(b"\x41\x03\x10\x00", b"\x41\x04\x10\x00")
    path = tmp_path / "both.wasm"
    path.write_bytes(exit4 + aot_section(universal.read_bytes()))
    with Engine(stub=paths.engine_stub()) as engine:
        assert engine.inspect(str(path)).native_code
        assert engine.run(str(path), ["both"]) == Result(4, "")
        runs_unasked = engine.version.startswith("0.14.")
    if shutil.which("wasmedge") and runs_unasked:
        assert subprocess.run(["wasmedge", path], check=False).returncode == 3


def test_shared_object_is_not_run(exit3: Path, tmp_path: Path) -> None:
    path = tmp_path / "exit3.wasm"
    options = Options(level="0")
    options.generic = True
    compile_module(exit3, path, options)
    assert path.read_bytes().startswith(b"\x7fELF")
    with Engine(stub=paths.engine_stub()) as engine, pytest.raises(CrunwError, match="native code"):
        engine.run(str(path), ["exit3"])


def test_compile_refuses_a_bad_module(tmp_path: Path) -> None:
    path = tmp_path / "bad.wasm"
    path.write_bytes(b"\0asm\1\0\0\0\xff\0")
    with pytest.raises(CrunwError) as caught:
        compile_module(path, tmp_path / "out", Options())
    assert str(caught.value) == "it: the module can't be parsed: malformed section id, at byte 0x8"
    assert not (tmp_path / "out").exists()


def llvm_mapped(stub: str, module: Path) -> tuple[str, bool]:
    """Run exit3 in a process of its own: what it prints, and whether it maps the real LLVM."""
    code = (
        "import sys; from crunw.engine import Engine\n"
        "engine = Engine(stub=sys.argv[1]); result = engine.run(sys.argv[2], ['it'])\n"
        "print(engine.uses_stub, result.status, 'libLLVM.so' in open('/proc/self/maps').read())"
    )
    done = subprocess.run(
        [sys.executable, "-P", "-c", code, stub, module], capture_output=True, text=True, check=True
    )
    printed, _, mapped = done.stdout.strip().rpartition(" ")
    return printed, mapped == "True"


def test_starts_without_llvm(exit3: Path) -> None:
    stub = paths.engine_stub()
    if not stub:
        pytest.skip("this libwasmedge needs no libLLVM")
    assert llvm_mapped(stub, exit3) == ("True 3", False)


@pytest.mark.parametrize("kind", ["missing", "damaged", "incomplete", "unrelated"])
def test_a_stub_that_does_not_fit_is_left_aside(exit3: Path, tmp_path: Path, kind: str) -> None:
    """``incomplete``: libwasmedge was upgraded and imports a function that the stub lacks."""
    stub = tmp_path / "stub.so"
    if kind == "damaged":
        stub.write_bytes(b"\x7fELF")
    elif kind in ("incomplete", "unrelated"):
        soname = "libLLVM.so.19.1" if kind == "incomplete" else "libother.so.1"
        versions = tmp_path / "versions"
        versions.write_text("LLVM_19.1 { global: LLVMShutdown; local: *; };\n")
        source = tmp_path / "stub.c"
        source.write_text("void LLVMShutdown(void) {}\n")
        options = ["-shared", "-fPIC", f"-Wl,-soname,{soname},--version-script={versions}"]
        subprocess.run(["cc", *options, source, "-o", stub], check=True)
    assert llvm_mapped(str(stub), exit3)[0] == "False 3"
