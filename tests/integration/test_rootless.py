"""Containers of an ordinary user."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.commands import Result
from support.containers import LIBC, PR_SET_CHILD_SUBREAPER, reap_orphans, subordinate

USER = "crunw-tester"
BUSYBOX = "/bin/busybox"
# Names for what maps ids with the rights of root (uidmap).
HELPERS = ("newuidmap", "newgidmap")


class User:
    """An ordinary user of this machine, and what is his."""

    def __init__(self, directory: Path, uid: int) -> None:
        self.directory = directory
        self.uid = uid
        self.runtime_dir = directory / "run"
        self.bundle = directory / "bundle"
        self.path = os.environ["PATH"]

    def __call__(self, *words: str) -> Result:
        """Run crunw as the user."""
        command = ["setpriv", f"--reuid={self.uid}", f"--regid={self.uid}", "--clear-groups"]
        environment = {
            "PATH": self.path,
            "HOME": str(self.directory),
            "XDG_RUNTIME_DIR": str(self.runtime_dir),
        }
        crunw = shutil.which("crunw") or "crunw"
        # Files, not pipes: a container that runs on would keep a pipe open.
        with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
            done = subprocess.run(
                [shutil.which("setpriv") or "", *command[1:], crunw, *words],
                env=environment, stdin=subprocess.DEVNULL, stdout=out, stderr=err,
                check=False, timeout=30, cwd=self.directory,
            )  # fmt: skip
            out.seek(0)
            err.seek(0)
            return Result(done.returncode, out.read(), err.read())

    def config(self, *args: str) -> dict[str, Any]:
        """The config of ``crunw spec --rootless`` with other arguments."""
        path = self.bundle / "config.json"
        path.unlink(missing_ok=True)
        self("spec", "--rootless", "--bundle", str(self.bundle)).ok()
        config = json.loads(path.read_text())
        config["process"]["terminal"] = False
        config["process"]["args"] = list(args)
        config["root"]["readonly"] = False
        return config

    def run(self, config: dict[str, Any]) -> Result:
        (self.bundle / "config.json").write_text(json.dumps(config))
        return self("run", "--bundle", str(self.bundle), "rootless")


@pytest.fixture(scope="module")
def home() -> Iterator[Path]:
    """The home of the user, whom the machine keeps."""
    if os.geteuid() != 0 or not shutil.which("useradd"):
        pytest.skip("needs root, to be someone else")
    if subprocess.run(["id", USER], check=False, capture_output=True).returncode:
        subprocess.run(["useradd", "--create-home", USER], check=True)
    path = Path("/home", USER)
    path.chmod(0o700)
    yield path
    for child in path.iterdir():
        shutil.rmtree(child) if child.is_dir() else child.unlink()


@pytest.fixture
def user(home: Path) -> Iterator[User]:
    LIBC.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    someone = User(home, home.stat().st_uid)
    binaries = someone.bundle / "rootfs/bin"
    binaries.mkdir(parents=True, exist_ok=True)
    someone.runtime_dir.mkdir(exist_ok=True)
    shutil.copy(BUSYBOX, binaries / "busybox")
    for path in (someone.bundle, *someone.bundle.rglob("*"), someone.runtime_dir):
        os.chown(path, someone.uid, someone.uid, follow_symlinks=False)
    yield someone
    for container_id in someone("list", "--quiet").out.split():
        someone("delete", "--force", container_id)
    shutil.rmtree(someone.bundle)
    left = reap_orphans()
    LIBC.prctl(PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0)
    assert left == []


def test_the_example(user: User) -> None:
    config = user.config(BUSYBOX, "cat", "/proc/self/uid_map", "/proc/self/setgroups")
    assert user.run(config).ok().split() == ["0", str(user.uid), "1", "deny"]


def test_state_is_in_the_runtime_directory(user: User) -> None:
    config = user.config(BUSYBOX, "true")
    (user.bundle / "config.json").write_text(json.dumps(config))
    user("create", "--bundle", str(user.bundle), "rootless").ok()
    assert (user.runtime_dir / "crunw/rootless/state.json").exists()
    assert json.loads(user("state", "rootless").ok())["status"] == "created"
    user("delete", "--force", "rootless").ok()


def test_a_module(user: User, modules: Path) -> None:
    shutil.copy(modules / "exit3.wasm", user.bundle / "rootfs/exit3.wasm")
    (user.bundle / "rootfs/exit3.wasm").chmod(0o644)
    assert user.run(user.config("/exit3.wasm")).status == 3


def test_a_module_with_all_that_it_can_ask_for(user: User, modules: Path) -> None:
    shutil.copy(modules / "files.wasm", user.bundle / "rootfs/files.wasm")
    (user.bundle / "rootfs/files.wasm").chmod(0o644)
    config = user.config("/files.wasm", "write", "data/new")
    wanted = {"aot": "off", "preopens": "data:/:ro", "statistics": "true", "time-limit": "1m"}
    config["annotations"] = {f"run.oci.wasm.{key}": value for key, value in wanted.items()}
    result = user.run(config)
    assert (result.status, result.out) == (1, "data/new: Read-only file system\n")


def test_mappings_are_made_up(user: User) -> None:
    config = user.config(BUSYBOX, "cat", "/proc/self/uid_map")
    del config["linux"]["uidMappings"], config["linux"]["gidMappings"]
    assert user.run(config).ok().split() == ["0", str(user.uid), "1"]


def test_subordinate_ids(user: User) -> None:
    first = subordinate(USER)
    config = user.config(BUSYBOX, "sh", "-c", "cat /proc/self/uid_map; id -u; id -G")
    (user.bundle / "rootfs/bin/cat").symlink_to("busybox")
    (user.bundle / "rootfs/bin/id").symlink_to("busybox")
    mappings = [
        {"containerID": 0, "hostID": user.uid, "size": 1},
        {"containerID": 1, "hostID": first, "size": 1000},
    ]
    config["linux"]["uidMappings"] = config["linux"]["gidMappings"] = mappings
    config["process"]["user"] = {"uid": 5, "gid": 5, "additionalGids": [6]}
    words = user.run(config).ok().split()
    assert words == ["0", str(user.uid), "1", "1", str(first), "1000", "5", "5", "6"]


def test_ids_of_others(user: User) -> None:
    config = user.config(BUSYBOX, "true")
    config["linux"]["uidMappings"] = [{"containerID": 0, "hostID": 0, "size": 10}]
    error = user.run(config).error()
    assert error.startswith("linux.uidMappings: newuidmap: ")
    assert "/etc/subuid" in error


def test_without_newuidmap(user: User) -> None:
    user.path = "/var/empty"
    config = user.config(BUSYBOX, "cat", "/proc/self/uid_map")
    assert user.run(config).ok().split() == ["0", str(user.uid), "1"]
    config["linux"]["uidMappings"] = [{"containerID": 0, "hostID": user.uid, "size": 2}]
    error = user.run(config).error()
    assert error == (
        "linux.uidMappings: to map more than one's own uid, newuidmap is needed (Debian: uidmap)"
    )


def test_limits_need_a_cgroup(user: User) -> None:
    config = user.config(BUSYBOX, "true")
    config["linux"]["resources"] = {"pids": {"limit": 9}}
    assert user.run(config).error().startswith("linux.resources.pids.limit: needs a cgroup of its")
    config["linux"]["resources"] = {"devices": [{"allow": False, "access": "rwm"}]}
    user.run(config).ok()


def test_oom_score(user: User) -> None:
    config = user.config(BUSYBOX, "cat", "/proc/self/oom_score_adj")
    config["process"]["oomScoreAdj"] = own = int(Path("/proc/self/oom_score_adj").read_text())
    assert user.run(config).ok().split() == [str(own)]
    config["process"]["oomScoreAdj"] = -500
    assert "oom_score_adj" in user.run(config).error()


def test_needs_a_user_namespace(user: User) -> None:
    config = user.config(BUSYBOX, "true")
    del config["linux"]["uidMappings"], config["linux"]["gidMappings"]
    spaces = config["linux"]["namespaces"]
    spaces[:] = [entry for entry in spaces if entry["type"] != "user"]
    problem = "linux.namespaces: without root, a user namespace is required"
    assert user.run(config).error() == problem


def test_exec(user: User) -> None:
    config = user.config(BUSYBOX, "sleep", "60")
    (user.bundle / "config.json").write_text(json.dumps(config))
    user("create", "--bundle", str(user.bundle), "rootless").ok()
    user("start", "rootless").ok()
    shown = user("exec", "rootless", BUSYBOX, "cat", "/proc/self/uid_map").ok()
    assert shown.split() == ["0", str(user.uid), "1"]
    user("kill", "rootless", "KILL").ok()


def test_joined_by_path(user: User) -> None:
    """The user namespace first: it gives the right to join the others."""
    config = user.config(BUSYBOX, "sleep", "60")
    (user.bundle / "config.json").write_text(json.dumps(config))
    user("create", "--bundle", str(user.bundle), "rootless").ok()
    user("start", "rootless").ok()
    pid = json.loads(user("state", "rootless").ok())["pid"]
    joining = user.config(BUSYBOX, "readlink", "/proc/self/ns/ipc")
    del joining["linux"]["uidMappings"], joining["linux"]["gidMappings"], joining["hostname"]
    for entry in joining["linux"]["namespaces"]:
        if entry["type"] in ("user", "ipc", "uts"):
            entry["path"] = f"/proc/{pid}/ns/{entry['type']}"
    (user.bundle / "config.json").write_text(json.dumps(joining))
    shown = user("run", "--bundle", str(user.bundle), "second").ok()
    assert shown.strip() == os.readlink(f"/proc/{pid}/ns/ipc")
