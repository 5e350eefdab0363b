"""Limits and device rules as properties of a systemd scope; names of slices and scopes."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from crunw.effects.cgroups.systemd import drivers, scope_name, slice_path
from crunw.errors import SpecError
from crunw.plan.device_rules import rules
from crunw.plan.resources import Write, writes
from crunw.plan.scope import INFINITY, bit_mask, device_properties, scope_properties
from crunw.plan.scope_annotations import PREFIX, annotated_properties


def made(resources: dict[str, Any], version: int = 2) -> dict[str, Any]:
    """The values of the properties by name."""
    found = scope_properties(writes(resources, lambda _: version))  # type: ignore[arg-type]
    return {name: value for name, (_, value) in found}


@pytest.mark.parametrize(
    ("resources", "expected"),
    [
        ({}, {}),
        ({"memory": {"limit": 64, "swap": 96}}, {"MemoryMax": 64, "MemorySwapMax": 32}),
        ({"memory": {"limit": -1}}, {"MemoryMax": INFINITY, "MemorySwapMax": INFINITY}),
        ({"memory": {"reservation": 5}}, {"MemoryLow": 5}),
        ({"pids": {"limit": -1}}, {"TasksMax": INFINITY}),
        ({"cpu": {"shares": 1024}}, {"CPUWeight": 100}),
        ({"cpu": {"idle": 1}}, {"CPUWeight": 0}),
        ({"cpu": {"idle": 0}}, {}),
        ({"cpu": {"quota": 50000}}, {"CPUQuotaPerSecUSec": 500000}),
        (
            {"cpu": {"quota": 12345, "period": 100000}},
            {"CPUQuotaPerSecUSec": 130000, "CPUQuotaPeriodUSec": 100000},
        ),
        ({"cpu": {"quota": -1}}, {"CPUQuotaPerSecUSec": INFINITY}),
        ({"cpu": {"cpus": "0,9", "mems": "0-1"}},
         {"AllowedCPUs": b"\x01\x02", "AllowedMemoryNodes": b"\x03"}),
        ({"blockIO": {"weight": 1000}}, {"IOWeight": 10000}),
        ({"blockIO": {"weightDevice": [{"major": 8, "minor": 0, "weight": 10}]}}, {}),
        ({"unified": {"memory.high": "7", "memory.max": "max"}},
         {"MemoryHigh": 7, "MemoryMax": INFINITY}),
        ({"memory": {"limit": 64}, "unified": {"memory.max": "32"}}, {"MemoryMax": 32}),
        ({"unified": {"cpu.max": "max 20000"}},
         {"CPUQuotaPerSecUSec": INFINITY, "CPUQuotaPeriodUSec": 20000}),
        ({"unified": {"io.weight": "default 50"}}, {"IOWeight": 50}),
        ({"hugepageLimits": [{"pageSize": "2MB", "limit": 0}]}, {}),
    ],
)  # fmt: skip
def test_limits_on_v2(resources, expected) -> None:
    assert made(resources) == expected


def test_limits_on_v1() -> None:
    resources = {
        "memory": {"limit": 64, "swap": 96},
        "cpu": {"shares": 512, "quota": 5000, "period": 10000},
        "pids": {"limit": 3},
    }
    assert made(resources, 1) == {
        "MemoryLimit": 64,
        "CPUShares": 512,
        "CPUQuotaPeriodUSec": 10000,
        "CPUQuotaPerSecUSec": 500000,
        "TasksMax": 3,
    }


def test_what_a_file_holds_is_a_value_too() -> None:
    """``update`` puts back what it has read."""
    earlier = [Write("cpu", "cpu.max", "max 100000\n", ""), Write("pids", "pids.max", "max\n", "")]
    assert dict(scope_properties(earlier)) == {
        "TasksMax": ("t", INFINITY),
        "CPUQuotaPeriodUSec": ("t", 100000),
        "CPUQuotaPerSecUSec": ("t", INFINITY),
    }


@pytest.mark.parametrize("text", ["", "x", "0-", "-1", "0,,1", "0-70000"])
def test_a_list_of_processors_that_is_none(text) -> None:
    with pytest.raises(SpecError):
        bit_mask(text, "linux.resources.cpu.cpus")


def test_a_number_that_is_none() -> None:
    with pytest.raises(
        SpecError, match=r"^linux.resources.unified.memory.high: 'lots' is not a number"
    ):
        made({"unified": {"memory.high": "lots"}})


def allowed(*devices: dict[str, Any]) -> dict[str, Any]:
    known = {("c", 136): "pts", ("b", 8): "sd"}
    found = device_properties(rules(devices), known)  # type: ignore[arg-type]
    return {name: value for name, (_, value) in found}


DENY_ALL = {"allow": False, "access": "rwm"}


def test_devices() -> None:
    found = allowed(
        DENY_ALL,
        {"allow": True, "type": "c", "major": 1, "minor": 11, "access": "r"},
        {"allow": True, "type": "b", "major": 8, "access": "rw"},
        {"allow": False, "type": "b", "major": 8, "minor": 1, "access": "rwm"},
    )
    assert found["DevicePolicy"] == "strict"
    assert found["DeviceAllow"][:2] == [("/dev/char/1:11", "r"), ("block-sd", "rw")]
    assert ("char-*", "m") in found["DeviceAllow"]
    assert ("char-pts", "rwm") in found["DeviceAllow"]


@pytest.mark.parametrize(
    "device",
    [
        {"allow": True, "access": "rwm"},
        {"allow": True, "type": "c", "minor": 3, "access": "r"},
        {"allow": True, "type": "c", "major": 240, "access": "r"},
    ],
)
def test_rules_that_systemd_has_no_words_for_switch_its_filter_off(device) -> None:
    assert allowed(DENY_ALL, device) == {"DevicePolicy": "auto"}


def test_drivers() -> None:
    text = "Character devices:\n  1 mem\n136 pts\n\nBlock devices:\n  8 sd\n259 blkext\n"
    assert drivers(text) == {
        ("c", 1): "mem",
        ("c", 136): "pts",
        ("b", 8): "sd",
        ("b", 259): "blkext",
    }


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("-.slice", ""),
        ("system.slice", "/system.slice"),
        ("pod_123-456.slice", "/pod_123.slice/pod_123-456.slice"),
        ("a-b-c.slice", "/a.slice/a-b.slice/a-b-c.slice"),
    ],
)
def test_slices(name, path) -> None:
    assert slice_path(name) == path


@pytest.mark.parametrize(
    "name", ["", "a", ".slice", "a--b.slice", "-a.slice", "a-.slice", "a/b.slice"]
)
def test_slices_that_are_none(name) -> None:
    with pytest.raises(SpecError):
        slice_path(name)


@pytest.mark.parametrize(
    ("path", "user", "expected"),
    [
        ("", False, ("system.slice", "crunw-id.scope")),
        ("", True, ("user.slice", "crunw-id.scope")),
        ("machine.slice:libpod:abc", False, ("machine.slice", "libpod-abc.scope")),
        ("a-b.slice::abc", False, ("a-b.slice", "abc.scope")),
        (":p:n", False, ("system.slice", "p-n.scope")),
    ],
)
def test_names(path, user, expected) -> None:
    assert scope_name(path, "id", user=user) == expected


@pytest.mark.parametrize(
    "path", ["/a/b", "a:b", "a.slice:p:", "a.slice:p:n/m", "x:p:n", "::" + "n" * 256]
)
def test_names_that_are_none(path) -> None:
    with pytest.raises(SpecError, match=r"^linux\.cgroupsPath: "):
        scope_name(path, "id", user=False)


def test_every_slice_path_is_nested() -> None:
    for parts in itertools.product("ab", repeat=3):
        path = slice_path("-".join(parts) + ".slice")
        levels = path.split("/")[1:]
        assert [level.count("-") for level in levels] == [0, 1, 2]


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("CollectMode", "'inactive-or-failed'", ("CollectMode", ("s", "inactive-or-failed"))),
        ("DefaultDependencies", "true", ("DefaultDependencies", ("b", True))),
        (
            "After",
            "['crio.service', \"b.service\"]",
            ("After", ("as", ["crio.service", "b.service"])),
        ),
        ("After", "[]", ("After", ("as", []))),
        ("TimeoutStopUSec", "uint64 30000000", ("TimeoutStopUSec", ("t", 30000000))),
        ("TimeoutStopSec", "10", ("TimeoutStopUSec", ("t", 10000000))),
        ("KillSignal", "15", ("KillSignal", ("i", 15))),
        ("Nice", "int64 -5", ("Nice", ("x", -5))),
    ],
)
def test_properties_by_annotation(name, text, expected) -> None:
    assert annotated_properties({PREFIX + name: text, "other": "x"}) == [expected]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("Slice", "'a.slice'"),
        ("", "true"),
        ("Two.Words", "true"),
        ("After", "[crio.service]"),
        ("After", "['a\\'b']"),
        ("CollectMode", "inactive"),
        ("KillSignal", "uint64 -1"),
        ("KillSignal", "5000000000"),
        ("KillSignal", "uint65 1"),
        ("KillSignal", ""),
        ("TimeoutStopSec", "'10'"),
    ],
)
def test_annotations_that_name_no_property(name, text) -> None:
    with pytest.raises(SpecError, match=r"^annotations\['org\.systemd\.property\."):
        annotated_properties({PREFIX + name: text})
