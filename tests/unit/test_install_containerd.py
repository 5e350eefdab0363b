"""``crunw install containerd``: an edit of config.toml that keeps everything else as it was."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from crunw.errors import CrunwError
from crunw.setup.containerd import containerd

PROGRAM = "/opt/crunw/bin/crunw"
V2 = """# the administrator's
version = 2
root = "/var/lib/containerd"  # big disk

[plugins]
  [plugins."io.containerd.grpc.v1.cri"]
    sandbox_image = "pause"
    [plugins."io.containerd.grpc.v1.cri".containerd]
      # runc, for now
      default_runtime_name = "runc"   # really
      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
        runtime_type = "io.containerd.runc.v2"
  [plugins."io.containerd.internal.v1.opt"]
    path = "/opt"
  [[plugins."io.containerd.transfer.v1.local".unpack_config]]
    platform = "linux/amd64"
"""
V3 = """version = 3
[plugins.'io.containerd.cri.v1.runtime']
  [plugins.'io.containerd.cri.v1.runtime'.containerd]
    snapshotter = 'overlayfs'
    [plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes]
      [plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc]
        runtime_type = 'io.containerd.runc.v2'
"""
V1 = """[plugins.cri.containerd]
default_runtime_name="runc"
"""
FILES = {
    "version 2": V2,
    "version 3": V3,
    "version 1": V1,
    "without the end of its last line": V2.rstrip("\n"),
    "with other line ends": V3.replace("\n", "\r\n"),
    "minimal": "version = 2\n",
    "empty": "",
    "comment": "# nothing yet\n",
    "Debian's": Path("/etc/containerd/config.toml").read_text()
    if Path("/etc/containerd/config.toml").exists()
    else "version = 2\n",
}
PLUGIN = {
    1: "cri",
    2: "io.containerd.grpc.v1.cri",
    3: "io.containerd.cri.v1.runtime",
}


def apply(etc: Path, *, default: bool = False, uninstall: bool = False) -> None:
    for change in containerd(str(etc), PROGRAM, default=default, uninstall=uninstall):
        change.apply()


@pytest.fixture
def config(tmp_path) -> Path:
    (tmp_path / "containerd").mkdir()
    return tmp_path / "containerd" / "config.toml"


def settings(config: Path):
    return tomllib.loads(config.read_text())


def runtimes(config: Path):
    tree = settings(config)
    return tree["plugins"][PLUGIN[tree.get("version", 1)]]["containerd"]


@pytest.mark.parametrize("default", [False, True])
@pytest.mark.parametrize("name", FILES)
def test_edit_and_back(tmp_path, config, name, default):
    text = FILES[name]
    config.write_bytes(text.encode())
    apply(tmp_path, default=default)
    table = runtimes(config)
    assert table["runtimes"]["crunw"]["options"] == {"BinaryName": PROGRAM}
    if default:
        assert table["default_runtime_name"] == "crunw"
    installed = config.read_bytes()
    apply(tmp_path, default=default)
    assert config.read_bytes() == installed
    apply(tmp_path, default=not default)
    assert (runtimes(config).get("default_runtime_name") == "crunw") is not default
    apply(tmp_path, uninstall=True)
    assert config.read_bytes() == text.encode()


def test_only_lines_of_ours_change(tmp_path, config):
    config.write_text(V2)
    apply(tmp_path, default=True)
    lines = config.read_text().splitlines()
    missing = [line for line in V2.splitlines() if line not in lines]
    assert missing == ['      default_runtime_name = "runc"   # really']


def test_default_in_a_table_that_is_there(tmp_path, config):
    config.write_text(V3)
    apply(tmp_path, default=True)
    assert runtimes(config)["default_runtime_name"] == "crunw"
    assert runtimes(config)["snapshotter"] == "overlayfs"


def test_new_file(tmp_path, config):
    apply(tmp_path, default=True)
    assert settings(config)["version"] == 2
    assert runtimes(config)["default_runtime_name"] == "crunw"
    apply(tmp_path, uninstall=True)
    assert not config.exists()


def test_what_came_later_stays(tmp_path, config):
    apply(tmp_path)
    config.write_text(config.read_text() + '[debug]\nlevel = "debug"\n')
    apply(tmp_path)
    assert settings(config)["debug"] == {"level": "debug"}
    apply(tmp_path, uninstall=True)
    assert config.read_text() == 'version = 2\n[debug]\nlevel = "debug"\n'


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("version = 4\n", "unknown version 4"),
        ("version =\n", "Invalid value"),
        (
            'version = 2\n[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.crunw]\n',
            "has a runtime crunw",
        ),
        (
            'version = 2\n[plugins]\n"io.containerd.grpc.v1.cri" = {containerd = {}}\n',
            "edit it by hand",
        ),
    ],
)
def test_what_can_not_be_edited(tmp_path, config, text, error):
    config.write_text(text)
    with pytest.raises(CrunwError, match=error):
        apply(tmp_path)
    assert config.read_text() == text
