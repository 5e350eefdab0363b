"""What is the same with both managers, and what only a scope has."""

from __future__ import annotations

import json
import subprocess

import pytest
from support.commands import wait_for

CGROUP_MOUNT = {
    "destination": "/sys/fs/cgroup",
    "type": "cgroup",
    "source": "cgroup",
    "options": ["nosuid", "noexec", "nodev", "rw"],
}


def test_the_seeds_slice(managed, bundle) -> None:
    made = managed.place(bundle("cat", "/proc/self/cgroup"))
    inside = managed.crunw.run(made).ok().strip()
    path = "/pod_123-456/" + made.id
    if managed.manager == "systemd":
        path = f"/pod_123.slice/pod_123-456.slice/crunw-{made.id}.scope"
    assert inside == f"0::{path}"
    managed.wait_gone(made)


def test_a_process_that_ends_leaves_no_scope(systemd, bundle) -> None:
    made = systemd.place(bundle("true"))
    systemd.crunw.start(made)
    systemd.crunw.wait_status(made, "stopped")
    systemd.wait_gone(made)
    systemd.crunw("delete", made.id).ok()
    systemd.crunw.run(made).ok()  # the name is free at once


def test_exec_joins(managed, bundle) -> None:
    made = managed.place(bundle("sleep", "1000"))
    managed.crunw.start(made)
    joined = managed.crunw("exec", made.id, "cat", "/proc/self/cgroup").ok()
    assert joined == f"0::{str(managed.group(made)).removeprefix('/sys/fs/cgroup')}\n"
    managed.crunw("delete", "--force", made.id).ok()
    managed.wait_gone(made)


def test_pause_and_kill(managed, bundle) -> None:
    made = managed.place(bundle("sleep", "1000"))
    managed.crunw.start(made)
    managed.crunw("pause", made.id).ok()
    assert managed.file(made, "cgroup.freeze") == "1"
    assert managed.crunw.status(made) == "paused"
    managed.crunw("resume", made.id).ok()
    assert managed.crunw.status(made) == "running"
    managed.crunw("pause", made.id).ok()
    managed.crunw("delete", "--force", made.id).ok()
    managed.wait_gone(made)


def test_the_container_rules_its_part_of_the_tree(managed, bundle) -> None:
    script = """
        set -e
        cd /sys/fs/cgroup
        mkdir leaf inner
        echo 1 >leaf/cgroup.procs
        echo "+pids +memory" >cgroup.subtree_control
        echo 7 >inner/pids.max
        cat inner/pids.max
    """
    made = managed.place(bundle("sh", "-c", script))
    mounts = [m for m in made.config["mounts"] if m["destination"] != "/sys/fs/cgroup"]
    made.config["linux"]["namespaces"].append({"type": "cgroup"})
    made.change(mounts=[*mounts, CGROUP_MOUNT])
    assert managed.crunw.run(made).ok() == "7\n"
    managed.wait_gone(made)


def test_the_device_filter_is_felt(managed, bundle) -> None:
    rules = [
        {"allow": False, "access": "rwm"},
        {"allow": True, "type": "c", "major": 1, "minor": 11, "access": "r"},
    ]
    script = "mknod /dev/k c 1 11; mknod /dev/m c 1 2; : </dev/k && echo kmsg; cat /dev/m"
    made = managed.place(bundle("sh", "-c", script, linux__resources={"devices": rules}))
    for capabilities in made.process["capabilities"].values():
        capabilities += ["CAP_MKNOD", "CAP_SYSLOG", "CAP_SYS_RAWIO"]
    result = managed.crunw.run(made.write())
    assert result.out == "kmsg\n"
    assert "/dev/m': Operation not permitted" in result.err


def test_no_path_is_a_scope_of_the_id(systemd, bundle) -> None:
    made = bundle("sleep", "1000")
    made.config["linux"].pop("cgroupsPath", None)
    systemd.crunw.start(made.write())
    pid = systemd.crunw.state(made)["pid"]
    with open(f"/proc/{pid}/cgroup", encoding="ascii") as file:
        assert file.read() == f"0::/system.slice/crunw-{made.id}.scope\n"


def test_a_name_in_use_is_refused(systemd, bundle, tmp_path) -> None:
    first, second = systemd.place(bundle("sleep", "1000")), bundle("true")
    systemd.crunw.start(first)
    second.change(linux__cgroupsPath=first.config["linux"]["cgroupsPath"])
    assert "is in use by 1 processes" in systemd.crunw.run(second).error()
    assert systemd.crunw.status(first) == "running"


@pytest.mark.parametrize(
    ("path", "problem"),
    [
        ("/a/b", "'/a/b' is not slice:prefix:name"),
        ("a..slice:b", "is not slice:prefix:name"),
        ("nothing:p:n", "'nothing' is not a name of a systemd slice"),
        ("a--b.slice:p:n", "'a--b.slice' is not a name of a systemd slice"),
        ("a.slice:p:n/x", "'p-n/x.scope' is not a name of a systemd unit"),
    ],
)
def test_a_path_that_names_no_scope(systemd, bundle, path, problem) -> None:
    made = bundle("true", linux__cgroupsPath=path)
    assert problem in systemd.crunw.run(made).error()


def test_a_limit_that_the_kernel_refuses_leaves_nothing(systemd, bundle) -> None:
    resources = {"hugepageLimits": [{"pageSize": "3MB", "limit": 0}]}
    made = systemd.place(bundle("true", linux__resources=resources))
    assert "hugepageLimits[0]" in systemd.crunw.run(made).error()
    systemd.wait_gone(made)


def test_a_scope_whose_process_systemd_stops(systemd, bundle) -> None:
    made = systemd.place(bundle("sleep", "1000"))
    systemd.crunw.start(made)
    subprocess.run(["systemctl", "kill", "--signal=KILL", systemd.unit(made)], check=True)
    systemd.crunw.wait_status(made, "stopped")
    systemd.crunw("delete", made.id).ok()
    systemd.wait_gone(made)


def test_the_record_knows_the_scope(systemd, bundle) -> None:
    made = systemd.place(bundle("true"))
    systemd.crunw.create(made).ok()
    record = json.loads((systemd.crunw.root / made.id / "state.json").read_text())
    assert record["cgroup"]["unit"] == systemd.unit(made)
    wait_for(lambda: systemd.crunw.status(made) == "created")
