"""``crunw install containerd``: an edit of config.toml that keeps everything else as it was."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from crunw.errors import CrunwError
from crunw.setup.containerd import containerd
from crunw.setup.engines import warnings

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
    apply(tmp_path, default=True)
    apply(tmp_path)
    assert runtimes(config)["default_runtime_name"] == "crunw"
    apply(tmp_path, uninstall=True)
    assert config.read_bytes() == text.encode()


def test_only_lines_of_ours_change(tmp_path, config):
    config.write_text(V2)
    apply(tmp_path, default=True)
    lines = config.read_text().splitlines()
    missing = [line for line in V2.splitlines() if line not in lines]
    assert missing == ['      default_runtime_name = "runc"   # really']


@pytest.mark.parametrize(("text", "names"), [("", {"runc", "crunw"}), (V2, {"runc", "crunw"})])
def test_runtime_that_containerd_has_by_itself_stays(tmp_path, config, text, names):
    """A file that names a runtime has no others: the plugin would not start without its default."""
    config.write_text(text)
    apply(tmp_path)
    assert set(runtimes(config)["runtimes"]) == names
    assert runtimes(config)["runtimes"]["runc"] == {"runtime_type": "io.containerd.runc.v2"}


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


def test_what_somebody_adds_to_the_runtime_stays(tmp_path, config):
    config.write_text(V2)
    apply(tmp_path)
    text = config.read_text()
    added = text.replace(
        f'BinaryName = "{PROGRAM}"\n',
        'BinaryName = "/old"\n  SystemdCgroup = true # as the kubelet\n',
    ).replace('"run.oci.*", ', '"run.oci.*", "own/*", ', 1)
    config.write_text(added)
    apply(tmp_path, default=True)
    crunw = runtimes(config)["runtimes"]["crunw"]
    assert crunw["options"] == {"BinaryName": PROGRAM, "SystemdCgroup": True}
    assert crunw["pod_annotations"] == ["run.oci.*", "module.wasm.image/*", "own/*"]
    assert "SystemdCgroup = true # as the kubelet\n" in config.read_text()
    apply(tmp_path, uninstall=True)
    assert config.read_text() == V2


def test_cgroup_manager_of_the_default_runtime(tmp_path, config):
    name = "io.containerd.grpc.v1.cri"
    options = f'[plugins."{name}".containerd.runtimes.runc.options]\nSystemdCgroup = true\n'
    config.write_text(V2 + options)
    apply(tmp_path)
    assert runtimes(config)["runtimes"]["crunw"]["options"]["SystemdCgroup"] is True


@pytest.mark.parametrize(
    ("text", "off"),
    [
        ('disabled_plugins = ["cri"]\n', True),
        ('version = 2\ndisabled_plugins = ["io.containerd.grpc.v1.cri"]\n', True),
        ('version = 2\ndisabled_plugins = ["io.containerd.internal.v1.opt"]\n', False),
    ],
)
def test_plugin_that_is_off(tmp_path, config, text, off):
    config.write_text(text)
    assert bool(warnings("containerd", str(tmp_path), default=False)) is off


def test_imported_file_that_configures_the_plugin(tmp_path, config):
    """Its settings replace those of config.toml: crunw goes where they are."""
    main = 'version = 2\nimports = ["conf.d/*.toml"]\n'
    config.write_text(main)
    drop_ins = config.parent / "conf.d"
    drop_ins.mkdir()
    (drop_ins / "10-debug.toml").write_text("version = 2\n[debug]\nlevel = 'info'\n")
    apply(tmp_path)
    assert "crunw" in runtimes(config)["runtimes"]
    apply(tmp_path, uninstall=True)
    plugin = drop_ins / "20-cri.toml"
    plugin.write_text(V2)
    apply(tmp_path, default=True)
    assert config.read_text() == main
    assert runtimes(plugin)["default_runtime_name"] == "crunw"
    apply(tmp_path, uninstall=True)
    assert plugin.read_text() == V2


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("version = 4\n", "unknown version 4"),
        ("version =\n", "Invalid value"),
        ("version = []\n", r"unknown version \[\]"),
        ("version = 2\nplugins = 5\n", "plugins is not a table"),
        ("version = 2\na = " + "[" * 20000, "nested too deep"),
        (
            'version = 2\n[plugins."io.containerd.grpc.v1.cri".containerd]\nruntimes = "x"\n',
            r"io\.containerd\.grpc\.v1\.cri\.containerd\.runtimes is not a table",
        ),
        (
            'version = 2\n[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.crunw]\n',
            "already defines a runtime crunw",
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
