"""Compilers and containers killed at any time: what runs is always the right module, whole."""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import subprocess
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest
from support.aot import CACHE, NOTES, background, below, entries, settle, with_policy
from support.containers import Bundle, Runtime

STATUSES = range(1, 41)
AT_ONCE = 8
NO_CODE = b"no compiled code, which run.oci.wasm.aot=always asks for: "
PADDING = 2 << 20  # bytes: writing an artefact takes long enough to be interrupted


@pytest.fixture
def bundles(wasm_bundle, modules: Path) -> list[Bundle]:
    """Modules of one length that differ in nothing but the status they exit with."""
    exit3 = (modules / "exit3.wasm").read_bytes() + custom_section(os.urandom(PADDING))
    made = []
    for status in STATUSES:
        bundle = wasm_bundle("exit3")
        module = bundle.rootfs / "exit3.wasm"
        module.unlink()
        module.write_bytes(exit3.replace(b"\x41\x03\x10\x00", bytes([0x41, status, 0x10, 0])))
        made.append(bundle)
    return made


def custom_section(content: bytes) -> bytes:
    """A section that no engine looks at, but that a compiled module carries along."""
    body = b"\3pad" + content
    length = len(body)
    return bytes([0, *(length >> shift & 0x7F | 0x80 for shift in (0, 7, 14)), length >> 21]) + body


def kill_group(process: subprocess.Popen[bytes]) -> None:
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    process.wait()


def one_round(crunw: Runtime, bundles: list[Bundle], usual: float, number: int) -> str:
    """Start something, kill it after a while; what ends by itself must have been right."""
    chance = random.Random(number)  # noqa: S311 -- the same rounds each time
    status = chance.choice(STATUSES)
    bundle = bundles[status - 1]
    kind = chance.choice(["warm", "warm", "auto", "always", "always", "prune", "kill background"])
    if kind == "kill background":
        return kill_background(chance)
    name = f"{bundle.id}-{number}"
    if kind in ("auto", "always"):
        path = bundle.path.with_name(f"round-{number}")
        path.mkdir()
        config = {**bundle.config, "annotations": {"run.oci.wasm.aot": kind}}
        config["root"] = {"path": str(bundle.rootfs), "readonly": True}
        (path / "config.json").write_text(json.dumps(config))
        words = ["run", "--bundle", path, name]
    elif kind == "warm":
        words = ["cache", "warm", bundle.rootfs / "exit3.wasm"]
    else:
        words = ["cache", "prune", "--max-size", "30M"]
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(
            crunw.command(*words), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=said, start_new_session=True,
        )  # fmt: skip
        try:
            process.wait(chance.uniform(0.01, 2 * usual))
        except subprocess.TimeoutExpired:
            kill_group(process)
            return f"{kind} killed"
        said.seek(0)
        error = said.read()
    if kind == "always" and process.returncode == 1 and NO_CODE in error:
        return "always without a compiler"  # another round has killed it
    expected = status if kind in ("auto", "always") else 0
    assert process.returncode == expected, (kind, process.returncode, error)
    return kind


def kill_background(chance: random.Random) -> str:
    """The background compiler, or what compiles in its sandbox."""
    found = background()
    found += [int(pid) for each in found for pid in below(each)]
    if not found:
        return "no background"
    with contextlib.suppress(ProcessLookupError):  # it has ended meanwhile
        os.kill(chance.choice(found), signal.SIGKILL)
    return "background killed"


def how_long(crunw: Runtime, bundle: Bundle) -> float:
    """Seconds that compiling takes on this machine now."""
    started = time.monotonic()
    crunw("cache", "warm", bundle.rootfs / "exit3.wasm").ok()
    return time.monotonic() - started


@pytest.mark.parametrize("rounds", [60, pytest.param(500, marks=pytest.mark.slow)])
def test_killed_at_any_time(crunw: Runtime, bundles, cache: Path, rounds: int) -> None:
    usual = min(AT_ONCE, 4) * how_long(crunw, bundles[0])
    with ThreadPoolExecutor(AT_ONCE) as pool:
        play = partial(one_round, crunw, bundles, usual)
        ended = list(pool.map(play, range(rounds)))
    # Some were killed, some came to their end, however busy this machine is.
    assert {"always killed", "warm killed", "auto killed"} & set(ended)
    assert {"always", "warm", "auto"} & set(ended)
    for name in crunw("list", "--quiet").ok().split():
        crunw("delete", "--force", name).ok()
    settle()
    result = crunw("cache", "verify")
    assert result.out.endswith(" 0 damaged\n")
    for status, bundle in 2 * list(zip(STATUSES, bundles, strict=True)):  # made, then checked
        assert crunw.run(with_policy(bundle, "always")).status == status
    assert crunw("cache", "verify").ok() == f"{len(STATUSES)} entries, 0 damaged\n"
    assert len(entries()) == len(STATUSES)
    # What could not be loaded, and was interpreted, would have lost its note.
    verified = {path.name for path in (NOTES / "verified").iterdir() if path.name[0] != "."}
    assert verified == {path.name for path in entries()}
    assert list((CACHE / "new").iterdir()) == []
