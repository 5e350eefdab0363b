"""``crunw compile`` and ``crunw inspect``."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import re
import shutil
import signal
import subprocess
from pathlib import Path

import pytest
from support.commands import wait_for
from support.containers import Runtime


@pytest.fixture
def work(tmp_path: Path, modules: Path) -> Path:
    """A directory with a few modules: a small one, one that takes a second, and bad ones."""
    directory = tmp_path / "work"
    directory.mkdir()
    for name in ("exit3", "wasi_example_main", "invalid", "truncated", "tail_call", "component"):
        shutil.copy(modules / f"{name}.wasm", directory)
    return directory


def left(work: Path) -> set[str]:
    """What is in the directory besides the modules."""
    return {path.name for path in work.iterdir() if path.suffix != ".wasm"}


def children_of(pid: int) -> list[int]:
    return [int(child) for child in read(f"/proc/{pid}/task/{pid}/children").split()]


def is_running(pid: int) -> bool:
    return read(f"/proc/{pid}/stat").rpartition(") ")[2][:1] not in ("", "Z")


def read(path: str) -> str:
    try:
        return Path(path).read_text()
    except OSError:
        return ""


def test_wasm_with_native_code(crunw: Runtime, work: Path) -> None:
    out = crunw("compile", work / "exit3.wasm").ok()
    made = work / "exit3.aot.wasm"
    assert out.startswith(f"{made}: ")
    document = json.loads(crunw("inspect", "--json", made).ok())
    assert (document["kind"], document["aot"]) == ("command", True)
    ran = subprocess.run(["wasmedge", made], capture_output=True, check=False)
    assert ran.returncode == 3, ran


def test_native_and_json(crunw: Runtime, work: Path) -> None:
    output = work / "out.so"
    (result,) = json.loads(
        crunw("compile", "-Os", "--format=native", "--json", "-o", output, work / "exit3.wasm").ok()
    )
    assert output.read_bytes()[:4] == b"\x7fELF"
    assert result["output"] == str(output)
    assert result["outputSize"] == output.stat().st_size
    assert result["moduleSize"] == (work / "exit3.wasm").stat().st_size
    assert left(work) == {"out.so"}


def test_several_and_bad_ones(crunw: Runtime, work: Path) -> None:
    names = [work / f"{name}.wasm" for name in ("invalid", "exit3", "truncated", "component")]
    result = crunw("compile", "--format", "native", *names, work / "missing.wasm")
    assert result.status == 1
    errors = result.err.splitlines()
    assert [line.split(": ")[1] for line in errors] == [
        str(work / f"{name}.wasm") for name in ("invalid", "truncated", "component")
    ] + [f"open {work}/missing.wasm"]
    assert errors[0].endswith("the module is not valid: type mismatch, at byte 0x33")
    assert "section 10 at byte 717" in errors[1]
    assert errors[2] == (
        f"crunw: {work}/component.wasm: this is a component, whose compiled code a container loads "
        "from the node's cache, never from a file (crunw cache warm puts it there)"
    )
    assert left(work) == {"exit3.so"}


def test_proposals(crunw: Runtime, work: Path) -> None:
    module = work / "tail_call.wasm"
    error = crunw("compile", "--disable", "tail-call", module).error()
    assert error == f"{module}: the module can't be parsed: illegal opcode, at byte 0x45"
    crunw("compile", "--disable", "all", "--enable", "tail-call", module)
    assert "one of mutable-globals" in crunw("compile", "--disable", "nonsense", module).error()


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        ([], "a module is missing"),
        (["-O7", "a.wasm"], "--optimize: '7'"),
        (["--format", "elf", "a.wasm"], "--format: 'elf'"),
        (["-o", "x", "a.wasm", "b.wasm"], "--output is for one module"),
        (["a.wasm", "a"], "the same file"),
    ],
)
def test_wrong_arguments(crunw: Runtime, words: list[str], problem: str) -> None:
    assert problem in crunw("compile", *words).error()


def test_output_can_not_be_written(crunw: Runtime, work: Path) -> None:
    output = work / "missing" / "out"
    assert f"{work}/missing" in crunw("compile", "-o", output, work / "exit3.wasm").error()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_interrupted(crunw: Runtime, work: Path, number: int) -> None:
    process = crunw.spawn("compile", work / "wasi_example_main.wasm", start_new_session=True)
    wait_for(lambda: any(name.endswith(".crunw") for name in left(work)))
    (compiler,) = wait_for(lambda: children_of(process.pid), "the compiler's process")
    # The terminal sends ^C to the whole group; KILL comes for the one.
    if number == signal.SIGINT:
        os.killpg(process.pid, number)
    else:
        process.kill()
    assert process.wait(10) == (130 if number == signal.SIGINT else -9)
    wait_for(lambda: not is_running(compiler), "the end of the compiler")
    assert not (work / "wasi_example_main.aot.wasm").exists()
    if number == signal.SIGINT:
        assert left(work) == set()


def compiler_of(pid: int) -> int:
    """The child that has become the compiler; 0: there is none yet."""
    for child in children_of(pid):
        if "crunw-compiler" in read(f"/proc/{child}/cmdline"):
            return child
    return 0


def test_progress_on_a_terminal(crunw: Runtime, work: Path) -> None:
    """Of what takes longer than a second: the compiler is stopped until there is some."""
    master, slave = pty.openpty()
    process = crunw.spawn("compile", work / "wasi_example_main.wasm", stderr=slave)
    os.close(slave)
    # Until it executes its program, its parent waits in vfork(2) for that.
    compiler = wait_for(lambda: compiler_of(process.pid), "the compiler's process")
    os.kill(compiler, signal.SIGSTOP)
    shown = os.read(master, 4096)
    os.kill(compiler, signal.SIGCONT)
    with contextlib.suppress(OSError):  # the end of the terminal
        while data := os.read(master, 4096):
            shown += data
    os.close(master)
    assert process.wait(20) == 0
    assert re.search(rb" [1-9]\d* s  compiling wasi_example_main.wasm \(7", shown)
    assert b" 0 s" not in shown
    assert shown.endswith(b"\r\x1b[K")


def test_inspect_for_people(crunw: Runtime, work: Path) -> None:
    text = crunw("inspect", work / "tail_call.wasm").ok()
    assert "kind       command\n" in text
    assert "proposals  tail-call\n" in text
    assert "section" in text


@pytest.mark.parametrize(
    ("name", "kind", "proposals"),
    [
        ("reactor", "reactor", []),
        ("library", "library", []),
        ("bulk_memory", "command", ["bulk-memory"]),
        ("multi_value", "command", ["multi-value"]),
        ("relaxed_simd", "command", ["simd", "relaxed-simd"]),
        ("exceptions", "command", ["exception-handling"]),
        ("threads", "command", ["threads"]),
    ],
)
def test_inspect(crunw: Runtime, modules: Path, name: str, kind: str, proposals: list[str]) -> None:
    document = json.loads(crunw("inspect", "--json", modules / f"{name}.wasm").ok())
    assert (document["kind"], document["proposals"]) == (kind, proposals)
    assert document["size"] == (modules / f"{name}.wasm").stat().st_size
    last = document["sections"][-1]
    assert last["offset"] + last["size"] == document["size"]


def test_inspect_of_a_component(crunw: Runtime, modules: Path) -> None:
    document = json.loads(crunw("inspect", "--json", modules / "component.wasm").ok())
    assert document["kind"] == "component"
    assert "goes beyond" in crunw("inspect", modules / "truncated.wasm").error()


def test_inspect_says_whether_it_runs(crunw: Runtime, modules: Path) -> None:
    runs = {
        name: json.loads(crunw("inspect", "--json", modules / f"{name}.wasm").ok())["obstacle"]
        for name in ("hello", "library", "imports")
    }
    assert runs["hello"] == ""
    assert "it is a library (name the function to call" in runs["library"]
    assert "does not provide: function env.missing" in runs["imports"]
    text = crunw("inspect", modules / "library.wasm").ok()
    assert "\nruns here  no: the module exports no _start: it is a library (" in text
