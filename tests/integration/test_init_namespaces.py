"""``crunw-init``: the steps on namespaces and cgroups."""

from __future__ import annotations

import errno
import os
import struct
import subprocess
import time
from pathlib import Path

import pytest
from support.init import Running, after_fork, forked, perform, shell

from crunw.plan.encode import Step
from crunw.plan.flags import CAPABILITIES
from crunw.plan.ops import REPORT_READY, REPORT_USERNS

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root"),
]

FORK = Step("fork", 0)

# --- Namespaces -----------------------------------------------------------------------------------


@pytest.fixture
def neighbour():
    """A process with namespaces of its own."""
    command = ["unshare", "--uts", "--ipc", "--pid", "--fork", "--kill-child", "--mount-proc"]
    with subprocess.Popen(
        [*command, "sh", "-c", "hostname next; echo; exec sleep 60"], stdout=subprocess.PIPE
    ) as process:
        process.stdout.readline()
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text()
        yield int(children)
        process.kill()


def test_enter_namespaces_by_path(neighbour):
    steps = [
        Step("ns_enter", os.CLONE_NEWUTS, f"/proc/{neighbour}/ns/uts"),
        Step("ns_enter", os.CLONE_NEWPID, f"/proc/{neighbour}/ns/pid"),
        FORK,
        *shell("hostname; echo $$"),
    ]
    hostname, pid = perform(steps).output.split()
    assert hostname == "next"
    assert 1 < int(pid) < 10


def test_enter_namespace_of_another_type(neighbour):
    result = perform([Step("ns_enter", os.CLONE_NEWUTS, f"/proc/{neighbour}/ns/pid"), FORK])
    path = f"/proc/{neighbour}/ns/pid"
    assert result.error == ["ns_enter", "setns", path, errno.EINVAL, ""]


def test_enter_namespaces_by_pidfd(neighbour):
    pidfd = os.pidfd_open(neighbour)
    types = os.CLONE_NEWUTS | os.CLONE_NEWPID | os.CLONE_NEWNS
    steps = [Step("ns_enter_pidfd", pidfd, types), FORK, *shell("hostname; echo /proc/[0-9]*")]
    hostname, *processes = perform(steps, inherit=(pidfd,)).output.split()
    os.close(pidfd)
    assert hostname == "next"
    assert len(processes) == 2


def test_user_namespace_is_mapped_by_the_runtime():
    steps = [Step("ns_unshare", os.CLONE_NEWUSER), Step("userns_map"), FORK, Step("ready")]
    script = "cat /proc/self/uid_map; id -u; id -g; grep CapEff /proc/self/status"
    with Running([*steps, *shell(script)]) as running:
        assert running.next_report() == REPORT_USERNS
        for kind in ("uid", "gid"):
            Path(f"/proc/{running.parent}/{kind}_map").write_text("0 100000 65536\n")
        running.answer()
        assert running.until(REPORT_READY) == REPORT_READY
        assert os.stat(f"/proc/{running.result.pid}/root").st_uid == 0  # not dumpable
        running.answer()
        output = running.finish().output.split()
    assert output[:5] == ["0", "100000", "65536", "0", "0"]
    assert int(output[6], 16) & 1 << CAPABILITIES.index("CAP_SYS_ADMIN")


def test_time_offsets():
    steps = [
        Step("ns_unshare", os.CLONE_NEWTIME),
        Step("time_offsets", "boottime 1000000 0\n"),
        FORK,
        *shell("cat /proc/uptime"),
    ]
    uptime = float(perform(steps).output.split()[0])
    assert uptime - time.clock_gettime(time.CLOCK_BOOTTIME) == pytest.approx(1000000, abs=5)


def test_time_offsets_in_a_user_namespace():
    steps = [
        Step("ns_unshare", os.CLONE_NEWUSER),
        Step("userns_map"),
        Step("ns_unshare", os.CLONE_NEWTIME),
        Step("time_offsets", "boottime 7 0\n"),
        FORK,
        *shell("cat /proc/self/timens_offsets"),
    ]
    with Running(steps) as running:
        running.until(REPORT_USERNS)
        for kind in ("uid", "gid"):
            Path(f"/proc/{running.parent}/{kind}_map").write_text("0 100000 65536\n")
        running.answer()
        assert running.finish().output.split()[-2:] == ["7", "0"]


def test_names():
    steps = (Step("hostname", "one"), Step("domainname", "two"))
    script = "uname -n; cat /proc/sys/kernel/domainname"
    assert forked(os.CLONE_NEWUTS, *steps, script=script).output == "one\ntwo\n"
    error = forked(os.CLONE_NEWUTS, Step("hostname", "x" * 65)).error
    assert error == ["hostname", "sethostname", "x" * 65, errno.EINVAL, ""]


def test_loopback():
    address = "cat /sys/class/net/lo/operstate; ip -o addr show dev lo 2>/dev/null || true"
    steps = [Step("loopback_up"), *shell(address)]
    server = "import socket; s = socket.create_server(('127.0.0.1', 0)); print(s.getsockname()[0])"
    steps[1:] = [
        Step("process", ["/usr/bin/python3", "-ISc", server], []),
        Step("exec_find"),
        Step("exec"),
    ]
    assert perform([Step("fork", os.CLONE_NEWNET), *steps]).output == "127.0.0.1\n"


def test_sysctl():
    step = Step("sysctl", "net/ipv4/ip_forward", "1")
    before = Path("/proc/sys/net/ipv4/ip_forward").read_text()
    result = forked(os.CLONE_NEWNET, step, script="cat /proc/sys/net/ipv4/ip_forward")
    assert result.output == "1\n"
    assert Path("/proc/sys/net/ipv4/ip_forward").read_text() == before


@pytest.mark.parametrize(
    ("key", "problem"),
    [
        ("../self/comm", errno.EXDEV),
        ("/etc/passwd", errno.EXDEV),
        ("no/such", errno.ENOENT),
        ("net", errno.EISDIR),
        ("", errno.ENOENT),
    ],
)
def test_sysctl_stays_below_proc_sys(key, problem):
    error = after_fork(Step("sysctl", key, "1")).error
    assert (error[0], error[2], error[3]) == ("sysctl", key, problem)


def test_session():
    script = "ps -o sid= -p $$; echo $$; cat /proc/keys"
    output = after_fork(Step("setsid"), Step("keyring", "_ses.test"), script=script).output
    session, pid, *keys = output.split()
    assert session == pid
    assert "_ses.test:" in keys


# --- cgroup ---------------------------------------------------------------------------------------


@pytest.fixture
def cgroup():
    """A cgroup of the first hierarchy at hand."""
    places = [Path("/sys/fs/cgroup", name) for name in ("pids", "unified", "")]
    place = next(place for place in places if (place / "cgroup.procs").exists())
    path = place / f"crunw-test-{os.getpid()}"
    path.mkdir()
    yield path
    path.rmdir()


def test_join_cgroup(cgroup):
    steps = [Step("cgroup_join", f"{cgroup}/cgroup.procs"), FORK, *shell("cat /proc/self/cgroup")]
    assert f"/{cgroup.name}\n" in perform(steps).output


@pytest.fixture
def unified(tmp_path):
    """A cgroup of cgroup2, wherever that is mounted."""
    subprocess.run(["mount", "-t", "cgroup2", "none", tmp_path], check=True)
    path = tmp_path / f"crunw-test-{os.getpid()}"
    path.mkdir()
    yield path
    path.rmdir()
    subprocess.run(["umount", tmp_path], check=True)


def test_fork_into_cgroup(unified):
    """The process is in it from its first moment on, and can have it for the root of its view."""
    into = Step("cgroup_into", str(unified))
    outside = perform([into, FORK, *shell("cat /proc/self/cgroup; ls /proc/self/fd")]).output
    assert f"0::/{unified.name}\n" in outside
    assert outside.splitlines()[-4:] == ["0", "1", "2", "3"]  # 3: the directory that ls lists
    unshare = Step("ns_unshare", 0x02000000)
    inside = perform([into, FORK, unshare, *shell("cat /proc/self/cgroup")]).output
    assert "0::/\n" in inside


def test_fork_into_what_is_no_cgroup(tmp_path):
    error = perform([Step("cgroup_into", str(tmp_path)), FORK]).error
    assert error[:2] == ["fork", "clone3"]
    error = perform([Step("cgroup_into", str(tmp_path / "missing")), FORK]).error
    assert error[:3] == ["cgroup_into", "open", str(tmp_path / "missing")]


def bpf(*instructions: tuple[int, int, int]) -> bytes:
    return b"".join(struct.pack("<BBhi", code, reg, 0, value) for code, reg, value in instructions)


def test_device_filter_replaces_the_earlier_one(unified):
    join = Step("cgroup_join", f"{unified}/cgroup.procs")
    probe = [FORK, *shell("cat /dev/zero | head -c 1 | wc -c")]
    for verdict in (0, 1):
        program = bpf((0xB7, 0, verdict), (0x95, 0, 0))
        result = perform([Step("cgroup_devices", str(unified), program), join, *probe])
        assert ("Operation not permitted" in result.output) == (verdict == 0)


def test_device_filter_that_does_not_load(unified):
    error = perform([Step("cgroup_devices", str(unified), bpf((0x95, 0, 0))), FORK]).error
    assert error[:3] == ["cgroup_devices", "bpf(BPF_PROG_LOAD)", str(unified)]
