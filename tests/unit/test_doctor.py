"""``crunw doctor``: what each check makes of a host, and what the verb prints."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from crunw import paths
from crunw.cli import doctor
from crunw.cli.options import Parsed
from crunw.errors import UsageError
from crunw.setup import configured, host, parts
from crunw.setup.finding import MISSING, OK, WARNING, Finding

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
        "kernel": MISSING,
        "cgroups": MISSING,
        "namespaces": MISSING,
        "user_namespaces": WARNING,
        "seccomp": MISSING,
        "overlayfs": WARNING,
    }
    assert all(finding.advice for finding in findings.values())


@pytest.mark.parametrize(
    ("release", "status"),
    [("5.11.22", MISSING), ("5.12.0-rc1", OK), ("4.19.0", MISSING), ("10.0", OK), ("odd", MISSING)],
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
        ("", "", MISSING, "not mounted"),
    ],
)
def test_cgroups(root, mounts, controllers, status, found):
    write(root, "proc/self/mountinfo", mounts)
    write(root, "sys/fs/cgroup/cgroup.controllers", controllers)
    write(root, "sys/fs/cgroup/unified/cgroup.controllers", controllers)
    assert host.cgroups(str(root))[1:3] == (status, found)


@pytest.mark.parametrize(("kind", "status"), [("pid", MISSING), ("time", WARNING)])
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
    assert [finding.status for finding in parts.programs()] == [MISSING, OK]
    (finding,) = parts.libwasmedge()
    assert (finding.status, "libnothing.so.0" in finding.found) == (MISSING, True)


def test_engine_without_its_stub(monkeypatch):
    monkeypatch.setattr(paths, "engine_stub", lambda: "")
    library, stub, _ = parts.libwasmedge()
    assert (library.status, stub.status) == (OK, WARNING)
    assert "tail-call" in library.found


def test_cache_is_made_below_what_exists(tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "cache_dir", lambda kind: str(tmp_path / "var" / kind))
    assert parts.cache() == Finding("AOT cache", OK, str(tmp_path / "var" / "aot"))


@pytest.mark.parametrize(
    ("engine", "program", "path", "text"),
    [
        ("crio", "crio", "crio/crio.conf.d/60-crunw.conf", "[crio.runtime.runtimes.crunw]"),
        (
            "containerd",
            "containerd",
            "containerd/config.toml",
            "[plugins.cri.containerd.runtimes.crunw]",
        ),
        ("podman", "podman", "containers/containers.conf", '[engine.runtimes]\ncrunw = ["/x"]'),
        ("docker", "dockerd", "docker/daemon.json", '{"runtimes": {"crunw": {"path": "/x"}}}'),
    ],
)
def test_engines(tmp_path, monkeypatch, engine, program, path, text):
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    assert configured.engines(str(tmp_path)) == []
    write(tmp_path, f"bin/{program}", "#!/bin/sh\n")
    (tmp_path / "bin" / program).chmod(0o755)
    unknown = Finding(engine, WARNING, "does not know crunw", f"crunw install {engine}")
    assert configured.engines(str(tmp_path)) == [unknown]
    for broken in ("{", "crio = 1\nplugins = 2\nengine = 3\n", '{"runtimes": 1}'):
        write(tmp_path, path, broken)
        assert configured.engines(str(tmp_path)) == [unknown]
    write(tmp_path, path, text)
    found = f"{tmp_path}/{path} has the runtime crunw"
    assert configured.engines(str(tmp_path)) == [Finding(engine, OK, found)]


@pytest.mark.parametrize(("status", "exit_status"), [(OK, 0), (WARNING, 0), (MISSING, 1)])
def test_verb(monkeypatch, capsys, status, exit_status):
    finding = Finding("kernel", status, "5.4", "a newer one")
    monkeypatch.setattr(host, "CHECKS", (lambda root: finding,))
    monkeypatch.setattr(configured, "engines", lambda etc: [])
    monkeypatch.setattr(parts, "programs", lambda: [Finding("part", OK, "there")])
    for part in ("libseccomp", "cache"):
        monkeypatch.setattr(parts, part, lambda: Finding("part", OK, "there"))
    monkeypatch.setattr(parts, "libwasmedge", list)
    assert doctor.run(Parsed(), Parsed()) == exit_status
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"{status:<8} kernel           5.4"
    assert lines[1].split("→ ") == [" " * 26, "a newer one"]
    parsed = Parsed()
    parsed.add("json", "")
    assert doctor.run(parsed, Parsed()) == exit_status
    assert json.loads(capsys.readouterr().out)[0] == finding._asdict()


def test_verb_takes_no_arguments():
    parsed = Parsed()
    parsed.arguments.append("podman")
    with pytest.raises(UsageError, match="unexpected argument"):
        doctor.run(parsed, Parsed())
