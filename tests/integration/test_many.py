"""Many containers at the same time."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor

import pytest
from support.containers import Bundle, Runtime

CONTAINERS = 200
AT_ONCE = 50


@pytest.mark.parametrize("ending", ["kill", "force"])
def test_two_hundred_fifty_at_a_time(
    crunw: Runtime, bundle, wasm_bundle, modules, ending: str
) -> None:
    """Native and Wasm containers: all start, run at the same time, stop; nothing is left of any."""
    native = bundle("sleep", "1000")
    wasm = wasm_bundle("sleep")
    made = [
        Bundle(kind.path, kind.config, f"{kind.id}-{number}")
        for number in range(CONTAINERS // 2)
        for kind in (native, wasm)
    ]

    def start(one: Bundle) -> None:
        crunw.create(one).ok()
        crunw("start", one.id).ok()

    def stop(one: Bundle) -> None:
        if ending == "force":
            crunw("delete", "--force", one.id).ok()
            return
        crunw("kill", one.id, "KILL").ok()
        crunw.wait_status(one, "stopped")
        crunw("delete", one.id).ok()

    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(start, made))
        states = list(pool.map(crunw.state, made))
        assert {state["status"] for state in states} == {"running"}
        assert len({state["pid"] for state in states}) == CONTAINERS
        assert all(os.path.isdir(f"/proc/{state['pid']}") for state in states)
        list(pool.map(stop, made))
    assert crunw("list", "--quiet").ok() == ""
