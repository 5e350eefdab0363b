"""What is compiled when, at which level, and for whom: seen from outside."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from support.aot import (
    background,
    below,
    end_background,
    entries,
    read,
    settle,
    with_policy,
    without_background,
)
from support.commands import wait_for
from support.containers import Bundle, Runtime

from crunw.aot import failures, lookup
from crunw.aot.digest import of_file
from crunw.aot.options import BEST

LARGE = 200_000  # bytes of code: compiling them well is estimated to take long
POD = {"io.kubernetes.cri-o.ContainerType": "container"}


def listed(crunw: Runtime) -> list[dict[str, Any]]:
    return json.loads(crunw("cache", "ls", "--format", "json").out)


def leb128(number: int) -> bytes:
    return bytes(
        (number >> shift & 0x7F) | (0x80 if shift < 28 else 0) for shift in range(0, 35, 7)
    )


def grow(bundle: Bundle, module: str) -> Bundle:
    """Add a function of many instructions that do nothing: much code that is soon compiled."""
    path = bundle.rootfs / module
    data = path.read_bytes()
    path.unlink()  # it is a link to the tests' own
    at = 8
    found = data[:8]
    while at < len(data):
        number, length, start = data[at], 0, at + 1
        for shift in range(0, 35, 7):
            length |= (data[start] & 0x7F) << shift
            start += 1
            if data[start - 1] < 0x80:
                break
        content = data[start : start + length]
        at = start + length
        if number == 3:  # functions, with their types: the last type is taken
            content = leb128(content[0] + 1) + content[1:] + content[-1:]
        if number == 10:
            body = b"\0" + b"\1" * LARGE + b"\x0b"
            content = leb128(content[0] + 1) + content[1:] + leb128(len(body)) + body
        found += bytes([number]) + leb128(len(content)) + content
    path.write_bytes(found)
    return bundle


def tiers_of(bundle: Bundle, module: str) -> lookup.Tiers:
    with (bundle.rootfs / module).open("rb") as file:
        return lookup.Tiers(of_file(file.fileno()), statistics=False)


def test_the_better_tier_replaces_the_fast_one(crunw, wasm_bundle, cache: Path) -> None:
    bundle = with_policy(grow(wasm_bundle("exit3"), "exit3.wasm"), "auto")
    assert crunw.run(bundle).status == 3
    (pid,) = background()
    fast = tiers_of(bundle, "exit3.wasm").key("0")
    wait_for(lambda: fast in {path.name for path in entries()} or not read(f"/proc/{pid}/cmdline"))
    settle()
    (entry,) = listed(crunw)
    assert (entry["status"], entry["tier"], entry["hits"]) == ("compiled", "O1", 0)
    assert crunw.run(bundle).status == 3
    assert listed(crunw)[0]["hits"] == 1


def test_a_level_that_fails_is_left_out(crunw, wasm_bundle, cache: Path) -> None:
    bundle = with_policy(wasm_bundle("exit3"), "always")
    tiers = tiers_of(bundle, "exit3.wasm")
    for level, expected in zip(BEST, ("O2", "O0"), strict=True):
        failure = failures.Failure(tiers.key(level), "exit3.wasm", f"native-O{level}", 1, "crash")
        failure.lasting = True
        failures.write(failure)
        crunw("cache", "prune", "--all").ok()
        assert crunw.run(bundle).status == 3
        found = listed(crunw)
        assert [each["tier"] for each in found if each["status"] == "compiled"] == [expected]
        assert sorted({each["reason"] for each in found if "reason" in each}) == ["crash"]
    assert background() == []  # there is nothing better to be had
    assert (
        crunw("cache", "retry", tiers.key("1")[:12]).ok() == f"{tiers.key('1')[:12]} exit3.wasm\n"
    )
    assert crunw.run(with_policy(bundle, "auto")).status == 3
    settle()
    assert [each["tier"] for each in listed(crunw) if each["status"] == "compiled"] == ["O1"]


def test_better_code_that_can_not_be_made_is_told(
    crunw, wasm_bundle, modules: Path, cache: Path
) -> None:
    """By `exec`, which starts the compiler itself."""
    bundle = with_policy(wasm_bundle("exit3"), "always")
    tiers = tiers_of(bundle, "exit3.wasm")
    for level in BEST:
        failure = failures.Failure(tiers.key(level), "exit3.wasm", f"native-O{level}", 1, "crash")
        failure.lasting = True
        failures.write(failure)
    assert crunw.run(bundle).status == 3
    assert [each["tier"] for each in listed(crunw) if each["status"] == "compiled"] == ["O0"]
    crunw("cache", "retry").ok()
    other = wasm_bundle("sleep")
    os.link(modules / "exit3.wasm", other.rootfs / "exit3.wasm")
    crunw.start(with_policy(other, "auto"))
    settle()
    told = "compiled code: the compiler can't be started: Permission denied (the code stays at -O0)"
    result = crunw("exec", other.id, "/exit3.wasm", prefix=without_background())
    assert (result.status, result.err) == (3, f"crunw: warning: {told}\n")


def test_what_can_not_run_is_not_compiled(crunw, wasm_bundle, cache: Path) -> None:
    bundle = with_policy(wasm_bundle("imports"), "always")
    for _ in range(2):
        assert "imports what crunw does not provide: function env.missing" in (
            crunw.run(bundle).error()
        )
    assert {each["status"] for each in listed(crunw)} == {"failed"}
    assert crunw("cache", "retry").ok().count("imports.wasm") == 3
    assert listed(crunw) == []
    assert crunw("cache", "retry", "abc").error() == (
        "abc: no failed module has a key like that (crunw cache ls)"
    )


def test_interpreted_though_the_code_is_ready(crunw, wasm_bundle, cache: Path) -> None:
    bundle = with_policy(wasm_bundle("sleep"), "auto")
    crunw.start(bundle)
    told = {"execution": "interpreted", "reason": "not compiled yet"}
    assert in_list(crunw) == told
    settle()
    assert in_list(crunw) == {**told, "ready": True}
    assert crunw.state(bundle)["wasm"] == told
    crunw("cache", "prune", "--all").ok()
    assert in_list(crunw) == told


def in_list(crunw) -> dict[str, object]:
    (found,) = json.loads(crunw("list", "--format", "json").ok())
    return found["wasm"]


def test_a_pod_waits_for_code(crunw, wasm_bundle, cache: Path) -> None:
    bundle = wasm_bundle("sleep", annotations=POD)
    crunw.start(with_policy_beside(bundle))
    assert crunw.state(bundle)["wasm"] == {"execution": "compiled"}


def test_a_pod_that_may_not_wait(crunw, wasm_bundle, cache: Path) -> None:
    bundle = wasm_bundle("sleep", annotations={**POD, "run.oci.wasm.aot-wait": "0"})
    crunw.start(with_policy_beside(bundle))
    found = crunw.state(bundle)["wasm"]
    assert found == {"execution": "interpreted", "reason": "not compiled yet"}


def test_what_takes_too_long_for_a_pod_is_told(crunw, wasm_bundle, cache: Path) -> None:
    bundle = grow(
        wasm_bundle("sleep", annotations={**POD, "run.oci.wasm.aot-wait": "100ms"}), "sleep.wasm"
    )
    reason = "not compiled yet: that takes longer than the 0.1 s of aot.wait"
    with_policy_beside(bundle)
    assert crunw.create(bundle).notices() == [
        f"compiled code: {reason} (the module is interpreted)"
    ]
    assert crunw.state(bundle)["wasm"]["reason"] == reason
    crunw("start", bundle.id).ok()
    settle()
    assert entries()


def with_policy_beside(bundle: Bundle) -> Bundle:
    """The policy ``auto``, the other annotations as they are."""
    bundle.config["annotations"]["run.oci.wasm.aot"] = "auto"
    return bundle.write()


def test_a_killed_create_loses_nothing(crunw, wasm_bundle, cache: Path) -> None:
    bundle = with_policy(wasm_bundle("wasi_example_main"), "always")
    process = crunw.spawn("create", "--bundle", bundle.path, bundle.id)

    def job() -> list[str]:
        return [pid for pid in below(process.pid) if b"\0build\0" in read(f"/proc/{pid}/cmdline")]

    (pid,) = wait_for(job, "the compiler")
    process.kill()
    process.wait()
    os.waitpid(int(pid), 0)
    assert len(entries()) == 1
    crunw("delete", "--force", bundle.id)


def test_exec_has_its_module_compiled(crunw, wasm_bundle, modules: Path, cache: Path) -> None:
    bundle = with_policy(wasm_bundle("sleep"), "off")
    os.link(modules / "exit3.wasm", bundle.rootfs / "exit3.wasm")
    crunw.start(with_policy(bundle, "auto"))
    settle()
    assert len(entries()) == 1
    assert crunw("exec", bundle.id, "/exit3.wasm").status == 3
    settle()
    assert {each["name"] for each in listed(crunw)} == {"sleep.wasm", "exit3.wasm"}


def test_a_module_that_is_too_large_for_the_cache(
    crunw, wasm_bundle, cache: Path, configuration: Path
) -> None:
    configuration.write_text('[aot]\nmax-module = "50"\n')
    bundle = with_policy(wasm_bundle("exit3"), "auto")
    reason = "the module is larger than aot.max-module, 50 bytes"
    done = crunw.run(bundle)
    assert (done.status, done.err) == (
        3,
        f"crunw: warning: compiled code: {reason} (the module is interpreted)\n",
    )
    assert reason in crunw.run(with_policy(bundle, "always")).error()
    assert background() == []


def test_a_module_that_no_engine_can_load(crunw, wasm_bundle, cache: Path) -> None:
    """Its holes are not read: five gigabytes would take a while."""
    bundle = with_policy(wasm_bundle("exit3"), "auto")
    path = bundle.rootfs / "exit3.wasm"
    data = path.read_bytes()
    path.unlink()
    path.write_bytes(data)
    os.truncate(path, 5 << 30)
    for policy in ("auto", "off"):
        assert crunw.run(with_policy(bundle, policy)).error() == (
            "process.args[0]: /exit3.wasm: the module is larger than 4 GiB"
        )


def test_a_queue_that_was_left_is_taken_up(crunw, wasm_bundle, cache: Path) -> None:
    """The node was switched off while a module was waiting."""
    bundle = with_policy(wasm_bundle("exit3"), "auto")
    assert crunw.run(bundle).status == 3
    (pid,) = background()
    queue = cache / "queue"
    wait_for(lambda: queue.exists() and os.listdir(queue), "a waiting module")
    end_background(pid)
    if not os.listdir(queue):
        return  # it was faster
    assert crunw.run(bundle).status == 3
    settle()
    assert len(entries()) == 1
    assert os.listdir(queue) == []
