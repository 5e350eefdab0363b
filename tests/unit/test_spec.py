"""Configs that are good load, and come out complete."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_type_hints

import pytest
from spec_coverage import members
from support.bad_configs import config

from crunw.oci import model, schema
from crunw.oci.example import example
from crunw.oci.load import check, load, load_process
from crunw.oci.rules import sysctl_path

ROOT = Path(__file__).parents[2]
CONFIGS = sorted((ROOT / "tests/data/configs").glob("*.json"))


@pytest.mark.parametrize("path", CONFIGS, ids=[path.stem for path in CONFIGS])
def test_config_loads(path: Path, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_bytes(path.read_bytes())
    spec = load(str(tmp_path))
    assert spec["process"]["args"] == json.loads(path.read_bytes())["process"]["args"]


def _paths(value: Any, at: str = "") -> Iterator[str]:
    """The paths of a document, as ``members`` writes them, and as if objects were maps."""
    if isinstance(value, list):
        for item in value:
            yield from _paths(item, f"{at}[]")
    if isinstance(value, dict):
        for key, item in value.items():
            for path in (f"{at}.{key}".lstrip("."), f"{at}[]"):
                yield path
                yield from _paths(item, path)


def test_every_field_is_in_one_of_the_configs() -> None:
    every = json.loads((ROOT / "tests/data/configs/every-field.json").read_bytes())
    missing = set(members(schema.CONFIG)) - set(_paths(every))
    assert missing == set()


def test_example_is_what_runc_writes() -> None:
    for rootless, name in ((False, "runc-spec.json"), (True, "runc-spec-rootless.json")):
        expected = json.loads((ROOT / "tests/data/configs" / name).read_bytes())
        assert example(rootless=rootless) == {**expected, "hostname": "crunw"}


def test_rootless_example_maps_the_user() -> None:
    linux = example(rootless=True, uid=1000, gid=100)["linux"]
    assert linux["uidMappings"] == [{"containerID": 0, "hostID": 1000, "size": 1}]
    assert linux["gidMappings"] == [{"containerID": 0, "hostID": 100, "size": 1}]


def test_null_is_absent() -> None:
    spec = check(
        config({"mounts": None, "linux.sysctl": {"net.a": None}, "process.user.umask": None})
    )
    assert "mounts" not in spec
    assert spec["linux"]["sysctl"] == {}
    assert "umask" not in spec["process"]["user"]


def test_user_is_completed() -> None:
    document = config({"process.user": None})
    assert check(document)["process"]["user"] == {"uid": 0, "gid": 0}
    document = config({"process.user": {"uid": 5}})
    assert check(document)["process"]["user"] == {"uid": 5, "gid": 0}


def test_relative_destination_starts_at_the_root() -> None:
    spec = check(config({"mounts[0].destination": "proc"}))
    assert spec["mounts"][0]["destination"] == "/proc"


def test_what_the_specification_does_not_know_is_ignored() -> None:
    check(config({"windows": {"layerFolders": 1}, "vm": 2, "x": [], "linux.y": {"z": 0.5}}))


@pytest.mark.parametrize("version", ["1.0.0", "1.0.2-dev", "1.0.0-rc5", "1.3.0+build", "1.99.0"])
def test_version(version: str) -> None:
    check(config({"ociVersion": version}))


@pytest.mark.parametrize("cpus", ["", "0", "0-3", "0-1,4,6-7", "0-3\n"])
def test_cpu_list(cpus: str) -> None:
    check(config({"linux.resources.cpu": {"cpus": cpus}}))


@pytest.mark.parametrize(
    "changes",
    [
        {"process.capabilities.bounding": ["CAP_OF_THE_FUTURE"]},
        {"linux.namespaces[0].path": ""},
        {"linux.namespaces[0].path": "/proc/1/ns/pid"},
        {"linux.namespaces[0].type": "user"},
        {"linux.resources.memory": {"limit": -1, "swap": -1}},
        {"linux.resources.memory": {"swap": 100}},
        {"linux.resources.cpu": {"shares": 0, "quota": -1, "period": 0}},
        {"linux.resources.unified": {"memory.high": "1", "hugetlb.2MB.max": "1"}},
        {"linux.sysctl": {"net/ipv4/ip_forward": "1", "fs.mqueue.msg_max": "5"}},
        {"linux.devices": [{"type": "p", "path": "/run/fifo"}]},
        {"linux.devices": [{"type": "c", "path": "/dev/a", "major": 1, "minor": 3, "uid": 0}]},
        {"mounts[0]": {"destination": "/", "options": ["remount", "ro"]}},
        {"linux.intelRdt": {}},
        {"hooks": {"prestart": [], "poststop": [{"path": "/bin/true", "timeout": 1}]}},
    ],
)
def test_good(changes: dict[str, Any]) -> None:
    check(config(changes))


def test_process_file(tmp_path: Path) -> None:
    path = tmp_path / "process.json"
    path.write_text('{"args": ["id"], "cwd": "/", "env": null, "user": {"uid": 7}}')
    assert load_process(str(path)) == {"args": ["id"], "cwd": "/", "user": {"uid": 7, "gid": 0}}


def test_sysctl_path() -> None:
    assert sysctl_path("net.ipv4.ip_forward") == "net/ipv4/ip_forward"
    assert sysctl_path("net/ipv4/ip_forward") == "net/ipv4/ip_forward"
    assert sysctl_path("net.ipv4.conf.eth0/1.forwarding") == "net/ipv4/conf/eth0.1/forwarding"
    assert sysctl_path("net/ipv4/conf/eth0.1/forwarding") == "net/ipv4/conf/eth0.1/forwarding"


def _compare(node: tuple[Any, ...], hint: Any, at: str) -> None:
    """A table's objects have the members of the TypedDict, and require what it requires."""
    if node[0] == "list":
        _compare(node[1], hint.__args__[0], f"{at}[]")
    elif node[0] == "map":
        _compare(node[1], hint.__args__[1], f"{at}[*]")
    elif node[0] == "object":
        hints = get_type_hints(hint)
        assert set(node[1]) == set(hints), at
        completed = (
            {"user", "uid", "gid", "linux"} if at in ("", "process", "process.user") else set()
        )
        assert set(node[2]) == hint.__required_keys__ - completed, at
        for key, member in node[1].items():
            _compare(member, hints[key], f"{at}.{key}".lstrip("."))
    else:
        expected = {"bool": bool, "int": int, "strings": list[str]}.get(node[0], str)
        assert hint is str or hint == expected or node[0] == "enum", at


def test_schema_is_the_model() -> None:
    # get_type_hints resolves names such as Required, but sees the keys' optionality only from
    # annotations that are not strings: the module is compiled again without the future import.
    source = Path(model.__file__).read_text().replace("from __future__ import annotations\n", "")
    names: dict[str, Any] = {"__name__": "model"}
    exec(compile(source, model.__file__, "exec", dont_inherit=True), names)  # noqa: S102
    _compare(schema.CONFIG, names["Spec"], "")


def test_nothing_but_builtin_modules_is_imported() -> None:
    program = (
        "import sys; sys.path.append(sys.argv[1]); before = set(sys.modules)\n"
        "from crunw.oci.load import load\n"
        "import os\n"
        "for name in set(sys.modules) - before:\n"
        "    origin = sys.modules[name].__spec__.origin\n"
        "    if origin not in ('built-in', 'frozen') and not name.startswith('crunw'):\n"
        "        print(name)\n"
    )
    result = subprocess.run(
        [sys.executable, "-I", "-S", "-c", program, str(ROOT)],
        capture_output=True,
        text=True,
        check=True,
    )
    # Debian has _json built in; other builds have it as a file.
    assert set(result.stdout.split()) <= {"__future__", "_json"}
