"""``crunw install``: what it makes of the engines' files, and how it takes that back."""

from __future__ import annotations

import json
import os
import tomllib
from pathlib import Path

import pytest

from crunw.errors import CrunwError, KernelError
from crunw.setup import dropins
from crunw.setup.change import Change, read
from crunw.setup.dropins import later_default
from crunw.setup.engines import ENGINES

PROGRAM = "/opt/crunw/bin/crunw"


def change(etc: Path, engine: str, *, default: bool = False, uninstall: bool = False) -> list[str]:
    """Make the changes; return the paths of the files that changed."""
    changes = ENGINES[engine](str(etc), PROGRAM, default=default, uninstall=uninstall)
    for one in changes:
        one.apply()
    return [os.path.relpath(one.path, etc) for one in changes if one.before != one.after]


def files(etc: Path) -> dict[str, str]:
    return {
        str(path.relative_to(etc)): path.read_text() for path in etc.rglob("*") if path.is_file()
    }


def toml(path: Path):
    return tomllib.loads(path.read_text())


@pytest.mark.parametrize("default", [False, True])
@pytest.mark.parametrize("engine", ENGINES)
def test_install_is_idempotent_and_reverses_itself(tmp_path, engine, default):
    default = default and engine != "kubernetes"
    assert change(tmp_path, engine, default=default)
    installed = files(tmp_path)
    assert change(tmp_path, engine, default=default) == []
    assert files(tmp_path) == installed
    assert change(tmp_path, engine, uninstall=True)
    assert files(tmp_path) == {}
    assert change(tmp_path, engine, uninstall=True) == []


CRIO_RUNTIME = {
    "runtime_path": PROGRAM,
    "runtime_type": "oci",
    "runtime_root": "/run/crunw",
    "allowed_annotations": ["run.oci.", "module.wasm.image/variant"],
    "container_min_memory": "500KiB",
}


def crio_drop_in(etc: Path, name: str, text: str) -> Path:
    path = etc / "crio/crio.conf.d" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_crio(tmp_path):
    assert change(tmp_path, "crio") == ["crio/crio.conf.d/60-crunw.conf"]
    path = tmp_path / "crio/crio.conf.d/60-crunw.conf"
    assert toml(path) == {"crio": {"runtime": {"runtimes": {"crunw": CRIO_RUNTIME}}}}
    change(tmp_path, "crio", default=True)
    default = {"default_runtime": "crunw", "runtimes": {"crunw": CRIO_RUNTIME}}
    assert toml(path)["crio"]["runtime"] == default
    assert change(tmp_path, "crio") == []


def test_crio_takes_the_monitor_of_the_default_runtime(tmp_path):
    conf = tmp_path / "crio/crio.conf"
    conf.parent.mkdir()
    conf.write_text('[crio.runtime.runtimes.crun]\nmonitor_path = "/first"\n')
    crio_drop_in(
        tmp_path,
        "10-crio.conf",
        '[crio.runtime]\ndefault_runtime = "odd"\n'
        '[crio.runtime.runtimes.odd]\nmonitor_path = "/bin/sh"\nmonitor_env = ["A=b"]\n',
    )
    crio_drop_in(tmp_path, "99-own.conf", "[crio.runtime.runtimes.crun]\n")
    change(tmp_path, "crio", default=True)
    runtime = toml(tmp_path / "crio/crio.conf.d/60-crunw.conf")["crio"]["runtime"]
    inherited = {"monitor_path": "/bin/sh", "monitor_env": ["A=b"]}
    assert runtime["runtimes"]["crunw"] == CRIO_RUNTIME | inherited
    assert change(tmp_path, "crio") == []


def test_crio_mends_what_it_once_wrote(tmp_path):
    path = crio_drop_in(
        tmp_path,
        "60-crunw.conf",
        "# Written by `crunw install crio`; crunw install crio --uninstall removes it.\n\n"
        "[crio.runtime.runtimes.crunw]\n"
        'runtime_path = "/old"\n'
        'monitor_path = "/gone/conmon"  # moved since\n'
        'allowed_annotations = ["run.oci.", "module.wasm.image/", "devices.crio.io"]\n',
    )
    change(tmp_path, "crio")
    runtime = toml(path)["crio"]["runtime"]["runtimes"]["crunw"]
    assert runtime["runtime_path"] == PROGRAM
    assert runtime["allowed_annotations"] == [
        *CRIO_RUNTIME["allowed_annotations"],
        "devices.crio.io",
    ]


def test_default_that_is_taken_back_by_a_later_file(tmp_path):
    change(tmp_path, "crio", default=True)
    assert later_default("crio", str(tmp_path)) == ""
    later = crio_drop_in(tmp_path, "99-own.conf", '[crio.runtime]\ndefault_runtime = "runc"\n')
    assert later_default("crio", str(tmp_path)) == str(later)
    later.rename(tmp_path / "own.conf.bak")
    hidden = crio_drop_in(tmp_path, "99-more/.a", '[crio.runtime]\ndefault_runtime = "runc"\n')
    assert later_default("crio", str(tmp_path)) == str(hidden)
    change(tmp_path, "podman", default=True)
    assert later_default("podman", str(tmp_path)) == ""
    zoo = tmp_path / "containers/containers.conf.d/zoo.conf"
    zoo.write_text('[engine]\nruntime = "crun"\n')
    assert later_default("podman", str(tmp_path)) == str(zoo)


PODMAN_LISTS = {
    name: ["crunw", {"append": True}]
    for name in ("runtime_supports_json", "runtime_supports_nocgroup", "runtime_supports_nocgroups")
}
PLATFORMS = ("wasi/wasm", "wasi/wasm32", "wasi/wasm64", "wasip1/wasm")
PODMAN_ENGINE = {
    "runtimes": {"crunw": [PROGRAM]},
    "platform_to_oci_runtime": dict.fromkeys(PLATFORMS, "crunw"),
}


def test_podman(tmp_path, monkeypatch):
    monkeypatch.setattr(dropins, "_podman_version", lambda: 5)
    change(tmp_path, "podman", default=True)
    engine = toml(tmp_path / "containers/containers.conf.d/crunw.conf")["engine"]
    assert engine == {"runtime": "crunw"} | PODMAN_LISTS | PODMAN_ENGINE
    assert change(tmp_path, "podman") == []


def test_podman_before_lists_could_be_added_to(tmp_path, monkeypatch):
    monkeypatch.setattr(dropins, "_podman_version", lambda: 4)
    change(tmp_path, "podman")
    engine = toml(tmp_path / "containers/containers.conf.d/crunw.conf")["engine"]
    assert engine == PODMAN_ENGINE


def test_podman_keeps_what_somebody_has_added(tmp_path, monkeypatch):
    monkeypatch.setattr(dropins, "_podman_version", lambda: 5)
    change(tmp_path, "podman")
    path = tmp_path / "containers/containers.conf.d/crunw.conf"
    text = path.read_text()
    added = text.replace(
        "[engine]\n", '[engine]\n# pods of modules\ninfra_image = "localhost/wasm-pause"\n'
    )
    path.write_text(f"{added}youki = ['/usr/bin/youki']\n[containers]\npids_limit = 7\n")
    written = path.read_text()
    assert change(tmp_path, "podman") == []
    change(tmp_path, "podman", default=True)
    assert set(written.splitlines()) < set(path.read_text().splitlines())
    assert toml(path)["engine"]["runtime"] == "crunw"
    change(tmp_path, "podman", uninstall=True)
    assert "# pods of modules\n" in path.read_text()
    assert toml(path) == {
        "engine": {
            "infra_image": "localhost/wasm-pause",
            "platform_to_oci_runtime": {"youki": ["/usr/bin/youki"]},
        },
        "containers": {"pids_limit": 7},
    }


@pytest.mark.parametrize(
    ("output", "version"), [("podman version 4.9.3", 4), ("podman version 10.0.1", 10), ("", 5)]
)
def test_podman_version(tmp_path, monkeypatch, output, version):
    program = tmp_path / "podman"
    program.write_text(f"#!/bin/sh\necho '{output}'\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin")
    assert dropins._podman_version() == version


def test_no_podman(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert dropins._podman_version() == 5


def test_kubernetes_has_no_default(tmp_path):
    with pytest.raises(CrunwError, match="no default RuntimeClass"):
        change(tmp_path, "kubernetes", default=True)


def test_file_of_somebody_else_is_left_alone(tmp_path):
    path = tmp_path / "crio/crio.conf.d/60-crunw.conf"
    path.parent.mkdir(parents=True)
    path.write_text("[crio]\n")
    for uninstall in (False, True):
        with pytest.raises(CrunwError, match="was not written by crunw install"):
            change(tmp_path, "crio", uninstall=uninstall)
    assert path.read_text() == "[crio]\n"


def daemon_json(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "docker/daemon.json"
    path.parent.mkdir()
    path.write_text(text)
    return path


def test_docker_keeps_what_was_there(tmp_path):
    text = '{"runtimes":\n {"other": {"path": "/x"}}, "debug":true, "default-runtime": "other"}'
    path = daemon_json(tmp_path, text)
    change(tmp_path, "docker", default=True)
    assert json.loads(path.read_text()) == {
        "runtimes": {"other": {"path": "/x"}, "crunw": {"path": PROGRAM}},
        "debug": True,
        "default-runtime": "crunw",
    }
    assert change(tmp_path, "docker", default=True) == []
    assert change(tmp_path, "docker") == []
    change(tmp_path, "docker", uninstall=True)
    assert files(tmp_path) == {"docker/daemon.json": text}


def test_docker_keeps_what_came_later(tmp_path):
    path = daemon_json(tmp_path, '{"debug": true}')
    change(tmp_path, "docker", default=True)
    settings = json.loads(path.read_text())
    settings["runtimes"]["late"] = {"path": "/late"}
    settings["debug"] = False
    path.write_text(json.dumps(settings))
    change(tmp_path, "docker", uninstall=True)
    assert json.loads(path.read_text()) == {"debug": False, "runtimes": {"late": {"path": "/late"}}}


def test_docker_keeps_arguments_of_the_runtime(tmp_path):
    path = daemon_json(tmp_path, '{"debug": true}')
    change(tmp_path, "docker")
    settings = json.loads(path.read_text())
    settings["runtimes"]["crunw"]["runtimeArgs"] = ["--debug"]
    path.write_text(json.dumps(settings))
    change(tmp_path, "docker", default=True)
    runtime = {"path": PROGRAM, "runtimeArgs": ["--debug"]}
    assert json.loads(path.read_text())["runtimes"] == {"crunw": runtime}


@pytest.mark.parametrize("text", ["", "{}", '{"a":1.10}', '{"runtimes":{"runc":{"path":"/r"}}}'])
def test_docker_without_crunw_is_left_as_it_is(tmp_path, text):
    path = daemon_json(tmp_path, text)
    assert change(tmp_path, "docker", uninstall=True) == []
    assert path.read_text() == text


def test_the_copy_of_a_private_file_is_private(tmp_path):
    path = daemon_json(tmp_path, '{"proxies": {"http-proxy": "http://user:password@host"}}')
    path.chmod(0o600)
    change(tmp_path, "docker")
    modes = {file.name: file.stat().st_mode & 0o777 for file in path.parent.iterdir()}
    assert modes == {"daemon.json": 0o600, "daemon.json.before-crunw": 0o600}


@pytest.mark.parametrize("engine", ["docker", "podman", "crio", "containerd"])
def test_new_directories_are_open_to_readers(tmp_path, engine):
    mask = os.umask(0o077)
    try:
        change(tmp_path / "etc", engine)
    finally:
        os.umask(mask)
    for path in (tmp_path / "etc").rglob("*"):
        assert path.stat().st_mode & 0o777 == (0o755 if path.is_dir() else 0o644), path


@pytest.mark.parametrize(
    "text",
    ["{", "[]", '{"runtimes": []}', '{"debug": true} // comment', "[" * 100000,
     '{"a": ' + "9" * 5000 + "}", '{"a": "\\ud800"}'],
)  # fmt: skip
def test_docker_with_a_file_that_is_wrong(tmp_path, text):
    path = daemon_json(tmp_path, text)
    with pytest.raises(CrunwError, match=r"docker/daemon\.json: "):
        change(tmp_path, "docker")
    assert path.read_text() == text


def test_change_shows_itself(tmp_path):
    path = str(tmp_path / "file")
    assert Change(path, "a\nb\n", "a\nc\n").diff() == (
        f"--- {path}\n+++ {path}\n@@ -1,2 +1,2 @@\n a\n-b\n+c\n"
    )
    assert Change(path, None, "a\n").diff().startswith(f"--- /dev/null\n+++ {path}\n")
    assert Change(path, "a\n", None).diff().startswith(f"--- {path}\n+++ /dev/null\n")
    assert Change(path, "a\n", "a\n").diff() == ""


def test_change_keeps_mode_and_link(tmp_path):
    target = tmp_path / "target"
    target.write_text("old")
    target.chmod(0o640)
    link = tmp_path / "link"
    link.symlink_to(target)
    Change(str(link), "old", "new").apply()
    assert link.is_symlink()
    assert (target.read_text(), target.stat().st_mode & 0o777) == ("new", 0o640)
    assert set(os.listdir(tmp_path)) == {"link", "target"}


def test_what_can_not_be_written_or_read(tmp_path):
    (tmp_path / "directory").mkdir()
    with pytest.raises(KernelError, match=r"write .*directory"):
        Change(str(tmp_path / "directory"), "old", "new").apply()
    with pytest.raises(KernelError, match=r"read .*directory"):
        read(str(tmp_path / "directory"))
    (tmp_path / "directory/latin").write_bytes(b"# caf\xe9\n")
    with pytest.raises(CrunwError, match=r"latin: is not UTF-8 text"):
        read(str(tmp_path / "directory/latin"))
    assert os.listdir(tmp_path) == ["directory"]
