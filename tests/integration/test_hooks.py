"""The six hooks: when each runs, where, what it is given, what its failure does."""

from __future__ import annotations

import json
import os

import pytest

ORDER = ["prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop"]


def hook(script: str, **members) -> dict:
    return {"path": "/bin/sh", "args": ["sh", "-c", script], **members}


def test_each_hook_runs_once_in_its_place_with_the_state(crunw, bundle, tmp_path):
    """Only startContainer sees the container's files, the others those of the host."""
    container = bundle("sh", "-c", "echo program >>/log; sleep 1000")
    log = container.rootfs / "log"
    hooks = {}
    for name in ORDER:
        root = "" if name == "startContainer" else container.rootfs
        place = f"readlink /proc/self/ns/mnt >>{root}/ns"
        script = f"echo {name} $A >>{root}/log; cat >{root}/{name}; {place}"
        hooks[name] = [hook(script, env=["A=env", "PATH=/bin:/usr/bin"])]
    container.change(annotations={"org.example.key": "value"}, hooks=hooks)
    crunw.create(container).ok()
    assert log.read_text().split("\n") == [f"{name} env" for name in ORDER[:3]] + [""]
    pid = crunw.state(container)["pid"]
    inside = os.readlink(f"/proc/{pid}/ns/mnt")
    crunw("start", container.id).ok()
    crunw("kill", container.id, "KILL").ok()
    crunw.wait_status(container, "stopped")
    crunw("delete", container.id).ok()
    lines = log.read_text().split()
    assert [line for line in lines if line not in {"env", "program"}] == ORDER
    outside = os.readlink("/proc/self/ns/mnt")
    places = dict(zip(ORDER, (container.rootfs / "ns").read_text().split(), strict=True))
    assert [places[name] == inside for name in ORDER] == [False, False, True, True, False, False]
    assert [places[name] == outside for name in ORDER] == [True, True, False, False, True, True]
    statuses = {}
    for name in ORDER:
        state = json.loads((container.rootfs / name).read_text())
        statuses[name] = state.pop("status")
        number = state.pop("pid")
        assert number == {"createContainer": 1, "startContainer": 1, "poststop": 0}.get(name, pid)
        assert state == {
            "ociVersion": "1.2.1",
            "id": container.id,
            "bundle": str(container.path),
            "annotations": {"org.example.key": "value"},
        }
    assert statuses == {
        "prestart": "creating", "createRuntime": "creating", "createContainer": "creating",
        "startContainer": "created", "poststart": "running", "poststop": "stopped",
    }  # fmt: skip


def test_hooks_of_one_kind_run_in_order_in_the_bundle(crunw, bundle):
    container = bundle("true")
    container.change(hooks={"createRuntime": [hook(f"echo {n} >>log") for n in (1, 2, 3)]})
    crunw.run(container).ok()
    assert (container.path / "log").read_text() == "1\n2\n3\n"


@pytest.mark.parametrize("name", ORDER[:3])
def test_failure_before_the_start_undoes_the_container(crunw, bundle, name):
    container = bundle("sleep", "1000")
    container.change(hooks={name: [hook("echo 'the cause' >&2; exit 3"), hook("touch second")]})
    error = crunw.create(container).error()
    assert "hook /bin/sh: exit status 3: the cause" in error
    assert crunw.status(container) == ""
    assert not (container.path / "second").exists()


def test_failure_of_start_container_is_an_error_of_start(crunw, bundle):
    container = bundle("touch", "/ran")
    container.change(hooks={"startContainer": [hook("exit 3")]})
    crunw.create(container).ok()
    assert crunw("start", container.id).error() == "startContainer hook /bin/sh: exit status 3"
    crunw.wait_status(container, "stopped")
    assert not (container.rootfs / "ran").exists()


def test_failure_of_poststart_stops_the_container(crunw, bundle):
    container = bundle("sleep", "1000", hooks={"poststart": [hook("exit 3")]})
    crunw.create(container).ok()
    assert crunw("start", container.id).error() == "poststart hook /bin/sh: exit status 3"
    crunw.wait_status(container, "stopped")


def test_failure_of_poststop_is_a_warning(crunw, bundle, tmp_path):
    container = bundle("true")
    container.change(hooks={"poststop": [hook("exit 3"), hook(f"touch {tmp_path}/second")]})
    result = crunw.run(container)
    assert result.status == 0
    assert result.err == "crunw: warning: poststop hook /bin/sh: exit status 3\n"
    assert (tmp_path / "second").exists()
    assert crunw.status(container) == ""


@pytest.mark.parametrize("name", ["createRuntime", "createContainer"])
def test_timeout(crunw, bundle, name):
    container = bundle("true")
    container.change(hooks={name: [{"path": "/bin/sleep", "args": ["sleep", "9"], "timeout": 1}]})
    error = crunw.create(container).error()
    assert "/bin/sleep" in error
    assert "1 s" in error
    assert crunw.status(container) == ""


def test_hooks_inherit_nothing_of_the_caller(crunw, bundle):
    container = bundle("true")
    names = [name for name in ORDER if name != "startContainer"]
    log = container.rootfs / "log"
    script = f"readlink /proc/self/fd/3 /proc/self/fd/7 >>{log}; echo ran >>{log}"
    container.change(hooks={name: [hook(script)] for name in names})
    opened = ["bash", "-c", 'exec 3</dev/null 7</dev/null; exec "$@"', "-"]
    crunw.run(container, "--preserve-fds", "1", prefix=opened).ok()
    assert log.read_text() == "ran\n" * len(names)


def test_arguments_are_exact(crunw, bundle):
    """``args`` is the whole argv, ``env`` the whole environment."""
    container = bundle("true")
    script = "cat /proc/$$/cmdline >cmdline; env >environment"
    given = ["name of mine", "-c", script, "a b", "*"]
    wanted = {"path": "/bin/sh", "args": given, "env": ["A=1 2"]}
    container.change(hooks={"createRuntime": [wanted]})
    crunw.run(container).ok()
    own = ("PWD", "OLDPWD", "SHLVL", "_")  # the shell's
    arguments = (container.path / "cmdline").read_bytes().decode().split("\0")
    assert arguments == [*given, ""]
    environment = (container.path / "environment").read_text().splitlines()
    assert [line for line in environment if line.split("=")[0] not in own] == ["A=1 2"]


def test_hooks_in_the_container_run_where_runc_runs_them(crunw, bundle):
    """createContainer in the rootfs, startContainer where the program will."""
    container = bundle("true", process__cwd="/work")
    container.change(
        hooks={
            "createContainer": [hook("pwd >created; readlink /proc/self/cwd >>created")],
            "startContainer": [hook("pwd >/started")],
        }
    )
    crunw.run(container).ok()
    assert (container.rootfs / "created").read_text() == f"{container.rootfs}\n" * 2
    assert (container.rootfs / "started").read_text() == "/work\n"


@pytest.mark.parametrize(
    ("of_program", "of_hook", "seen"),
    [
        (["A=1"], None, ["A=1", "HOME=/home/user"]),
        (["A=1", "HOME=/own"], None, ["A=1", "HOME=/own"]),
        (["A=1"], ["B=2"], ["B=2"]),
        (["A=1"], [], []),
    ],
)
def test_environment_of_start_container(crunw, bundle, of_program, of_hook, seen):
    """The program's, with HOME, unless the hook has its own."""
    container = bundle("true", process__env=of_program, process__user={"uid": 7, "gid": 7})
    (container.rootfs / "etc").mkdir(exist_ok=True)
    (container.rootfs / "etc/passwd").write_text("user:x:7:7::/home/user:/bin/sh\n")
    (container.rootfs / "seen").touch()
    (container.rootfs / "seen").chmod(0o666)
    own = {} if of_hook is None else {"env": of_hook}
    container.change(hooks={"startContainer": [hook("env >/seen", **own)]})
    crunw.run(container).ok()
    of_shell = ("PWD", "OLDPWD", "SHLVL", "_", "PATH")
    lines = (container.rootfs / "seen").read_text().split()
    assert lines
    assert sorted(line for line in lines if line.split("=")[0] not in of_shell) == seen


def test_hook_behind_a_filter_without_clone3(crunw, bundle):
    container = bundle("cat", "/made")
    rules = [{"names": ["clone3"], "action": "SCMP_ACT_KILL_PROCESS"}]
    container.change(
        linux__seccomp={"defaultAction": "SCMP_ACT_ALLOW", "syscalls": rules},
        hooks={"startContainer": [hook("echo hook >/made")]},
    )
    assert crunw.run(container).ok() == "hook\n"
