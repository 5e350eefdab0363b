"""What can't be used is refused with one line that says what is wrong, and leaves nothing."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path

import pytest
from support.aot import has_ended
from support.bad_configs import CASES
from support.containers import (
    PREFIX,
    Bundle,
    cgroup_directories,
    children,
    reap_orphans,
    require,
    skip_without_root,
)


def assert_nothing_left(crunw, container: Bundle) -> None:
    assert not crunw.root.exists() or os.listdir(crunw.root) == []
    assert cgroup_directories() == []
    assert children() == []
    assert crunw("state", container.id).error() == f"container {container.id} does not exist"


@pytest.mark.parametrize(
    ("write", "field"), [case[1:] for case in CASES], ids=[c[0] for c in CASES]
)
def test_bad_config(crunw, bundle, write, field):
    container = bundle()
    (container.path / "config.json").unlink()
    write(container.path)
    for error in (crunw.create(container).error(), crunw.run(container).error()):
        assert field in error
        assert "internal error" not in error
        assert len(error) < 1000
    assert_nothing_left(crunw, container)


def test_there_are_enough_bad_configs():
    assert len({name for name, _, _ in CASES}) >= 60


# --- Refused by the system, not by the specification: found while the container is made -----------

PROC = {"destination": "/proc", "type": "proc", "source": "proc"}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"root__path": "nothing"}, ["root.path", "nothing is not a directory"]),
        ({"process__cwd": "/bin/busybox"}, ["chdir /bin/busybox: Not a directory"]),
        ({"process__args": ["/bin/nothing"]}, ["exec /bin/nothing: No such file or directory"]),
        ({"mounts": [{**PROC, "type": "nofs"}]}, ["mount", "/proc", "nofs"]),
        (
            {"mounts": [{"destination": "/x", "source": "/no/such", "options": ["bind"]}]},
            ["/no/such", "No such file or directory"],
        ),
        (
            {"mounts": [{"destination": "/t", "type": "tmpfs", "options": ["size=banana"]}]},
            ["mount /t", "size"],
        ),
        ({"linux__sysctl": {"net.no.such": "1"}}, ["net/no/such", "No such file or directory"]),
        ({"linux__sysctl": {"kernel.shmmni": "banana"}}, ["shmmni", "Invalid argument"]),
        (
            {"linux__namespaces": [{"type": "mount"}, {"type": "network", "path": "/no/ns"}],
             "hostname": ""},
            ["/no/ns", "No such file or directory"],
        ),
        (
            {"linux__namespaces": [{"type": "mount"}, {"type": "network", "path": "/dev/null"}],
             "hostname": ""},
            ["/dev/null", "Invalid argument"],
        ),
        ({"linux__resources__cpu": {"cpus": "999"}}, ["linux.resources.cpu.cpus"]),
        ({"linux__resources__memory": {"limit": 1}}, ["memory limit too low"]),
        (
            {"linux__devices": [{"path": "/bin/busybox/x", "type": "c", "major": 1, "minor": 3}]},
            ["/bin/busybox/", "Not a directory"],
        ),
        (
            {"hooks": {"createRuntime": [{"path": "/bin/false"}]}},
            ["createRuntime hook /bin/false: exit status 1"],
        ),
        ({"hooks": {"prestart": [{"path": "/no/hook"}]}}, ["prestart", "/no/hook", "No such file"]),
        (
            {"hooks": {"createContainer": [{"path": "/bin/false"}]}},
            ["createContainer hook /bin/false: exit status 1"],
        ),
        ({"process__rlimits": [{"type": "RLIMIT_NOFILE", "soft": 2**40, "hard": 2**40}]},
         ["setrlimit", "Operation not permitted"]),
        ({"annotations": {"run.oci.handler": "krun"}}, ["annotations", "krun"]),
    ],
)  # fmt: skip
def test_what_the_system_refuses(crunw, bundle, changes, words):
    container = bundle(**changes)
    if os.geteuid() and "linux__namespaces" in changes:
        container.config["linux"]["namespaces"].append({"type": "user"})
        container.write()
    for error in (crunw.create(container).error(), crunw.run(container).error()):
        assert all(word in error for word in words), error
    assert reap_orphans() == []
    assert_nothing_left(crunw, container)


@pytest.mark.parametrize(
    ("field", "changes"),
    [
        ("process.scheduler", {"process__scheduler": {"policy": "SCHED_FIFO"}}),
        (
            "process.capabilities",
            {"process__capabilities": {"bounding": ["CAP_KILL"], "effective": ["CAP_KILL"]}},
        ),
        (
            "process.user.additionalGids",
            {"process__user": {"uid": 0, "gid": 0, "additionalGids": [*range(1, 70000)]}},
        ),
        ("process.cwd", {"process__cwd": "/bin/busybox"}),
        (
            "process.rlimits",
            {"process__rlimits": [{"type": "RLIMIT_NOFILE", "soft": 2**40, "hard": 2**40}]},
        ),
        ("linux.sysctl", {"linux__sysctl": {"kernel.shmmni": "banana"}}),
        (
            "linux.namespaces",
            {"linux__namespaces": [{"type": "mount"}, {"type": "network", "path": "/dev/null"}],
             "hostname": ""},
        ),
        ("linux.maskedPaths", {"linux__maskedPaths": ["/" + "x" * 256]}),
        ("linux.readonlyPaths", {"linux__readonlyPaths": ["/bin/busybox/x"]}),
        ("createContainer hook /no/hook", {"hooks": {"createContainer": [{"path": "/no/hook"}]}}),
    ],
)  # fmt: skip
def test_what_the_kernel_refuses_is_said_of_the_field(crunw, bundle, field, changes):
    skip_without_root("to be refused for these fields alone")
    assert crunw.create(bundle("true", **changes)).error().startswith(f"{field}: ")


def test_too_few_processes(crunw, bundle):
    require("pids")
    made = bundle("true", linux__resources={"pids": {"limit": 1}})
    result = crunw.create(made)
    if result.status:  # where crunw-init joins the cgroup before it forks
        assert "linux.resources.pids.limit" in result.error()


@pytest.mark.parametrize(
    "destination", ["/../../../../..{outside}", "/link/file", "/escape/{name}", "/proc/self/root/x"]
)
def test_mounts_stay_inside_the_root(crunw, bundle, tmp_path, destination):
    outside = tmp_path / "outside"
    outside.mkdir()
    container = bundle("true")
    (container.rootfs / "link").symlink_to(outside)
    (container.rootfs / "escape").symlink_to("../../../../../../../..")
    destination = destination.format(outside=outside, name="x")
    container.config["mounts"].append({"destination": destination, "type": "tmpfs"})
    crunw.run(container.write())
    assert os.listdir(outside) == []
    assert not os.path.lexists("/x")


def test_no_config(crunw, bundle):
    container = bundle()
    (container.path / "config.json").unlink()
    for error in (crunw.create(container).error(), crunw.run(container).error()):
        assert error == f"{container.path}/config.json: can't be read: No such file or directory"


def test_no_bundle(crunw, tmp_path):
    error = crunw("create", "--bundle", tmp_path / "nothing", f"{PREFIX}none").error()
    assert str(tmp_path / "nothing") in error


@pytest.mark.parametrize(
    "container_id", ["", ".", "..", "a/b", "../x", "/", "a b", "a\nb", "é", "x" * 1025, "a:b"]
)
@pytest.mark.parametrize("verb", ["create", "state", "delete", "start", "kill", "run"])
def test_bad_id(crunw, bundle, verb, container_id):
    options = ["--bundle", bundle().path] if verb in ("create", "run") else []
    assert crunw(verb, *options, container_id).error().startswith("container id ")


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["nothing"], "unknown verb 'nothing'"),
        (["--nothing"], "unknown option --nothing"),
        (["--root"], "--root requires an argument"),
        (["--log-format", "xml", "list"], "--log-format: 'xml' is neither text nor json"),
        (["--cgroup-manager", "openrc", "create", "x"], "--cgroup-manager: 'openrc'"),
        (["create"], "one container id is needed"),
        (["create", "a", "b"], "one container id is needed, 2 arguments given"),
        (["create", "--nothing", "a"], "unknown option --nothing"),
        (["create", "a", "--bundle"], "--bundle requires an argument"),
        (["create", "--preserve-fds", "-1", "a"], "--preserve-fds: '-1' is not a number"),
        (["create", "--preserve-fds", "x", "a"], "--preserve-fds: 'x' is not a number"),
        (["start"], "one container id is needed"),
        (["state"], "one container id is needed"),
        (["state", "a", "b"], "one container id is needed"),
        (["delete"], "one container id is needed"),
        (["kill"], "a container id and at most one signal are needed"),
        (["kill", "a", "TERM", "x"], "a container id and at most one signal are needed"),
        (["kill", "a", "NOTHING"], "unknown signal 'NOTHING'"),
        (["kill", "a", "65"], "unknown signal '65'"),
        (["kill", "a", "RTMIN+99"], "unknown signal 'RTMIN+99'"),
        (["exec"], "a container id is needed"),
        (["exec", "a"], "either a command or --process FILE is needed"),
        (["exec", "--process", "p", "a", "true"], "either a command or --process FILE is needed"),
        (["ps"], "a container id is needed"),
        (["ps", "--format", "xml", "a"], "--format: 'xml' is neither table nor json"),
        (["list", "--format", "xml"], "--format: 'xml' is neither table nor json"),
        (["plan", "x"], "unexpected argument 'x'"),
        (["spec", "x"], "unexpected argument 'x'"),
        (["list", "x"], "unexpected argument 'x'"),
        (["list", "--quiet=maybe"], "--quiet: 'maybe' is neither true nor false"),
        (["report"], "report: only crunw itself calls this"),
        (["report", "x", "y"], "report: only crunw itself calls this"),
        (["inspect", "/dev/zero"], "/dev/zero: not a regular file"),
    ],
)
def test_bad_command_line(crunw, words, problem):
    failure = 255 if words[0] == "exec" and words[1:] else 1
    assert crunw(*words).error(failure).startswith(problem)


@pytest.mark.parametrize("root", ["/proc/x", "/proc/x/y/z"])
def test_root_where_nothing_can_be_created(crunw, bundle, root):
    error = crunw("--root", root, "create", "--bundle", bundle().path, "x").error()
    assert error == f"mkdir {root}/x: No such file or directory"


def test_log_that_can_not_be_written(crunw, tmp_path):
    result = crunw("--log", tmp_path / "no" / "log", "state", "nobody")
    assert (result.status, result.err.splitlines()) == (
        1,
        [
            "crunw: container nobody does not exist",
            f"crunw: --log {tmp_path}/no/log: No such file or directory",
        ],
    )


@pytest.mark.parametrize("words", [["list"], ["features"], ["--help"], ["state", "--help"]])
def test_output_that_can_not_be_written(crunw, words):
    full = ["sh", "-c", 'exec "$@" >/dev/full', "-"]
    error = crunw(*words, prefix=full).error()
    assert error == "write standard output: No space left on device"


@pytest.mark.parametrize("kind", ["fifo", "directory"])
def test_a_pid_file_in_the_place_of_something_else(crunw, bundle, tmp_path, kind):
    """It is left, and so is nothing beside it."""
    path = tmp_path / "pids/pid"
    path.parent.mkdir()
    os.mkfifo(path) if kind == "fifo" else path.mkdir()
    container = bundle("sleep", "1000")
    error = crunw.create(container, "--pid-file", str(path)).error()
    assert str(path) in error
    assert os.listdir(path.parent) == ["pid"]
    assert not path.is_file()
    crunw.start(container)
    for _ in range(2):  # by Python, then by the launcher
        error = crunw("exec", "--pid-file", path, container.id, "true").error(255)
        assert str(path) in error
        assert os.listdir(path.parent) == ["pid"]
        crunw("exec", container.id, "true").ok()


def test_terminal_without_a_socket(crunw, bundle):
    container = bundle("tty", process__terminal=True)
    assert crunw.create(container).error() == (
        "process.terminal is true: --console-socket is required"
    )


@pytest.mark.parametrize("terminal", [True, False])
def test_console_socket_that_is_not_there(crunw, bundle, tmp_path, terminal):
    container = bundle("tty", process__terminal=terminal)
    error = crunw.create(container, "--console-socket", str(tmp_path / "no")).error()
    if terminal:
        assert error == f"connect to the console socket {tmp_path}/no: No such file or directory"
    else:
        assert error == "--console-socket is given, but process.terminal is not true"


def test_a_damaged_record(crunw, bundle):
    container = bundle("sleep", "1000")
    crunw.create(container).ok()
    (crunw.root / container.id / "fast").unlink()  # from which the launcher answers
    path = crunw.root / container.id / "state.json"
    record = path.read_text()
    for damaged in ("", "{", "[]", "null", "\0" * 100):
        path.write_text(damaged)
        for verb in ("state", "start", "kill", "delete"):
            error = crunw(verb, container.id).error()
            assert error.startswith(f"container {container.id}: {path} is damaged")
    path.write_text(record)


@pytest.mark.parametrize(
    ("process", "field"),
    [
        ("", "invalid JSON"),
        ("[]", "must be an object"),
        ('{"args": ["true"]}', "cwd"),
        ('{"cwd": "/", "args": []}', "args"),
        ('{"cwd": "/", "args": [1]}', "args[0]"),
        ('{"cwd": "x", "args": ["true"]}', "cwd"),
        ('{"cwd": "/", "args": ["true"], "user": {"uid": -1}}', "user.uid"),
        ('{"cwd": "/", "args": ["true"], "env": ["A"]}', "env[0]"),
        ('{"cwd": "/", "args": ["true"], "capabilities": {"bounding": [5]}}', "capabilities"),
    ],
)
def test_bad_process(crunw, bundle, tmp_path, process, field):
    container = bundle("sleep", "1000")
    crunw.create(container).ok()
    (tmp_path / "process.json").write_text(process)
    assert field in crunw("exec", "--process", tmp_path / "process.json", container.id).error(255)


@pytest.mark.parametrize("damage", ["", "{", "[]", '{"pid": "1"}', None])
def test_a_damaged_record_is_listed_and_deleted_by_force(crunw, bundle, damage):
    """What the launcher's record knows is enough to end the processes and remove the cgroup."""
    container = crunw.start(bundle("sh", "-c", "sleep 1000 & sleep 1000"))
    state = crunw.state(container)
    path = crunw.root / container.id / "state.json"
    path.unlink()
    if damage is not None:
        path.write_text(damage)
    problem = f"container {container.id}: {path} is damaged: "
    listed = crunw("list", "--format", "json")
    (notice,) = listed.notices()
    assert notice.startswith(problem)
    (found,) = json.loads(listed.out)
    assert found == {**state, "annotations": {}}
    assert "is damaged" in crunw("delete", container.id).error()
    (notice,) = crunw("delete", "--force", container.id).notices()
    assert notice.startswith(problem)
    assert not path.parent.exists()
    assert has_ended(state["pid"])


def test_with_neither_record_delete_by_force_says_what_may_be_left(crunw, bundle):
    container = bundle("true")
    crunw.start(container)
    crunw.wait_status(container, "stopped")
    cgroup = json.loads((crunw.root / container.id / "state.json").read_text())["cgroup"]
    for name in ("state.json", "fast"):
        (crunw.root / container.id / name).write_text("{")
    (notice,) = crunw("list", "--quiet").notices()
    assert "are not known" in notice
    (notice,) = crunw("delete", "--force", container.id).notices()
    assert notice.endswith(
        "its processes and cgroup are not known, and may be left (look for them)"
    )
    for directory in (cgroup or {"directories": {}})["directories"].values():
        Path(directory).rmdir()


def test_a_value_of_any_length_is_not_repeated_whole(crunw, bundle):
    container = bundle(
        "true", annotations={"run.oci.wasm.aot": "x" * 10000, "run.oci.handler": "wasm"}
    )
    error = crunw.create(container).error()
    assert error.startswith("annotations.run.oci.wasm.aot: 'xxx")
    assert error.endswith("xxx' is not one of auto, always, off")
    assert len(error) < 2100


def test_what_the_kernel_refuses_is_no_internal_error(crunw, bundle, tmp_path):
    """Errors of system calls wherever they come up: path and cause, not a place in the code."""
    container = bundle("true")
    inject = ["strace", "-f", "-qqq", "-o", "/dev/null", "-e"]
    for call, number in (("mknodat", "ENOSPC"), ("flock", "EIO"), ("rename", "EROFS")):
        done = crunw.create(container, prefix=[*inject, f"inject={call}:error={number}"])
        assert os.strerror(getattr(errno, number)) in done.error()
        assert "internal error" not in done.err
    (tmp_path / "file").touch()
    for verb in ("list", "create", "state"):
        words = [container.id] if verb != "list" else []
        done = crunw("--root", str(tmp_path / "file"), verb, *words)
        assert "internal error" not in done.err
