"""``crunw-init``: the steps on the process, its credentials and what it may do."""

from __future__ import annotations

import errno
import os
import resource
import socket
import struct
from functools import partial
from pathlib import Path

import pytest
from support.init import Running, after_fork, perform, shell

from crunw.plan.encode import Step
from crunw.plan.flags import CAPABILITIES
from crunw.plan.ops import CREDENTIALS_EXECUTED, REPORT_PID

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root"),
]

FORK = Step("fork", 0)

# --- Process --------------------------------------------------------------------------------------


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


# --- no_new_privs, seccomp, labels ----------------------------------------------------------------

ALLOW, ERRNO, NOTIFY = 0x7FFF0000, 0x00050000, 0x7FC00000


def on_call(number: int, action: int) -> bytes:
    """A filter: `action` for one system call, everything else is allowed."""
    code = [(0x20, 0, 0, 0), (0x15, 0, 1, number), (0x06, 0, 0, action), (0x06, 0, 0, ALLOW)]
    return b"".join(struct.pack("<HBBI", *instruction) for instruction in code)


UNAME = {"x86_64": 63, "aarch64": 160}[os.uname().machine]


def test_no_new_privs():
    assert status_of(Step("no_new_privs"))["NoNewPrivs"] == "1"


def test_seccomp():
    steps = (Step("no_new_privs"), user(), Step("seccomp", on_call(UNAME, ERRNO | 77), 0, 0, []))
    output = after_fork(*steps, script="grep Seccomp: /proc/self/status; uname").output
    assert "Seccomp:\t2\n" in output
    assert os.strerror(77) in output


@pytest.mark.parametrize(
    ("filter_", "problem"),
    [(b"", errno.EINVAL), (bytes(8) * 4097, errno.EINVAL), (bytes(8), errno.EINVAL)],
)
def test_seccomp_filter_that_does_not_load(filter_, problem):
    error = after_fork(Step("seccomp", filter_, 0, 0, [])).error
    assert error[:4] == ["seccomp", "seccomp", "", problem]


def test_seccomp_without_the_right():
    error = after_fork(user(), Step("seccomp", on_call(UNAME, ERRNO), 0, 0, [])).error
    assert error[3] == errno.EACCES


PRCTL, CAPGET, CAPSET, SETRESUID = {
    "x86_64": (157, 125, 126, 117), "aarch64": (167, 90, 91, 147)
}[os.uname().machine]  # fmt: skip
PR_CAPBSET_READ, PR_CAP_AMBIENT, PR_GET_SECUREBITS = 23, 47, 27


def on_prctl(option: int, action: int) -> bytes:
    """The same for one operation of prctl(2)."""
    code = [
        (0x20, 0, 0, 0), (0x15, 0, 3, PRCTL),
        (0x20, 0, 0, 16), (0x15, 0, 1, option),
        (0x06, 0, 0, action), (0x06, 0, 0, ALLOW),
    ]  # fmt: skip
    return b"".join(struct.pack("<HBBI", *instruction) for instruction in code)


@pytest.mark.parametrize("problem", [errno.EPERM, errno.EINVAL, errno.ENOSYS])
@pytest.mark.parametrize(
    ("filter_", "operation"),
    [
        (partial(on_prctl, PR_CAPBSET_READ), "prctl(PR_CAPBSET_READ)"),
        (partial(on_prctl, PR_GET_SECUREBITS), "prctl(PR_GET_SECUREBITS)"),
        (partial(on_prctl, PR_CAP_AMBIENT), "prctl(PR_CAP_AMBIENT_CLEAR_ALL)"),
        (partial(on_call, CAPGET), "capget"),
    ],
    ids=["bounding", "securebits", "ambient", "capget"],
)
def test_what_can_not_be_known_of_capabilities_is_an_error(filter_, operation, problem):
    """A filter may forbid to ask: then nobody knows what would be left."""
    sets = dict.fromkeys(("bounding", "effective", "permitted"), mask("KILL"))
    steps = (
        Step("seccomp", filter_(ERRNO | problem), 0, 0, []),
        user(**sets, keep=CREDENTIALS_EXECUTED),
    )
    result = after_fork(*steps, script="grep CapBnd: /proc/self/status")
    assert result.error[:4] == ["credentials", operation, "", problem]
    assert result.output == ""


@pytest.mark.parametrize(
    ("number", "message"),
    [
        (CAPSET, "other capabilities are left than were set"),
        (SETRESUID, "another user is left than was set"),
    ],
)
def test_what_is_left_is_read_back(number, message):
    """A filter can make a call do nothing and say that it has succeeded."""
    steps = (Step("seccomp", on_call(number, ERRNO), 0, 0, []), user(1000, 1000))
    result = after_fork(*steps, script="id")
    assert result.error[0] == "credentials"
    assert result.error[3:] == [errno.EPERM, message]
    assert result.output == ""


def test_seccomp_listener_is_sent():
    ours, theirs = socket.socketpair()
    step = Step(
        "seccomp", on_call(UNAME, NOTIFY), 0, theirs.fileno() + 1, ['{"pid":', ',"of":', "}"]
    )
    with ours, Running([FORK, step, *shell("uname")], inherit=(theirs.fileno(),)) as running:
        theirs.close()
        assert running.next_report() == REPORT_PID
        data, [listener], _, _ = socket.recv_fds(ours, 1000, 1)
        pid = running.result.pid
        assert data == f'{{"pid":{pid},"of":{pid}}}'.encode()
        assert os.readlink(f"/proc/self/fd/{listener}") == "anon_inode:seccomp notify"
        os.close(listener)  # no one answers: the call fails with ENOSYS
        assert os.strerror(errno.ENOSYS) in running.finish().output


@pytest.mark.parametrize("module", ["apparmor", "selinux"])
@pytest.mark.parametrize("now", [0, 1])
def test_label_for_a_module_that_is_not_there(module, now):
    if Path("/sys/kernel/security", module).exists():
        pytest.skip(f"{module} is there")
    error = after_fork(Step("lsm_label", module, "crunw-no-such-label", now)).error
    assert error[:3] == ["lsm_label", "label", "crunw-no-such-label"]
    assert "is not enabled in this kernel" in error[4]
    assert error[3] == errno.EINVAL
