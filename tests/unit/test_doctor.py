"""``crunw doctor``: what each check makes of a host, and what the verb prints."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
import tempfile
from functools import partial
from pathlib import Path

import pytest

from crunw import paths
from crunw.aot import compiler, config, places
from crunw.cli import doctor
from crunw.cli.options import Parsed
from crunw.effects.cgroups import dbus
from crunw.effects.seccomp import compile as seccomp
from crunw.engine import Engine
from crunw.errors import CrunwError, UsageError
from crunw.setup import configured, host, parts
from crunw.setup.finding import BROKEN, INFO, OK, WARNING, Finding

NAMESPACES = ("cgroup", "ipc", "mnt", "net", "pid", "time", "user", "uts")
V1 = "32 31 0:28 / /sys/fs/cgroup/{0} rw shared:1 - cgroup cgroup rw,{0}\n"
V2 = "30 29 0:27 / /sys/fs/cgroup{} rw shared:1 - cgroup2 cgroup2 rw\n"
V1_MOUNTS = "".join(map(V1.format, ("cpu,cpuacct", "cpuset", "memory", "pids")))


@pytest.fixture
def root(tmp_path):
    """The files of a host that has everything."""
    write(tmp_path, "proc/sys/kernel/osrelease", "6.12.48+deb13-amd64\n")
    write(tmp_path, "proc/self/mountinfo", V2.format(""))
    write(tmp_path, "sys/fs/cgroup/cgroup.controllers", "cpuset cpu io memory pids\n")
    for name in NAMESPACES:
        write(tmp_path, f"proc/self/ns/{name}", "")
    write(tmp_path, "proc/sys/user/max_user_namespaces", "1000\n")
    write(tmp_path, "proc/sys/kernel/seccomp/actions_avail", "errno user_notif allow\n")
    write(tmp_path, "proc/filesystems", "nodev\tsysfs\nnodev\toverlay\n")
    return tmp_path


def write(root: Path, path: str, text: str) -> None:
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_text(text)


def test_host_that_has_everything(root):
    findings = [check(str(root)) for check in host.CHECKS]
    assert [(finding.status, finding.advice) for finding in findings] == [(OK, "")] * len(findings)


def test_host_that_has_nothing(tmp_path):
    findings = {check.__name__: check(str(tmp_path)) for check in host.CHECKS}
    assert {name: finding.status for name, finding in findings.items()} == {
        "kernel": BROKEN,
        "cgroups": BROKEN,
        "namespaces": BROKEN,
        "user_namespaces": WARNING,
        "seccomp": BROKEN,
        "overlayfs": WARNING,
    }
    assert all(finding.advice for finding in findings.values())


@pytest.mark.parametrize(
    ("release", "status"),
    [("5.11.22", BROKEN), ("5.12.0-rc1", OK), ("4.19.0", BROKEN), ("10.0", OK), ("odd", BROKEN)],
)
def test_kernel(root, release, status):
    write(root, "proc/sys/kernel/osrelease", f"{release}\n")
    assert host.kernel(str(root))[1:3] == (status, release)


@pytest.mark.parametrize(
    ("mounts", "controllers", "status", "found"),
    [
        (V2.format(""), "cpuset cpu memory pids", OK, "v2: cpu, cpuset, memory, pids"),
        (V2.format(""), "cpu pids", WARNING, "v2: cpu, pids"),
        (V2.format(""), "", WARNING, "v2"),
        (V1_MOUNTS, "", OK, "v1: cpu, cpuset, memory, pids"),
        (V1.format("pids"), "", WARNING, "v1: pids"),
        (V1_MOUNTS + V2.format("/unified"), "", OK, "hybrid: cpu, cpuset, memory, pids"),
        (V1.format("cpu") + V2.format("/unified"), "pids", WARNING, "hybrid: cpu, pids"),
        ("", "", BROKEN, "not mounted"),
    ],
)
def test_cgroups(root, mounts, controllers, status, found):
    write(root, "proc/self/mountinfo", mounts)
    write(root, "sys/fs/cgroup/cgroup.controllers", controllers)
    write(root, "sys/fs/cgroup/unified/cgroup.controllers", controllers)
    assert host.cgroups(str(root))[1:3] == (status, found)


@pytest.mark.parametrize(("kind", "status"), [("pid", BROKEN), ("time", WARNING)])
def test_namespaces(root, kind, status):
    (root / "proc/self/ns" / kind).unlink()
    finding = host.namespaces(str(root))
    assert finding.status == status
    assert finding.advice == f"the kernel was built without namespaces: {kind}"


@pytest.mark.parametrize(
    ("file", "value"),
    [
        ("user/max_user_namespaces", "0"),
        ("kernel/unprivileged_userns_clone", "0"),
        ("kernel/apparmor_restrict_unprivileged_userns", "1"),
    ],
)
def test_user_namespaces(root, file, value):
    write(root, f"proc/sys/{file}", f"{value}\n")
    finding = host.user_namespaces(str(root))
    assert finding.status == WARNING
    assert finding.advice.startswith(f"sysctl {file.replace('/', '.')}=")


def test_seccomp_without_notifications(root):
    write(root, "proc/sys/kernel/seccomp/actions_avail", "kill errno allow\n")
    assert host.seccomp(str(root)).status == WARNING


def test_parts_that_are_missing(tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "init_path", lambda: str(tmp_path / "crunw-init"))
    monkeypatch.setattr(paths, "engine_library", lambda: "libnothing.so.0")
    assert [finding.status for finding in parts.programs()] == [BROKEN, OK, OK]
    (finding,) = parts.webassembly()
    assert (finding.status, "libnothing.so.0" in finding.found) == (BROKEN, True)


def test_program_that_does_not_run(tmp_path, monkeypatch):
    program = tmp_path / "crunw-init"
    program.write_text("#!/bin/sh\nexit 7\n")
    program.chmod(0o755)
    monkeypatch.setattr(paths, "init_path", lambda: str(program))
    assert parts.programs()[0].found == f"{program}: ended with status 7"
    program.write_bytes(b"\x7fELF")
    assert "Exec format error" in parts.programs()[0].found


def test_engine_without_its_stub(monkeypatch):
    monkeypatch.setattr(paths, "engine_stub", lambda: "")
    library, stub, *_ = parts.webassembly()
    assert (library.status, stub.status) == (OK, WARNING)
    assert "tail-call" in library.found


@pytest.fixture
def own_cache(tmp_path, monkeypatch):
    """A cache, its notes and a configuration of the test's own; the compiler may go there."""
    directory = tempfile.TemporaryDirectory()
    Path(directory.name).chmod(0o755)
    monkeypatch.setattr(paths, "cache_dir", lambda kind: f"{directory.name}/var/{kind}")
    monkeypatch.setattr(places, "cache_dir", paths.cache_dir)
    monkeypatch.setattr(places, "run_dir", lambda: str(tmp_path / "run"))
    monkeypatch.setattr(config, "FILE", str(tmp_path / "crunw.toml"))
    with directory:
        yield Path(directory.name) / "var" / "aot"


def test_module_is_compiled_and_run(own_cache):
    for _ in range(2):
        finding = parts.compiled()
        assert (finding.status, finding.advice) == (OK, ""), finding
        assert f"into {own_cache}, loaded and run" in finding.found
        assert list((own_cache / "entries").iterdir()) == []


def test_module_that_can_not_be_compiled(own_cache, tmp_path, monkeypatch):
    monkeypatch.setattr(compiler, "compiler_path", lambda: str(tmp_path / "gone"))
    finding = parts.compiled()
    assert (finding.status, finding.advice[:9]) == (BROKEN, "mend this")
    assert f"{tmp_path}/gone: No such file" in finding.found


def test_compiled_code_that_crashes(own_cache, monkeypatch):
    monkeypatch.setattr(Engine, "run", lambda *_, **__: os.kill(os.getpid(), signal.SIGKILL))
    finding = parts.compiled()
    assert (finding.status, finding.found) == (BROKEN, "ended with status -9 instead of 7")


def test_policy_that_compiles_nothing(own_cache, tmp_path, monkeypatch):
    (tmp_path / "crunw.toml").write_text('[aot]\npolicy = "off"\n')
    monkeypatch.setattr(config, "load", partial(config.load, config.FILE))
    assert parts.compiled().status == INFO
    (tmp_path / "crunw.toml").write_text("[aot]\npolicy = 1\n")
    finding = parts.compiled()
    assert (finding.status, "aot.policy" in finding.found) == (BROKEN, True)


def test_cache_that_is_not_used(own_cache):
    assert parts.caches() == []
    own_cache.mkdir(parents=True, mode=0o700)
    assert parts.caches() == []
    own_cache.chmod(0o755)
    assert parts.caches() == []  # set right
    own_cache.chmod(0o777)
    (finding,) = parts.caches()
    assert finding.status == BROKEN
    assert finding.found == (
        f"{own_cache}: others may write to it, mode 0777 (remove it): not used"
    )


def test_notes_that_can_not_be_written(own_cache, tmp_path):
    (tmp_path / "run").write_text("")
    (finding,) = parts.caches()
    assert finding.status == WARNING
    assert finding.found.startswith(f"{tmp_path}/run: not a directory (remove it): ")


def test_seccomp_filter():
    finding = parts.seccomp()
    assert (finding.status, "libseccomp.so.2" in finding.found) == (OK, True)


@pytest.mark.parametrize(
    ("error", "advice"),
    [
        (ModuleNotFoundError("No module named '_cffi_backend'", name="_cffi_backend"), "cffi"),
        (ImportError("libseccomp.so.2: cannot open shared object file"), "libseccomp2"),
    ],
)
def test_seccomp_without_what_it_needs(monkeypatch, error, advice):
    def fail() -> None:
        raise CrunwError(f"linux.seccomp: {error}") from error

    monkeypatch.setattr(seccomp, "_library", fail)
    finding = parts.seccomp()
    assert (finding.status, advice in finding.advice) == (BROKEN, True)
    assert str(error) in finding.found


def test_systemd(tmp_path, monkeypatch):
    assert parts.systemd(str(tmp_path)).status == INFO
    (tmp_path / "run/systemd/system").mkdir(parents=True)
    monkeypatch.setattr(dbus, "_SYSTEM_BUS", str(tmp_path / "bus"))
    monkeypatch.setattr(paths, "is_rootless", lambda: False)
    finding = parts.systemd(str(tmp_path))
    assert (finding.status, f"D-Bus at {tmp_path}/bus" in finding.found) == (BROKEN, True)
    monkeypatch.setitem(sys.modules, "jeepney", None)
    finding = parts.systemd(str(tmp_path))
    assert (finding.status, "needs the Python package jeepney" in finding.found) == (BROKEN, True)


CRIO = '[crio.runtime.runtimes.crunw]\nruntime_path = "/bin/sh"'
CONTAINERD = '[plugins.cri.containerd.runtimes.crunw.options]\nBinaryName = "/bin/sh"'
PODMAN = '[engine.runtimes]\ncrunw = ["/gone", "/bin/sh"]'
DOCKER = '{"runtimes": {"crunw": {"path": "/bin/sh"}}}'
ENGINES = [
    ("crio", "crio", "crio/crio.conf.d/60-crunw.conf", CRIO, CRIO),
    ("containerd", "containerd", "containerd/config.toml", CONTAINERD, CONTAINERD),
    ("podman", "podman", "containers/containers.conf.d/crunw.conf", PODMAN, "/bin/sh"),
    ("docker", "dockerd", "docker/daemon.json", DOCKER, '{"crunw": {"path": "/bin/sh"}}'),
]


def answer(directory: Path, program: str, text: str, status: int = 0) -> None:
    """A stand-in for an engine's program: it prints ``text`` and ends."""
    stream = 2 if status else 1
    write(
        directory,
        f"bin/{program}",
        f"#!/bin/sh\ncat >&{stream} <<'END'\n{text}\nEND\nexit {status}\n",
    )
    (directory / "bin" / program).chmod(0o755)


@pytest.mark.parametrize(("engine", "program", "path", "text", "says"), ENGINES)
def test_engines(tmp_path, monkeypatch, engine, program, path, text, says):
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:/bin")
    monkeypatch.setattr(shutil, "which", partial(shutil.which, path=str(tmp_path / "bin")))
    etc = str(tmp_path)

    def finding() -> Finding:
        (found,) = configured.engines(etc)
        return found

    assert configured.engines(etc) == []
    answer(tmp_path, program, "")
    assert finding() == Finding(engine, INFO, "not set up for crunw", f"crunw install {engine}")
    for other in ("[crio.runtime]\n", "{}"):
        if (path.endswith("json")) == (other == "{}"):
            write(tmp_path, path, other)
            assert finding().status == INFO
    write(tmp_path, path, "{")
    assert finding()[1:3] == (BROKEN, finding().found)
    assert finding().found.startswith(f"{tmp_path}/{path}: is not valid ")
    write(tmp_path, path, text.replace("/bin/sh", "/gone/crunw"))
    assert finding().status == BROKEN
    assert "/gone" in finding().found

    write(tmp_path, path, text)
    client = {"dockerd": "docker"}.get(program, program)
    answer(tmp_path, client, says)
    assert finding() == Finding(engine, OK, "has loaded the runtime crunw, /bin/sh")
    answer(tmp_path, client, "it is not running", status=1)
    assert finding().status == INFO
    assert finding().found.endswith(": it is not running")
    answer(tmp_path, client, "{}" if engine == "docker" else "")
    assert finding().status == WARNING
    assert finding().found.endswith(f"{engine} has not read it")


def test_podman_of_a_user(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "own"))
    monkeypatch.setattr(configured, "_podman", lambda: "/bin/sh")
    monkeypatch.setattr(shutil, "which", lambda program: program == "podman")
    write(tmp_path, "own/containers/containers.conf.d/crunw.conf", PODMAN)
    (finding,) = configured.engines(str(tmp_path))
    assert finding.status == OK
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    (finding,) = configured.engines(str(tmp_path))
    assert finding.status == INFO


def test_crio_with_what_stops_it(tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda program: program == "crio")
    name = "module.wasm.image/"
    text = f"[crio.runtime.runtimes.crunw]\nallowed_annotations = ['{name}']\n"
    write(tmp_path, "crio/crio.conf.d/60-crunw.conf", text)
    (finding,) = configured.engines(str(tmp_path))
    assert (finding.status, name in finding.found) == (BROKEN, True)


def test_file_that_can_not_be_read(tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda program: program == "dockerd")
    (tmp_path / "docker/daemon.json").mkdir(parents=True)
    (finding,) = configured.engines(str(tmp_path))
    assert (finding.status, "daemon.json: Is a directory" in finding.found) == (WARNING, True)


@pytest.mark.parametrize(("status", "exit_status"), [(OK, 0), (INFO, 0), (WARNING, 0), (BROKEN, 1)])
def test_verb(monkeypatch, capsys, status, exit_status):
    finding = Finding("kernel", status, "5.4", "a newer one")
    monkeypatch.setattr(host, "CHECKS", (lambda root: finding,))
    monkeypatch.setattr(configured, "engines", lambda etc: [])
    for part in ("systemd", "seccomp", "criu"):
        monkeypatch.setattr(parts, part, lambda: Finding("part", OK, "there"))
    for part in ("programs", "webassembly", "caches"):
        monkeypatch.setattr(parts, part, list)
    assert doctor.run(Parsed(), Parsed()) == exit_status
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"{status:<8} kernel           5.4"
    assert lines[1].split("→ ") == [" " * 26, "a newer one"]
    for option, value in (("json", ""), ("format", "json")):
        parsed = Parsed()
        parsed.add(option, value)
        assert doctor.run(parsed, Parsed()) == exit_status
        assert json.loads(capsys.readouterr().out)[0] == finding._asdict()


def test_verb_takes_no_arguments():
    parsed = Parsed()
    parsed.arguments.append("podman")
    with pytest.raises(UsageError, match="unexpected argument"):
        doctor.run(parsed, Parsed())
