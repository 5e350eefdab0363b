"""What ``ci/bench`` computes without running anything."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from real_programs import sources
from support.commands import PROJECT

sys.path.append(str(PROJECT))  # at the end: crunw is the one that is tested
from benchmarks import big_module, first, real, targets
from benchmarks.__main__ import GROUPS
from benchmarks.measure import Result

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


def test_a_reply_takes_the_time_between_two() -> None:
    assert first.each_of([1.0, 1.5, 1.75, 2.5]) == 0.5


def test_what_is_chosen_of_the_programs() -> None:
    programs = sources.listed()
    quick = [one["name"] for one in programs if real.is_chosen(one, full=False)]
    full = [one for one in programs if real.is_chosen(one, full=True)]
    assert len(quick) == len(real._SOON)
    assert set(quick) < {one["name"] for one in full}
    assert not any("refused" in one or "engine" in one for one in full)
    assert {*real._FAST, *real._FAST_LARGE} < {one["name"] for one in programs}


def test_each_target_is_of_a_group() -> None:
    assert {target.key.split("/")[0] for target in targets.TARGETS} <= {*GROUPS}


@pytest.mark.parametrize(("taken", "met"), [(1.0, True), (1.2, False)])
def test_a_first_replica_as_slow_as_this(taken: float, met: bool) -> None:
    replies = Result("first/reply-small", "", "s", {"crunw": [taken], "second": [1.0]})
    (check,) = targets.check([replies])
    assert check.met == met
