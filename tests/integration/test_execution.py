"""``state``, ``list`` and ``events`` say how a module is executed, and why it is interpreted."""

from __future__ import annotations

import json
import subprocess
from typing import Any

import pytest
from support.aot import CACHE, settle, with_policy
from support.containers import Bundle, Runtime, skip_without_root

COMPILED = {"execution": "compiled"}


def interpreted(reason: str) -> dict[str, str]:
    return {"execution": "interpreted", "reason": reason}


def execution(crunw: Runtime, bundle: Bundle) -> Any:
    """What all verbs say of a new container; None: nothing. Ends it."""
    crunw.create(bundle).notices()
    crunw("start", bundle.id).ok()
    told = crunw.state(bundle).get("wasm")
    (listed,) = json.loads(crunw("list", "--format", "json").ok())
    assert listed.get("wasm") == told
    stats = crunw("events", "--stats", bundle.id)
    if stats.status == 0:  # an ordinary user's may have no cgroup
        assert json.loads(stats.out)["data"].get("wasm") == told
    crunw("delete", "--force", bundle.id).ok()
    return told


def test_native_has_none(crunw, bundle) -> None:
    assert execution(crunw, bundle("sleep", "1000")) is None


@pytest.mark.parametrize(
    ("policy", "first", "second"),
    [
        ("auto", interpreted("not compiled yet"), COMPILED),
        ("always", COMPILED, COMPILED),
        ("off", interpreted("the policy is off"), interpreted("the policy is off")),
    ],
)
def test_by_policy(crunw, wasm_bundle, cache, policy: str, first: Any, second: Any) -> None:
    bundle = with_policy(wasm_bundle("sleep"), policy)
    assert execution(crunw, bundle) == first
    settle()
    assert execution(crunw, bundle) == second


def test_code_that_can_not_be_loaded(crunw, wasm_bundle, cache) -> None:
    skip_without_root("to mount")
    bundle = with_policy(wasm_bundle("sleep"), "auto")
    execution(crunw, bundle)
    settle()
    subprocess.run(["mount", "-o", "remount,noexec", CACHE], check=True)
    told = execution(crunw, bundle)
    assert told["execution"] == "interpreted"
    assert told["reason"].startswith("unusable code: ")
