"""What the annotations ``run.oci.wasm.*`` mean, and which are refused."""

from __future__ import annotations

from typing import Any

import pytest

from crunw.errors import SpecError
from crunw.oci.model import Seccomp
from crunw.oci.queries import allows
from crunw.plan.wasm import pages_within, preopens, settings
from crunw.plan.wasm_annotations import milliseconds
from crunw.plan.wasm_settings import Settings

MIB = 1 << 20


def parsed(annotations: dict[str, str], memory: int = 0) -> Settings:
    spec: Any = {
        "annotations": {f"run.oci.wasm.{name}": text for name, text in annotations.items()},
        "linux": {"resources": {"memory": {"limit": memory}}},
    }
    return settings(spec)


def names(wanted: Settings, cwd: str = "/", directories: tuple[str, ...] = ()) -> list[str]:
    return [
        f"{entry.guest}:{entry.host}{':ro' if entry.read_only else ''}"
        for entry in preopens(cwd, list(directories), wanted)
    ]


def test_nothing_is_asked_for() -> None:
    found = settings({"annotations": {"run.oci.wasm.aot": "off", "run.oci.handler": "wasm"}})  # type: ignore[typeddict-item]
    assert (found.memory_pages, found.initial_pages, found.instructions) == (0, 0, 0)
    assert (found.milliseconds, found.function, found.plugins) == (0, "", [])
    assert not found.counted()
    assert names(found) == ["/:/"]


def test_everything_is_asked_for() -> None:
    found = parsed(
        {
            "function": "run",
            "instruction-limit": "18446744073709551615",
            "memory-pages": "16",
            "plugins": "WasiNN, WasiCrypto",
            "preopens": "/data:/srv/data:ro,models:/m",
            "statistics": "true",
            "time-limit": "1m30s",
        },
        memory=64 * MIB,
    )
    assert (found.memory_pages, found.initial_pages) == (16, 16)
    assert (found.instructions, found.milliseconds) == (2**64 - 1, 90_000)
    assert (found.function, found.statistics) == ("run", True)
    assert found.plugins == ["WasiNN", "WasiCrypto"]
    assert names(found) == ["/:/", "/data:/srv/data:ro", "models:/m"]


@pytest.mark.parametrize(
    ("annotations", "fenced"),
    [
        ({}, True),
        ({"seccomp": "on"}, True),
        ({"seccomp": "off"}, False),
        ({"plugins": "WasiNN"}, False),
        ({"plugins": "WasiNN", "seccomp": "on"}, True),
    ],
)
def test_what_is_fenced_in(annotations: dict[str, str], fenced: bool) -> None:
    assert parsed(annotations).fenced() == fenced


@pytest.mark.parametrize(
    ("default", "rules", "wanted"),
    [
        ("ALLOW", [], True),
        ("LOG", [], True),
        ("ERRNO", [], False),
        ("ERRNO", [("seccomp", "ALLOW")], True),
        ("ERRNO", [("seccomp", "ALLOW"), ("seccomp", "KILL")], False),
        ("ALLOW", [("seccomp", "NOTIFY")], False),
        ("ALLOW", [("prctl", "ERRNO")], True),
    ],
)
def test_what_a_profile_allows(default: str, rules: list[tuple[str, str]], wanted: bool) -> None:
    section: Seccomp = {
        "defaultAction": f"SCMP_ACT_{default}",
        "syscalls": [
            {"names": ["read", name], "action": f"SCMP_ACT_{action}"} for name, action in rules
        ],
    }
    assert allows(section, "seccomp") == wanted
    for rule in section["syscalls"]:
        rule["args"] = [{"index": 0, "value": 1, "op": "SCMP_CMP_EQ"}]
    assert allows(section, "seccomp") == (wanted and not any("seccomp" in rule for rule in rules))


@pytest.mark.parametrize(
    ("annotations", "counted"),
    [
        ({"statistics": "false"}, False),
        ({"statistics": "true"}, True),
        ({"instruction-limit": "1"}, True),
        ({"time-limit": "1s"}, False),
    ],
)
def test_what_is_counted(annotations: dict[str, str], counted: bool) -> None:
    assert parsed(annotations).counted() == counted


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("memory-pages", "0"),
        ("memory-pages", "65537"),
        ("memory-pages", "-1"),
        ("memory-pages", "+1"),
        ("memory-pages", " 1"),
        ("memory-pages", "1_0"),
        ("memory-pages", "²"),
        ("memory-pages", "64Mi"),
        ("memory-pages", ""),
        ("instruction-limit", "0"),
        ("instruction-limit", "18446744073709551616"),
        ("instruction-limit", "1e9"),
        ("time-limit", ""),
        ("time-limit", "0s"),
        ("time-limit", "0.1ms"),
        ("time-limit", "5"),
        ("time-limit", "s"),
        ("time-limit", ".s"),
        ("time-limit", "1.2.3s"),
        ("time-limit", "-1s"),
        ("time-limit", "1d"),
        ("time-limit", "1 s"),
        ("time-limit", "1000000h"),
        ("time-limit", f"{'9' * 400}s"),
        ("statistics", "yes"),
        ("statistics", "True"),
        ("statistics", ""),
        ("function", ""),
        ("function", "a\nb"),
        ("preopens", ""),
        ("preopens", "/data"),
        ("preopens", "/data:"),
        ("preopens", ":/data"),
        ("preopens", "/data:srv"),
        ("preopens", "/data:/srv:readonly"),
        ("preopens", "/data:/srv:"),
        ("preopens", "/data:/srv:ro:rw"),
        ("preopens", "/a:/a,"),
        ("preopens", "/a:/a,/a:/a"),
        ("preopens", "/a:/a,/a:/b"),
        ("preopens", ",".join(f"/{number}:/" for number in range(65))),
        ("plugins", ""),
        ("plugins", "WasiNN,"),
        ("plugins", "WasiNN,WasiNN"),
        ("plugins", "../WasiNN"),
        ("plugins", "/opt/evil"),
        ("plugins", "a.so"),
        ("time_limit", "1s"),
        ("", "x"),
        ("AOT", "off"),
    ],
)
def test_refused(name: str, text: str) -> None:
    with pytest.raises(SpecError) as caught:
        parsed({name: text})
    assert caught.value.field == f"annotations.run.oci.wasm.{name}"
    assert "\n" not in str(caught.value)


def test_other_annotations_are_not_ours() -> None:
    settings({"annotations": {"run.oci.wasmx": "1", "run.oci.seccomp.plugins": "2"}})  # type: ignore[typeddict-item]


@pytest.mark.parametrize(
    ("text", "expected"),
    [("1ms", 1), ("500ms", 500), ("1.5s", 1500), ("1m30s", 90_000), ("2h", 7_200_000)],
)
def test_durations(text: str, expected: int) -> None:
    assert milliseconds(text) == expected


@pytest.mark.parametrize(
    ("limit", "pages", "initial"),
    [
        (-1, 0, 0),  # no limit
        (0, 0, 0),
        (4096, 1, 1),
        (6 * MIB, 48, 96),  # podman's smallest
        (16 * MIB, 192, 256),
        (64 * MIB, 960, 1024),
        (1024 * MIB, 15360, 16384),
        (4096 * MIB, 61440, 0),
        (5000 * MIB, 0, 0),
        (2**63 - 1, 0, 0),
    ],
)
def test_the_memory_limit_in_pages(limit: int, pages: int, initial: int) -> None:
    assert pages_within(limit) == (pages, initial)
    found = parsed({"memory-pages": "limit"}, memory=limit)
    assert (found.memory_pages, found.initial_pages) == (pages, initial)


def test_without_the_annotation_the_cgroup_alone_limits_memory() -> None:
    found = parsed({}, memory=16 * MIB)
    assert (found.memory_pages, found.initial_pages) == (0, 0)


def test_a_preopen_replaces_its_namesake_in_its_place() -> None:
    wanted = parsed({"preopens": "/:/:ro,/etc:/srv:rw,extra:/x//y/../z:ro"})
    assert names(wanted) == ["/:/:ro", "/etc:/srv", "extra:/x/z:ro"]
    assert names(wanted, "/app", ("bin", "etc")) == [
        "/:/:ro", "/app:/app", "/bin:/bin", "/etc:/srv", ".:/app", "extra:/x/z:ro",
    ]  # fmt: skip
    assert names(parsed({"preopens": ".:/app:ro"}), "/app") == ["/:/", "/app:/app", ".:/app:ro"]
