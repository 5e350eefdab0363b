"""``crunw-init``: the steps on namespaces, cgroups, the process, credentials and hooks."""

from __future__ import annotations

import ctypes
import errno
import os
import resource
import signal
import socket
import struct
import subprocess
import time
from pathlib import Path

import pytest
from init_harness import PROGRAM, Result, Running, perform, shell

from crunw.plan.encode import Step
from crunw.plan.flags import CAPABILITIES
from crunw.plan.ops import REPORT_HOOKS, REPORT_PID, REPORT_READY, REPORT_USERNS

pytestmark = pytest.mark.skipif(not PROGRAM or os.geteuid() != 0, reason="crunw-init and root")

FORK = Step("fork", 0)
LIBC = ctypes.CDLL(None, use_errno=True)


def after_fork(*steps: Step, script: str = "true", **options) -> Result:
    return perform([FORK, *steps, *shell(script)], **options)


def forked(flags: int, *steps: Step, script: str = "true") -> Result:
    return perform([Step("fork", flags), *steps, *shell(script)])


# --- Namespaces -------------------------------------------------------------------------------------


@pytest.fixture
def neighbour():
    """A process with namespaces of its own."""
    command = ["unshare", "--uts", "--ipc", "--pid", "--fork", "--kill-child", "--mount-proc"]
    with subprocess.Popen([*command, "sh", "-c", "hostname next; echo; exec sleep 60"],
                          stdout=subprocess.PIPE) as process:
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
    steps[1:] = [Step("process", ["/usr/bin/python3", "-ISc", server], []), Step("exec_find"),
                 Step("exec")]
    assert perform([Step("fork", os.CLONE_NEWNET), *steps]).output == "127.0.0.1\n"


def test_sysctl():
    step = Step("sysctl", "net/ipv4/ip_forward", "1")
    before = Path("/proc/sys/net/ipv4/ip_forward").read_text()
    result = forked(os.CLONE_NEWNET, step, script="cat /proc/sys/net/ipv4/ip_forward")
    assert result.output == "1\n"
    assert Path("/proc/sys/net/ipv4/ip_forward").read_text() == before


@pytest.mark.parametrize(
    ("key", "problem"),
    [("../self/comm", errno.EXDEV), ("/etc/passwd", errno.EXDEV), ("no/such", errno.ENOENT),
     ("net", errno.EISDIR), ("", errno.ENOENT)],
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


# --- cgroup -----------------------------------------------------------------------------------------


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


# --- Process ----------------------------------------------------------------------------------------


def test_limits_umask_personality_and_score():
    steps = [
        Step("oom_score_adj", 500),
        FORK,
        Step("rlimit", resource.RLIMIT_NOFILE, 100, 200),
        Step("rlimit", resource.RLIMIT_CORE, 0, 2**64 - 1),
        Step("umask", 0o37),
        Step("personality", 0x0008),  # PER_LINUX32
        *shell("ulimit -n; ulimit -Hn; ulimit -Hc; umask; uname -m; cat /proc/self/oom_score_adj"),
    ]
    machine = {"x86_64": "i686", "aarch64": "armv8l"}[os.uname().machine]
    assert perform(steps).output.split() == ["100", "200", "unlimited", "0037", machine, "500"]
    error = after_fork(Step("rlimit", 99, 1, 1)).error
    assert error == ["rlimit", "setrlimit", "resource 99", errno.EINVAL, ""]


def test_working_directory(tmp_path):
    deep = tmp_path / "a" / "b" / "c"
    assert after_fork(Step("cwd", f"{deep}/", 1), script="pwd").output == f"{deep}\n"
    assert deep.stat().st_mode & 0o777 == 0o755
    error = after_fork(Step("cwd", f"{tmp_path}/none", 0)).error
    assert error == ["cwd", "chdir", f"{tmp_path}/none", errno.ENOENT, ""]
    (tmp_path / "file").touch()
    assert after_fork(Step("cwd", f"{tmp_path}/file", 1)).error[3] == errno.ENOTDIR
    assert after_fork(Step("cwd", f"{tmp_path}/file/x", 1)).error[3] == errno.ENOTDIR


def test_working_directory_is_not_reached_by_a_magic_link():
    """CVE-2024-21626: a descriptor of the host's, as /proc/self/fd/N/../.."""
    directory = os.open("/", os.O_RDONLY)
    for path in (f"/proc/self/fd/{directory}", f"/proc/self/fd/{directory}/etc", "/proc/self/cwd"):
        steps = (Step("cwd", path, 1), Step("close_from", directory + 1))
        error = after_fork(*steps, inherit=(directory,)).error
        assert error == ["cwd", "chdir", path, errno.ELOOP, ""]
    os.close(directory)


def user(uid=0, gid=0, groups=(), **sets) -> Step:
    names = ("bounding", "effective", "permitted", "inheritable", "ambient", "keep")
    return Step("credentials", uid, gid, list(groups), *(sets.get(name, 0) for name in names))


def mask(*names: str) -> int:
    return sum(1 << CAPABILITIES.index(f"CAP_{name}") for name in names)


def status_of(*steps: Step) -> dict[str, str]:
    result = after_fork(*steps, script="cat /proc/self/status")
    assert result.error == []
    return dict(line.split(":\t", 1) for line in result.output.splitlines())


def sets_of(status: dict[str, str]) -> list[int]:
    return [int(status[f"Cap{name}"], 16) for name in ("Bnd", "Eff", "Prm", "Inh", "Amb")]


def test_root_with_few_capabilities():
    few = mask("CHOWN", "KILL")
    status = status_of(user(bounding=few, effective=few, permitted=few))
    assert sets_of(status) == [few, few, few, 0, 0]
    assert status["Uid"].split() == ["0"] * 4
    assert status["Groups"].split() == []


def test_user_without_capabilities():
    some = mask("CHOWN", "SETUID")
    status = status_of(user(1000, 1001, (5, 6), bounding=some))
    assert status["Uid"].split() == ["1000"] * 4
    assert status["Gid"].split() == ["1001"] * 4
    assert status["Groups"].split() == ["5", "6"]
    assert sets_of(status) == [some, 0, 0, 0, 0]


def test_user_with_ambient_capabilities():
    one = mask("NET_BIND_SERVICE")
    sets = dict.fromkeys(("effective", "permitted", "inheritable", "ambient"), one)
    status = status_of(user(1000, 1000, bounding=one, **sets))
    assert sets_of(status) == [one] * 5


def test_capabilities_that_the_runtime_lacks_are_left_out():
    every = 2**64 - 1
    have = int(Path("/proc/self/status").read_text().split("CapBnd:\t")[1][:16], 16)
    sets = dict.fromkeys(("bounding", "effective", "permitted"), every)
    assert sets_of(status_of(user(**sets))) == [have, have, have, 0, 0]


def test_effective_beyond_permitted_is_an_error():
    step = user(bounding=mask("KILL"), effective=mask("KILL"))
    assert after_fork(step).error[:4] == ["credentials", "capset", "", errno.EPERM]


def test_kept_capabilities():
    have = int(Path("/proc/self/status").read_text().split("CapBnd:\t")[1][:16], 16)
    assert sets_of(status_of(user(keep=1)))[:3] == [have] * 3


@pytest.mark.parametrize("ids", [(2**32 - 1, 0), (0, 2**32 - 1), (2**32, 0), (2**64 - 1, 0)])
def test_impossible_ids_do_not_keep_root(ids):
    assert after_fork(user(*ids)).error[3] == errno.EINVAL


def test_working_directory_that_only_the_user_may_enter(tmp_path):
    for directory in (tmp_path, tmp_path.parent, tmp_path.parent.parent):
        directory.chmod(0o755)
    own = tmp_path / "own"
    own.mkdir(mode=0o700)
    os.chown(own, 1000, 1000)
    without = ("setpriv", "--bounding-set=-dac_override,-dac_read_search", "--")
    steps = (Step("cwd", str(own), 0), user(1000, 1000))
    assert after_fork(*steps, script="pwd", prefix=without).output == f"{own}\n"
    error = after_fork(*steps[::-1], script="pwd", prefix=without).error
    assert error == []
    error = after_fork(Step("cwd", str(own), 0), user(2000, 2000), prefix=without).error
    assert error == ["credentials", "chdir", str(own), errno.EACCES, ""]


# --- no_new_privs, seccomp, labels ------------------------------------------------------------------

ALLOW, ERRNO, NOTIFY = 0x7FFF0000, 0x00050000, 0x7FC00000


def on_call(number: int, action: int) -> bytes:
    """A filter: `action` for one system call, everything else is allowed."""
    code = [(0x20, 0, 0, 0), (0x15, 0, 1, number), (0x06, 0, 0, action), (0x06, 0, 0, ALLOW)]
    return b"".join(struct.pack("<HBBI", *instruction) for instruction in code)


UNAME = {"x86_64": 63, "aarch64": 160}[os.uname().machine]


def test_no_new_privs():
    assert status_of(Step("no_new_privs"))["NoNewPrivs"] == "1"


def test_seccomp():
    steps = (Step("no_new_privs"), user(), Step("seccomp", on_call(UNAME, ERRNO | 77), 0, 0, b""))
    output = after_fork(*steps, script="grep Seccomp: /proc/self/status; uname").output
    assert "Seccomp:\t2\n" in output
    assert os.strerror(77) in output


@pytest.mark.parametrize(
    ("filter_", "problem"),
    [(b"", errno.EINVAL), (bytes(8) * 4097, errno.EINVAL), (bytes(8), errno.EINVAL)],
)
def test_seccomp_filter_that_does_not_load(filter_, problem):
    error = after_fork(Step("seccomp", filter_, 0, 0, b"")).error
    assert error[:4] == ["seccomp", "seccomp", "", problem]


def test_seccomp_without_the_right():
    error = after_fork(user(), Step("seccomp", on_call(UNAME, ERRNO), 0, 0, b"")).error
    assert error[3] == errno.EACCES


def test_seccomp_listener_is_sent():
    ours, theirs = socket.socketpair()
    step = Step("seccomp", on_call(UNAME, NOTIFY), 0, theirs.fileno() + 1, b'{"ociVersion":"1"}')
    with ours, Running([FORK, step, *shell("uname")], inherit=(theirs.fileno(),)) as running:
        theirs.close()
        data, [listener], _, _ = socket.recv_fds(ours, 1000, 1)
        assert data == b'{"ociVersion":"1"}'
        assert os.readlink(f"/proc/self/fd/{listener}") == "anon_inode:seccomp notify"
        os.close(listener)  # no one answers: the call fails with ENOSYS
        assert os.strerror(errno.ENOSYS) in running.finish().output


@pytest.mark.parametrize("module", ["apparmor", "selinux"])
def test_label_for_a_module_that_is_not_there(module):
    if Path("/sys/kernel/security", module).exists():
        pytest.skip(f"{module} is there")
    error = after_fork(Step("lsm_label", module, "crunw-no-such-label")).error
    assert error[:3] == ["lsm_label", "write", "self/attr/exec"]
    assert error[3] == errno.EINVAL


# --- Hooks ------------------------------------------------------------------------------------------


def hook(script: str, timeout: int = 0, env: tuple[str, ...] = ()) -> Step:
    arguments = ["/bin/sh", ["sh", "-c", script], list(env), timeout]
    return Step("hook", *arguments, '{"pid":', ',"id":"x"}')


def test_hook_reads_the_state(tmp_path):
    script = f"cat > {tmp_path}/state; env > {tmp_path}/env; ls /proc/$$/fd > {tmp_path}/fds"
    assert forked(os.CLONE_NEWPID, hook(script, env=("A=b",)), script="echo ok").output == "ok\n"
    assert (tmp_path / "state").read_text() == '{"pid":1,"id":"x"}'
    assert set((tmp_path / "env").read_text().splitlines()) <= {"A=b", f"PWD={Path.cwd()}", "_=/usr/bin/env"}
    assert set((tmp_path / "fds").read_text().split()) <= {"0", "1", "2", "10"}


def test_large_state_and_output():
    step = Step("hook", "/bin/sh", ["sh", "-c", "yes | head -c 300000; wc -c; exit 2"], [], 0,
                "x" * 200000, "y")
    error = after_fork(step).error
    assert error[:4] == ["hook", "hook", "/bin/sh", 0]
    assert error[4].startswith("exit status 2: ")
    assert " 20000" in error[4]
    assert len(error[4]) < 450


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("exit 3", "exit status 3"),
        ("echo some text; echo; echo 'bad\tthing\33' >&2; exit 1",
         "exit status 1: some text  bad thing"),
        ("kill -9 $$", "signal 9"),
    ],
)
@pytest.mark.parametrize("timeout", [0, 30])
def test_failing_hook(script, message, timeout):
    result = after_fork(hook(script, timeout), script="echo no")
    assert result.error == ["hook", "hook", "/bin/sh", 0, message]
    assert result.output == ""


def test_hook_that_does_not_end(tmp_path):
    began = time.monotonic()
    result = forked(os.CLONE_NEWPID, hook(f"echo $$ > {tmp_path}/pid; exec sleep 60", 1))
    assert result.error == ["hook", "hook", "/bin/sh", errno.ETIMEDOUT, "no end after 1 s"]
    assert 0.9 < time.monotonic() - began < 5


def test_hook_that_does_not_exist():
    error = after_fork(Step("hook", "/no/hook", ["x"], [], 0, "", "")).error
    assert error == ["hook", "exec", "/no/hook", errno.ENOENT, ""]


def test_hooks_barrier():
    with Running([FORK, Step("hooks_barrier"), *shell("echo on")]) as running:
        assert running.until(REPORT_HOOKS) == REPORT_HOOKS
        assert running.result.reports == [REPORT_PID, REPORT_HOOKS]
        running.answer()
        assert running.finish().output == "on\n"


def test_signal_mask_is_clear_after_a_hook():
    output = after_fork(hook("true", 5), script="grep SigBlk /proc/self/status").output
    assert int(output.split()[1], 16) & 1 << signal.SIGCHLD - 1 == 0
