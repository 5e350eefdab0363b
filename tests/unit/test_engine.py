"""libwasmedge through ``crunw.engine``: what runs, how it ends, what is refused and why."""

from __future__ import annotations

import contextlib
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("crunw._engine")

from crunw import paths
from crunw.aot.examine import _NAMES, _leb128, sections
from crunw.engine import TRAP_STATUS, Engine, External, Limits, Result
from crunw.errors import CrunwError

LIBRARY = paths.engine_library()


@pytest.fixture(scope="session")
def engine() -> Engine:
    return Engine(stub=paths.engine_stub())


def run(engine: Engine, path: Path, *args: str, **options: object) -> Result:
    return engine.run(str(path), [path.name, *args], **options)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "name",
    [
        "bulk_memory",
        "exceptions",
        "extended_const",
        "gc",
        "multi_memory",
        "multi_value",
        "reference_types",
        "relaxed_simd",
        "sign_extension",
        "simd",
        "tail_call",
        "threads",
    ],
)
def test_proposal(engine: Engine, modules: Path, name: str) -> None:
    assert run(engine, modules / f"{name}.wasm") == Result(0, "")


def test_a_disabled_proposal_is_disabled(engine: Engine, modules: Path) -> None:
    """Or it is said that it is not: 0.17 keeps one that another one includes."""
    path = str(modules / "reference_types.wasm")
    including = ("reference-types", "function-references", "gc")
    with pytest.raises(CrunwError, match="malformed"):
        engine.validate(path, ("bulk-memory", *including))
    with pytest.raises(CrunwError, match=r"malformed|disables no proposal that another one"):
        engine.validate(path, ("bulk-memory", "reference-types"))


def test_exceptions_of_the_old_form(engine: Engine, modules: Path) -> None:
    """0.17 can't parse them any more."""
    path = modules / "exceptions_legacy.wasm"
    if "the old catch" not in engine.wrong_exceptions.split(", "):
        assert run(engine, path) == Result(0, "")
        return
    with pytest.raises(CrunwError, match="exceptions of the old form, which this version"):
        run(engine, path)


# --- Exceptions that the library gets wrong -------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "handler"),
    [
        ("exceptions_catch_all", "catch_all"),
        ("exceptions_catch_all_ref", "catch_all_ref"),
        ("exceptions_legacy_catch_all", "the old catch_all"),
    ],
)
def test_wrong_exceptions_are_refused(
    engine: Engine, modules: Path, name: str, handler: str
) -> None:
    """The modules end with 56 where they are executed rightly."""
    path = modules / f"{name}.wasm"
    refused = (
        f"{path}: the module uses exception handling ({handler}), which libwasmedge"
        f" {engine.version} executes wrongly: its results would be wrong (build it without"
        " exceptions, or have it run nevertheless by the annotation"
        " run.oci.wasm.insist=exceptions)"
    )
    wrong = engine.wrong_exceptions.split(", ")
    if handler not in wrong:
        assert run(engine, path) == Result(56, "")
        return
    if "the old" in handler and "the old catch" in wrong:
        return  # they can't be parsed: the test above
    with pytest.raises(CrunwError) as caught:
        run(engine, path)
    assert str(caught.value) == refused
    assert f"{path}: {engine.obstacle(str(path))}" == refused


def test_the_references_library(engine: Engine) -> None:
    if engine.version == "0.14.1":
        assert engine.wrong_exceptions == "catch_all, catch_all_ref, the old catch_all"


@pytest.mark.parametrize(
    "name",
    [
        "bulk_memory", "extended_const", "gc", "multi_memory", "multi_value", "reference_types",
        "relaxed_simd", "return", "sign_extension", "simd", "tail_call", "threads",
    ],
)  # fmt: skip
def test_every_instruction_is_read_over(
    engine: Engine, modules: Path, tmp_path: Path, name: str
) -> None:
    """With a tag, the code is read; what is not understood would be taken for catch_all."""
    path = tmp_path / f"{name}.wasm"
    path.write_bytes(with_tag((modules / f"{name}.wasm").read_bytes()))
    assert run(engine, path) == Result(0, "")


def with_tag(module: bytes) -> bytes:
    """The module with one tag more, of a type of its own, without parameters."""
    result, tag = module[:8], b""
    for section in sections(module):
        name, content = section["name"], module[section["offset"] :][: section["size"]]
        if name == "type":
            count, at = _leb128(content, 0)
            content = leb128(count + 1) + content[at:] + b"\x60\0\0"
            tag = b"\x01\0" + leb128(count)
        identity = 0 if name.startswith("custom") else _NAMES.index(name)
        if tag and identity in (6, 7, 8, 9, 10, 11, 12):
            result += b"\x0d" + leb128(len(tag)) + tag
            tag = b""
        result += bytes([identity]) + leb128(len(content)) + content
    return result


def leb128(value: int) -> bytes:
    """An unsigned number (WebAssembly core specification, 5.2.2)."""
    low = value & 0x7F
    return bytes([low]) if value < 0x80 else bytes([low | 0x80]) + leb128(value >> 7)


@pytest.mark.parametrize(
    ("name", "result"),
    [
        ("return", Result(0, "")),
        ("exit3", Result(3, "")),
        ("trap", Result(TRAP_STATUS, "trap: unreachable")),
        ("exception_uncaught", Result(TRAP_STATUS, "trap: uncaught exception")),
    ],
)
def test_how_it_ends(engine: Engine, modules: Path, name: str, result: Result) -> None:
    assert run(engine, modules / f"{name}.wasm") == result


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("component", "is a WebAssembly component"),
        ("empty", "the file is empty"),
        ("invalid", "the module is not valid: type mismatch, at byte 0x33"),
        ("length", "truncated or damaged: section 0 at byte 51"),
        ("magic", "does not start with \\0asm"),
        ("script", "does not start with \\0asm"),
        ("section255", "can't be parsed: malformed section id, at byte 0x33"),
        ("text", "this is not a WebAssembly module, but WebAssembly text"),
        ("truncated", "truncated or damaged: section 10 at byte"),
        ("version2", "unknown version of WebAssembly: 2, layer 0"),
    ],
)
def test_refused(
    engine: Engine, modules: Path, capfd: pytest.CaptureFixture[str], name: str, message: str
) -> None:
    path = modules / f"{name}.wasm"
    with pytest.raises(CrunwError) as caught:
        engine.validate(str(path))
    assert str(caught.value).startswith(f"{path}: ")
    assert message in str(caught.value)
    assert capfd.readouterr() == ("", "")  # the library's own log


def test_refused_native(engine: Engine) -> None:
    with pytest.raises(CrunwError, match="but native code"):
        engine.validate(sys.executable)


@pytest.mark.parametrize("path", ["/", "/dev/null"])
def test_refused_not_a_file(engine: Engine, path: str) -> None:
    with pytest.raises(CrunwError, match="not a regular file"):
        engine.validate(path)


def test_refused_fifo(engine: Engine, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(CrunwError, match="not a regular file"):
        engine.validate(str(tmp_path / "fifo"))


def test_missing_imports_are_named(engine: Engine, modules: Path) -> None:
    with pytest.raises(CrunwError) as caught:
        run(engine, modules / "imports.wasm")
    assert str(caught.value).endswith(
        "the module imports what crunw does not provide: function env.missing, function "
        "wasi_snapshot_preview1.no_such_call, memory host.mem?ory"
    )


def importing(module: str, name: str) -> bytes:
    """A library that imports a function."""
    names = b"".join(bytes([len(text)]) + text.encode() for text in (module, name))
    section = b"\1" + names + b"\0\0"
    types = b"\1\4\1\x60\0\0"
    return b"\0asm\1\0\0\0" + types + b"\2" + bytes([len(section)]) + section


@pytest.mark.parametrize(
    ("module", "name", "hint"),
    [
        ("gojs", "runtime.wasmExit", "GOOS=wasip1"),
        ("go", "debug", "GOOS=wasip1"),
        ("wbg", "__wbg_log_1", "wasm-bindgen"),
        ("__wbindgen_placeholder__", "__wbindgen_throw", "wasm-bindgen"),
        ("a", "a", "-sSTANDALONE_WASM"),
        ("env", "emscripten_memcpy_js", "-sSTANDALONE_WASM"),
        ("env", "abort", "AssemblyScript"),
        ("wasi_unstable", "fd_write", "for WASI preview 1"),
        ("wasi:cli/exit@0.2.0", "exit", "component of WASI preview 2"),
    ],
)
def test_what_a_module_was_made_for(
    engine: Engine, tmp_path: Path, module: str, name: str, hint: str
) -> None:
    """Before it is said that it is a library: that is not its trouble."""
    path = tmp_path / "module.wasm"
    path.write_bytes(importing(module, name))
    obstacle = engine.obstacle(str(path))
    assert obstacle.startswith(
        f"the module imports what crunw does not provide: function {module}.{name} ("
    )
    assert hint in obstacle


def test_an_unknown_import_has_no_hint(engine: Engine, tmp_path: Path) -> None:
    path = tmp_path / "module.wasm"
    path.write_bytes(importing("env", "mine"))
    assert engine.obstacle(str(path)).endswith("does not provide: function env.mine")


def test_no_obstacle(engine: Engine, modules: Path) -> None:
    assert engine.obstacle(str(modules / "exit3.wasm")) == ""


def test_wrong_import_type(engine: Engine, modules: Path) -> None:
    with pytest.raises(CrunwError, match="can't be instantiated: incompatible import type"):
        run(engine, modules / "import_type.wasm")


def test_damaged_modules_never_crash(engine: Engine, modules: Path, tmp_path: Path) -> None:
    whole = (modules / "files.wasm").read_bytes()
    generator = random.Random(1)  # noqa: S311 -- the same damage each time
    path = tmp_path / "damaged.wasm"
    for _ in range(300):
        data = bytearray(whole)
        for _ in range(generator.randrange(1, 4)):
            data[generator.randrange(8, len(data))] = generator.randrange(256)
        path.write_bytes(data[: generator.randrange(8, len(data))] if data[-1] & 1 else data)
        with contextlib.suppress(CrunwError):
            engine.validate(str(path))


def test_reactor(engine: Engine, modules: Path) -> None:
    path = modules / "reactor.wasm"
    assert run(engine, path, function="run") == Result(5, "")
    with pytest.raises(CrunwError, match=r"it is a reactor \(name the function"):
        run(engine, path)
    with pytest.raises(CrunwError, match="exports no function nothing"):
        run(engine, path, function="nothing")
    with pytest.raises(CrunwError, match="can't be called without arguments"):
        run(engine, path, function="needs_argument")


def test_library(engine: Engine, modules: Path) -> None:
    assert run(engine, modules / "library.wasm", function="answer") == Result(0, "")
    with pytest.raises(CrunwError, match=r"it is a library \(name the function"):
        run(engine, modules / "library.wasm")


def test_inspect(engine: Engine, modules: Path) -> None:
    exit3 = engine.inspect(str(modules / "exit3.wasm"))
    assert exit3.kind == "command"
    assert not exit3.native_code
    assert exit3.imports == [External("wasi_snapshot_preview1", "proc_exit", "function")]
    assert exit3.exports == [External("", "memory", "memory"), External("", "_start", "function")]
    assert engine.inspect(str(modules / "reactor.wasm")).kind == "reactor"
    assert engine.inspect(str(modules / "library.wasm")).kind == "library"


def test_memory_limit(engine: Engine, modules: Path) -> None:
    assert run(engine, modules / "hog.wasm").status == 255
    assert run(engine, modules / "hog.wasm", limits=Limits(memory_pages=16)).status == 16


def test_a_trap_near_the_memory_limit_says_so(engine: Engine, modules: Path) -> None:
    """Not one that has nothing to do with it."""
    result = run(engine, modules / "outgrown.wasm", limits=Limits(memory_pages=16))
    assert result == Result(
        TRAP_STATUS,
        "trap: unreachable; its memory has grown to 16 of 16 pages of 64 KiB (raise the "
        "container's memory limit, or run.oci.wasm.memory-pages)",
    )
    limits = Limits(memory_pages=1000)
    assert run(engine, modules / "trap.wasm", limits=limits).trap == "trap: unreachable"


@pytest.mark.parametrize("name", ["loop", "recursion"])
def test_cost_limit(engine: Engine, modules: Path, name: str) -> None:
    limits = Limits(cost=100_000)
    result = run(engine, modules / f"{name}.wasm", limits=limits)
    assert result == Result(TRAP_STATUS, "trap: the limit of 100000 instructions is reached")


def test_arguments_and_environment(
    engine: Engine, modules: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = modules / "files.wasm"
    engine.run(str(path), ["/bin/it", "args", "", "ü"])
    engine.run(str(path), ["it", "env"], env=["A=b=c", "EMPTY="])
    assert capfd.readouterr().out == "/bin/it\nargs\n\nü\nA=b=c\nEMPTY=\n"


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for name in ("file", "etc/file", "app/file", "app/sub/file"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(f"{name}\n")
    return tmp_path


def test_preopen_root(
    engine: Engine, modules: Path, tree: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    names = ["file", "/file", "./file", "/app/../file", "app/sub/../file"]
    run(engine, modules / "files.wasm", "read", *names, preopens=[f"/:{tree}"])
    assert capfd.readouterr().out == "file\nfile\nfile\nfile\napp/file\n"


def test_preopens_for_another_cwd(
    engine: Engine, modules: Path, tree: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    preopens = [f"/:{tree}", f"/app:{tree}/app", f"/etc:{tree}/etc", f".:{tree}/app"]
    names = ["file", "./file", "sub/file", "/etc/file", "/app/file"]
    run(engine, modules / "files.wasm", "read", *names, preopens=preopens)
    assert capfd.readouterr().out == "app/file\napp/file\napp/sub/file\netc/file\napp/file\n"


def test_preopens_keep_their_order(
    engine: Engine, modules: Path, tree: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """The library sorts them by their addresses, which has to be the order they were given in."""
    many = []
    for number in range(200):
        (tree / f"d{number}").mkdir()
        many.append(f"/d{number}:{tree}/d{number}")
    for first, last in (("/", "."), (".", "/")):
        at = {"/": tree, ".": tree / "app"}
        preopens = [f"{first}:{at[first]}", *many, f"{last}:{at[last]}"]
        run(engine, modules / "files.wasm", "read", "file", preopens=preopens)
    assert capfd.readouterr().out == "app/file\nfile\n"


def test_preopen_readonly(
    engine: Engine, modules: Path, tree: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = modules / "files.wasm"
    preopens = [f"/:{tree}:readonly"]
    assert run(engine, path, "read", "/file", preopens=preopens).status == 0
    assert run(engine, path, "write", "/file", preopens=preopens).status == 1
    assert run(engine, path, "write", "/new", preopens=preopens).status == 1
    assert run(engine, path, "write", "/new", preopens=[f"/:{tree}"]).status == 0
    assert (tree / "file").read_text() == "file\n"
    assert (tree / "new").read_text() == "written\n"
    assert capfd.readouterr().out.startswith("file\n")


@pytest.mark.parametrize("path", ["/../outside", "../outside", "link", "absolute", "dir/outside"])
def test_preopen_is_not_left(
    engine: Engine,
    modules: Path,
    tree: Path,
    tmp_path_factory: pytest.TempPathFactory,
    capfd: pytest.CaptureFixture[str],
    path: str,
) -> None:
    outside = tmp_path_factory.mktemp("outside") / "outside"
    outside.write_text("secret\n")
    root = tree / "app"
    (tree / "outside").write_text("secret\n")
    (root / "link").symlink_to("../outside")
    (root / "absolute").symlink_to(outside)
    (root / "dir").symlink_to(outside.parent)
    run(engine, modules / "files.wasm", "read", path, preopens=[f"/:{root}"])
    assert "secret" not in capfd.readouterr().out


@pytest.mark.parametrize(
    ("preopen", "message"),
    [
        ("/:/does/not/exist", "No such file or directory"),
        ("/:/etc/passwd", "Not a directory"),
        ("/", "not guest:host"),
        ("/:", "not guest:host"),
        (":/", "not guest:host"),
        ("/:/:rw", "rw is not readonly"),
    ],
)
def test_bad_preopen(engine: Engine, modules: Path, preopen: str, message: str) -> None:
    with pytest.raises(CrunwError, match=message):
        run(engine, modules / "return.wasm", preopens=[preopen])


def test_start_section_is_not_run_before(modules: Path) -> None:
    """Instantiating would execute the module's code when the container is created."""
    code = (
        "import sys; from crunw.engine import *; from crunw.engine import _Module, _strings\n"
        "m = _Module(Engine(), sys.argv[1], Limits()); error = ffi.new('struct engine_error *')\n"
        "nothing, _ = _strings([])\n"
        "p = ffi.new('struct engine_program *', [nothing, nothing, nothing, ffi.NULL])\n"
        "assert lib.engine_prepare(m.pointer, p, error) == 0; print('prepared', flush=True)\n"
        "assert lib.engine_run(m.pointer, ffi.new('uint32_t *'), error) == 0\n"
    )
    path = str(modules / "start_section.wasm")
    done = subprocess.run([sys.executable, "-P", "-c", code, path], capture_output=True, check=True)
    assert done.stdout == b"prepared\nstart\n"


def test_missing_library() -> None:
    with pytest.raises(CrunwError, match=r"the WasmEdge library can't be loaded: libnone\.so"):
        Engine("libnone.so")


def test_another_library() -> None:
    with pytest.raises(CrunwError, match="this libwasmedge has no WasmEdge_"):
        Engine("libc.so.6")
