"""What ``ci/bench`` computes without running anything."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from support.commands import PROJECT

sys.path.append(str(PROJECT))  # at the end: crunw is the one that is tested
from benchmarks import big_module

SERVER = """
(module
  (import "wasi_snapshot_preview1" "sched_yield" (func $yield (result i32)))
  (memory (export "memory") 1)
  (func (export "_start") (drop (call $yield))))
"""


def assembled(directory: Path, text: str) -> bytes:
    source, module = directory / "module.wat", directory / "module.wasm"
    source.write_text(text)
    subprocess.run(["wat2wasm", source, "-o", module], check=True)
    return module.read_bytes()


def functions(directory: Path, module: bytes) -> int:
    """How many functions it has of its own. It must be valid."""
    path = directory / "found.wasm"
    path.write_bytes(module)
    subprocess.run(["wasm-validate", path], check=True)
    listed = subprocess.check_output(["wasm-objdump", "-x", "-j", "Function", path], text=True)
    return listed.count(" func[")


def test_more_functions_leave_a_module_valid(tmp_path: Path) -> None:
    module = assembled(tmp_path, SERVER)
    larger = big_module.with_functions(module, 50_000)
    assert 50_000 <= len(larger) - len(module) <= 55_000
    assert functions(tmp_path, module) == 1
    assert functions(tmp_path, larger) > 100


def test_a_generated_module_is_valid(tmp_path: Path) -> None:
    path = tmp_path / "generated.wasm"
    big_module.write(path, 50_000)
    assert functions(tmp_path, path.read_bytes()) > 100


def test_what_is_no_function_may_not_be_imported(tmp_path: Path) -> None:
    module = assembled(tmp_path, '(module (import "a" "b" (memory 1)) (func))')
    with pytest.raises(ValueError, match="no function"):
        big_module.with_functions(module, 1)
