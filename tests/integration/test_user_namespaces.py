"""User namespaces, made and joined by root: what their root may not reach is there all the same."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest
from support.commands import wait_for
from support.containers import (
    MAPPED,
    Runtime,
    has_capability,
    in_user_namespace,
    processes,
    skip_without_root,
)

CAP_SYS_RESOURCE = 24


@pytest.fixture
def user_bundle(bundle):
    return lambda *args, **changes: in_user_namespace(bundle(*args, **changes))


def test_root_is_mapped(crunw: Runtime, user_bundle) -> None:
    script = "cat /proc/self/uid_map /proc/self/gid_map; id -u; touch /file; stat -c %u /file"
    made = user_bundle("sh", "-c", script)
    words = crunw.run(made).ok().split()
    assert words == ["0", str(MAPPED), "65536"] * 2 + ["0", "0"]
    assert (made.rootfs / "file").stat().st_uid == MAPPED


def test_a_module_with_all_that_it_can_ask_for(crunw: Runtime, wasm_bundle) -> None:
    """The counters' file is the host's, the read-only preopen a mount of the container's."""
    made = wasm_bundle("writer")
    (made.rootfs / "srv" / "sub").mkdir(parents=True)
    (made.rootfs / "srv" / "file").write_text("content")
    wanted = {"preopens": "data:/srv:ro", "statistics": "true", "time-limit": "1m"}
    made.config["annotations"].update({f"run.oci.wasm.{key}": wanted[key] for key in wanted})
    crunw.start(in_user_namespace(made))
    crunw.wait_status(made, "stopped")
    stats = json.loads(crunw("events", "--stats", made.id).ok())
    assert stats["data"]["wasm"]["instructions"] > 0
    assert sorted(path.name for path in (made.rootfs / "srv").rglob("*")) == ["file", "sub"]


def test_the_process_of_a_module_belongs_to_its_user(crunw: Runtime, wasm_bundle) -> None:
    """The kernel's "dumpable": by it an ordinary user can enter the namespaces of his container."""
    made = in_user_namespace(wasm_bundle("sleep"))
    crunw.start(made)
    assert os.stat(f"/proc/{crunw.state(made)['pid']}/fd").st_uid == MAPPED


def test_the_process_of_a_module_is_closed_to_others(crunw: Runtime, wasm_bundle) -> None:
    """Without a user namespace the library's file could be opened by way of map_files."""
    skip_without_root("to do without a user namespace")
    made = wasm_bundle("sleep")
    made.config["process"]["user"] = {"uid": 7, "gid": 7}
    made.write()
    crunw.start(made)
    assert os.stat(f"/proc/{crunw.state(made)['pid']}/fd").st_uid == 0


@pytest.mark.skipif(
    not has_capability(CAP_SYS_RESOURCE), reason="without CAP_SYS_RESOURCE no limit can be raised"
)
def test_limits_above_those_of_the_caller(crunw: Runtime, user_bundle) -> None:
    """Root of a user namespace may not raise them; who made the container may."""
    made = user_bundle("sh", "-c", "ulimit -n; ulimit -Hn; exec sleep 1000")
    made.process["rlimits"] = [{"type": "RLIMIT_NOFILE", "soft": 1100, "hard": 1200}]
    prefix = ["prlimit", "--nofile=1000:1000"]
    shown = Path(made.path, "shown")
    with shown.open("w") as out:
        command = [
            *prefix,
            *crunw.command("run", "--detach", "--bundle", made.write().path, made.id),
        ]
        subprocess.run(command, stdout=out, check=True)
    wait_for(lambda: shown.read_text().split() == ["1100", "1200"], "the limits")
    words = ("exec", made.id, "sh", "-c", "ulimit -Hn")
    assert crunw(*words, prefix=prefix).ok() == "1200\n"


def test_bind_source_that_only_the_host_may_reach(
    crunw: Runtime, user_bundle, tmp_path: Path
) -> None:
    closed = tmp_path / "closed"
    (closed / "volume").mkdir(parents=True)
    (closed / "volume" / "file").write_text("reached")
    closed.chmod(0o700)
    made = user_bundle("cat", "/volume/file", "/etc/file")
    made.config["mounts"] += [
        {"destination": "/volume", "type": "bind", "source": str(closed / "volume"),
         "options": ["rbind", "ro"]},
        {"destination": "/etc/file", "type": "bind", "source": str(closed / "volume/file"),
         "options": ["bind", "ro"]},
    ]  # fmt: skip
    assert crunw.run(made.write()).ok() == "reachedreached"


def test_kernel_file_systems_and_devices(crunw: Runtime, user_bundle) -> None:
    script = "echo > /dev/null; head -c 1 /dev/zero | wc -c; ls -d /sys/class /dev/pts/ptmx"
    made = user_bundle("sh", "-c", script)
    assert crunw.run(made).ok().split() == ["1", "/dev/pts/ptmx", "/sys/class"]


def test_sysfs_with_the_network_of_the_host(crunw: Runtime, user_bundle) -> None:
    made = user_bundle("ls", "-d", "/sys/class")
    spaces = made.config["linux"]["namespaces"]
    spaces[:] = [entry for entry in spaces if entry["type"] != "network"]
    assert crunw.run(made.write()).ok().split() == ["/sys/class"]


@pytest.mark.parametrize("private", [False, True])
def test_cgroup_mount(crunw: Runtime, bundle, private: bool) -> None:
    other = [{"type": "cgroup"}] if private else []
    made = in_user_namespace(bundle("ls", "/sys/fs/cgroup"), *other)
    assert crunw.run(made).ok()


def test_masked_and_read_only_paths(crunw: Runtime, user_bundle) -> None:
    script = "cat /proc/keys; echo x > /proc/sys/net/ipv4/ip_forward"
    made = user_bundle("sh", "-c", script)
    result = crunw.run(made)
    assert "Read-only file system" in result.err


def test_join_user_namespace_and_those_it_owns(crunw: Runtime, bundle, user_bundle) -> None:
    first = crunw.start(user_bundle("sh", "-c", "hostname first; exec sleep 60"))
    pid = crunw.state(first)["pid"]
    second = user_bundle("sh", "-c", "cat /proc/self/uid_map; readlink /proc/self/ns/net")
    linux = second.config["linux"]
    del linux["uidMappings"], linux["gidMappings"], second.config["hostname"]
    files = {"user": "user", "network": "net", "ipc": "ipc", "uts": "uts"}
    for entry in linux["namespaces"]:
        if entry["type"] in files:
            entry["path"] = f"/proc/{pid}/ns/{files[entry['type']]}"
    network = os.readlink(f"/proc/{pid}/ns/net")
    assert crunw.run(second.write()).ok().split() == ["0", str(MAPPED), "65536", network]


def test_exec(crunw: Runtime, user_bundle) -> None:
    made = crunw.start(user_bundle("sleep", "60"))
    assert crunw("exec", made.id, "cat", "/proc/self/uid_map").ok().split()[1] == str(MAPPED)


def test_new_user_namespace_needs_mappings(crunw: Runtime, user_bundle) -> None:
    made = user_bundle()
    del made.config["linux"]["uidMappings"], made.config["linux"]["gidMappings"]
    problem = "linux.uidMappings: is required for a new user namespace"
    assert crunw.run(made.write()).error() == problem


def test_group_of_a_mount_must_be_mapped(crunw: Runtime, user_bundle) -> None:
    made = user_bundle()
    made.config["linux"]["gidMappings"] = [{"containerID": 0, "hostID": MAPPED, "size": 5}]
    problem = "mounts[2].options: gid=5: not mapped by linux.gidMappings"
    assert crunw.run(made.write()).error() == problem


def test_opener_ends_with_the_start(crunw: Runtime, user_bundle) -> None:
    crunw.start(user_bundle("sleep", "60"))
    assert [path for path in processes() if is_opener(path)] == []


def is_opener(process: Path) -> bool:
    """Whether it runs: one that has ended stays until it is reaped."""
    try:
        status = (process / "status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return "crunw-opener" in status and "State:\tZ" not in status
