"""top: what the containers of a host use, once, as lines of JSON, and on a terminal."""

from __future__ import annotations

import json
import os
import signal
import termios
from collections.abc import Callable
from typing import Any

import pytest
from support.commands import wait_for
from support.containers import Bundle, Runtime, available, require, skip_without_root
from support.terminal import Session

SHORT = "--interval=100ms"


def rows(crunw: Runtime, *words: str) -> dict[str, dict[str, Any]]:
    (line,) = crunw("top", "--once", SHORT, "--format", "json", *words).ok().splitlines()
    return {row["id"]: row for row in json.loads(line)}


@pytest.fixture
def module(wasm_bundle: Callable[..., Bundle], cache: Any) -> Bundle:
    """A module that is interpreted, and whose instructions are counted."""
    made = wasm_bundle("loop")
    made.config["annotations"] = {"run.oci.wasm.aot": "off", "run.oci.wasm.statistics": "true"}
    return made.write()


def test_a_container_of_each_kind(crunw, bundle, module):
    native = crunw.start(bundle("sh", "-c", "while :; do :; done"))
    crunw.start(module)
    found = wait_for(lambda: (f := rows(crunw))[module.id]["instructions"] and f)
    assert set(found) == {native.id, module.id}
    busy, counted = found[native.id], found[module.id]
    assert (busy["kind"], busy["engine"], busy["execution"]) == ("native", None, None)
    assert (counted["kind"], counted["engine"]) == ("wasm", "wasmedge")
    assert counted["execution"] == "interpreted"
    assert busy["instructions"] is None
    assert busy["pid"] == crunw.state(native)["pid"]
    if os.geteuid() == 0 and available("memory"):
        assert busy["cpu"] > 0
        assert 0 < busy["memory"] < 1 << 30
        assert busy["pids"] == 1
    assert set(rows(crunw, native.id)) == {native.id}


def test_limit_of_memory(crunw, bundle):
    skip_without_root("to limit memory")
    require("memory")
    limited = bundle("sleep", "1000").change(linux__resources__memory={"limit": 64 << 20})
    free = crunw.start(bundle("sleep", "1000"))
    crunw.start(limited)
    found = rows(crunw)
    assert (found[limited.id]["memoryLimit"], found[free.id]["memoryLimit"]) == (64 << 20, None)


def test_whatever_does_not_run(crunw, bundle):
    skip_without_root("to pause")
    created, ended, paused = bundle("true"), bundle("true"), bundle("sleep", "1000")
    crunw.create(created).ok()
    crunw.start(ended)
    crunw.start(paused)
    crunw("pause", paused.id).ok()
    crunw.wait_status(ended, "stopped")
    found = rows(crunw)
    assert {name: row["status"] for name, row in found.items()} == {
        created.id: "created", ended.id: "stopped", paused.id: "paused"
    }  # fmt: skip
    assert found[paused.id]["cpu"] in (0, None)
    assert [found[ended.id][key] for key in ("pid", "cpu", "memory")] == [0, None, None]
    crunw("resume", paused.id).ok()


def test_table(crunw, bundle):
    """Where standard output is no terminal it is printed once."""
    container = crunw.start(bundle("sleep", "1000"))
    header, line = crunw("top", SHORT).ok().splitlines()
    assert header.split() == (
        "ID KIND ENGINE CODE STATUS CPU% MEMORY LIMIT PIDS INSTRUCTIONS".split()
    )
    assert line.split()[:5] == [container.id, "native", "-", "-", "running"]


def test_lines_of_json(crunw, bundle):
    """One after the other, until it is interrupted."""
    container = crunw.start(bundle("sleep", "1000"))
    running = crunw.spawn("top", SHORT, "--format=json")
    for _ in range(3):
        (row,) = json.loads(running.stdout.readline())
        assert row["id"] == container.id
    running.send_signal(signal.SIGINT)
    running.rest()
    assert running.returncode == 130


def test_a_container_that_is_not_there(crunw):
    assert crunw("top", "--once", "nobody").error() == "container nobody does not exist"


def test_bad_words(crunw):
    assert crunw("top", "--sort=size").error().startswith("--sort: 'size' is none of cpu, ")
    assert crunw("top", "--interval=x").error().startswith("--interval: 'x' is not a duration")


def on_terminal(crunw: Runtime, *words: str, term: str = "xterm") -> Session:
    environment = {**os.environ, "TERM": term, "LINES": "24", "COLUMNS": "120"}
    return Session(crunw.command("top", SHORT, *words), environment)


def test_terminal(crunw, bundle):
    """The table is renewed, keys change its order, and it leaves the terminal as it was."""
    first = crunw.start(bundle("sleep", "1000"))
    session = on_terminal(crunw)
    before = termios.tcgetattr(session.master)
    session.expect("containers: 1, of WebAssembly: 0; by cpu")
    session.expect(first.id)
    second = crunw.start(bundle("sleep", "1000"))
    session.expect(r"\x1b\[1;13H2")  # what has changed is written, here the first line's number
    assert second.id in rows(crunw)
    session.type("m")
    session.expect("memory")
    session.type("q")
    session.rest()
    assert session.process.wait() == 0
    assert termios.tcgetattr(session.master) == before
    session.end()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signals_leave_the_terminal_as_it_was(crunw, number):
    session = on_terminal(crunw, "--sort=id")
    before = termios.tcgetattr(session.master)
    session.expect("by id")
    session.process.send_signal(number)
    session.rest()
    assert session.process.wait() == 0
    assert termios.tcgetattr(session.master) == before
    session.end()


def test_terminals_that_nobody_knows(crunw):
    session = on_terminal(crunw, term="nothing-like-it")
    session.expect(r"crunw: top: the terminal can't be used: .* \(try --once\)")
    assert session.end() == 1
    session = on_terminal(crunw, term="dumb")
    session.expect("ID +KIND")
    assert session.end() == 0
