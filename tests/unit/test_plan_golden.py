"""The plan of many small configs, step by step, in ``tests/data/golden``.

``pytest --update-golden`` writes the files again: look at every line that changes.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from crunw.errors import SpecError
from crunw.oci.example import example
from crunw.oci.load import check
from crunw.oci.model import Process, Spec
from crunw.plan.create import create_plan
from crunw.plan.encode import Step, encode
from crunw.plan.exec import exec_plan
from crunw.plan.inputs import (
    CgroupMount,
    CgroupView,
    Filter,
    Handoff,
    HookState,
    Inputs,
    Module,
    Target,
)
from crunw.plan.ops import CREDENTIALS_EXECUTED, CREDENTIALS_NO_NEW_PRIVS
from crunw.plan.render import documents
from crunw.plan.wasm import settings
from crunw.workload import decide

DATA = Path(__file__).parents[1] / "data"
GOLDEN = DATA / "golden"
BUNDLE = "/host/bundle"
PIDFD = 7

ELF, WASM, SCRIPT = b"\x7fELF", b"\0asm", b"#!/b"
FILTER = bytes(16)

BASE = {
    "ociVersion": "1.2.0",
    "process": {"args": ["/bin/true"], "cwd": "/"},
    "root": {"path": "rootfs"},
    "linux": {"namespaces": [{"type": "mount"}]},
}
GROUP = "/host/cgroup/{}/group"
V1 = [
    CgroupMount("cpu,cpuacct", "cpu,cpuacct", GROUP.format("cpu,cpuacct")),
    CgroupMount("memory", "memory", GROUP.format("memory")),
    CgroupMount("systemd", "none,name=systemd", GROUP.format("systemd")),
]
HYBRID = [*V1, CgroupMount("unified", "", GROUP.format("unified"), unified=True)]
V2 = [CgroupMount("cgroup", "", GROUP.format(""), unified=True)]
UNIFIED = "/host/cgroup/group"
V1_JOIN = [f"/host/cgroup/{name}/group/tasks" for name in ("cpu,cpuacct", "memory", "systemd")]

KINDS = ("pid", "network", "mount", "ipc", "uts", "user", "cgroup", "time")
MAPS: dict[str, Any] = {
    "linux.uidMappings": [{"containerID": 0, "hostID": 100000, "size": 1000}],
    "linux.gidMappings": [{"containerID": 0, "hostID": 100000, "size": 1000}],
}
HOOK = {"path": "/host/hook", "args": ["hook", "-v"], "env": ["A=b"], "timeout": 3}
TERMINAL: dict[str, Any] = {
    "process.terminal": True,
    "process.consoleSize": {"width": 132, "height": 43},
}


@dataclass
class Case:
    """A config, as changes of the base or as a whole, and what the plan knows of the host: ``host``
    has attributes of the parts of :class:`Inputs` by names such as ``cgroup.version``.
    """

    changes: dict[str, Any] = field(default_factory=dict)
    host: dict[str, Any] = field(default_factory=dict)
    head: bytes = ELF
    document: dict[str, Any] = field(default_factory=lambda: BASE)
    process: dict[str, Any] | None = None  # of an exec

    def spec(self) -> Spec:
        document = json.loads(json.dumps(self.document))
        for path, value in self.changes.items():
            *parents, last = path.split("|") if "|" in path else path.split(".")
            place = document
            for parent in parents:
                place = place.setdefault(parent, {})
            place[last] = value
        return check(document)

    def steps(self) -> list[Step]:
        spec = self.spec()
        process: Process = spec["process"] if self.process is None else self.process  # type: ignore[assignment]
        inputs = self.inputs(spec, process)
        if self.process is None:
            return create_plan(spec, inputs)
        return exec_plan(spec, process, inputs, PIDFD)

    def inputs(self, spec: Spec, process: Process) -> Inputs:
        path = spec["root"]["path"]
        parts: dict[str, dict[str, Any]] = {
            "target": {
                "id": "ID",
                "bundle": BUNDLE,
                "rootfs": path if path.startswith("/") else f"{BUNDLE}/{path}",
                "rootless": False,
            },
            "cgroup": {},
            "handoff": {"start": "/run/crunw/ID"} if self.process is None else {},
            "filter": {},
            "module": {"directories": []},
        }
        for name, value in self.host.items():
            part, _, attribute = name.partition(".")
            parts[part][attribute] = value
        workload = decide(spec.get("annotations", {}), process["args"][0], self.head)
        module = None
        if workload.kind == "wasm":
            module = Module(
                workload.path,
                -1,
                engine="wasmedge",
                reason="",
                library="libwasmedge.so.0",
                stub="/host/stub.so",
                settings=settings(spec),
                **parts["module"],
            )
        return Inputs(
            Target(**parts["target"]),
            module,
            CgroupView(**parts["cgroup"]),
            Handoff(**parts["handoff"]),
            Filter(**parts["filter"]),
            hook_state=HookState('{"pid":', "}", "}"),
        )


def new(*kinds: str) -> dict[str, Any]:
    """Namespaces of their own, besides the mount namespace."""
    return {"linux.namespaces": [{"type": kind} for kind in ("mount", *kinds)]}


def joined(*kinds: str) -> list[dict[str, str]]:
    return [{"type": kind, "path": f"/host/ns/{kind}"} for kind in kinds]


def mount(destination: str, kind: str, source: str, *options: str, **more: Any) -> Case:
    """A single mount."""
    entry = {"destination": destination, "type": kind, "source": source, "options": list(options)}
    return Case({"mounts": [{key: value for key, value in entry.items() if value}]}, more)


def cgroup(version: int, mounts: list[CgroupMount], *kinds: str, private: bool = False) -> Case:
    """The mount that engines ask for."""
    case = mount("/sys/fs/cgroup", "cgroup", "cgroup", "nosuid", "noexec", "relatime", "ro")
    case.changes.update(new(*kinds))
    case.host = {
        "cgroup.version": version,
        "cgroup.mounts": mounts,
        "cgroup.private": private,
        "cgroup.join": V1_JOIN if version == 1 else [],
        "cgroup.unified": "" if version == 1 else UNIFIED,
    }
    return case


NAMESPACES = {
    "minimal": Case(),
    **{f"new-{kind}": Case(new(kind)) for kind in ("pid", "network", "ipc", "uts", "cgroup")},
    "new-time": Case(
        {
            **new("time"),
            "linux.timeOffsets": {
                "monotonic": {"secs": 5},
                "boottime": {"secs": -1, "nanosecs": 2},
            },
        }
    ),
    "new-user": Case({**new("user"), **MAPS}),
    "new-all": Case({"linux.namespaces": [{"type": kind} for kind in KINDS], **MAPS}),
    "joined-all": Case({"linux.namespaces": joined(*KINDS)}),
    "joined-network": Case({"linux.namespaces": [{"type": "mount"}, *joined("network")]}),
    "joined-network-new-user": Case(
        {"linux.namespaces": [*joined("network"), {"type": "mount"}, {"type": "user"}], **MAPS}
    ),
    "joined-user-and-network": Case(
        {"linux.namespaces": [*joined("user", "network"), {"type": "mount"}, {"type": "pid"}]}
    ),
}
MOUNTS = {
    "bind": mount("/data", "bind", "/host/data", "bind", "nosuid"),
    "bind-by-option": mount("/data", "none", "/host/data", "rbind"),
    "bind-relative": mount("/data", "bind", "data"),
    "bind-recursive-read-only": mount("/data", "bind", "/host/data", "rbind", "ro", "rro"),
    "bind-propagation": mount("/data", "bind", "/host/data", "rbind", "rshared"),
    "bind-link": mount("/data", "bind", "/host/data", "rbind", "src-nofollow", "dest-nofollow"),
    "bind-copied-link": mount("/data", "bind", "/host/data", "rbind", "copy-symlink"),
    "bind-proc-file": mount("/proc/cpuinfo", "bind", "/host/cpuinfo", "bind"),
    "remount": mount("/data", "", "", "remount", "bind", "ro"),
    "recursive-attributes": mount(
        "/data", "bind", "/host/data", "rbind", "rnoatime", "rnosuid", "rdev", "rrw"
    ),
    "recursive-access-time": mount("/data", "bind", "/host/data", "rbind", "rnoatime", "ratime"),
    "proc": mount("/proc", "proc", "proc", "nosuid", "noexec", "nodev"),
    "sysfs": mount("/sys", "sysfs", "sysfs", "nosuid", "noexec", "nodev", "ro"),
    "devpts": mount("/dev/pts", "devpts", "devpts", "nosuid", "newinstance", "ptmxmode=0666"),
    "mqueue": mount("/dev/mqueue", "mqueue", "mqueue", "nosuid", "noexec", "nodev"),
    "tmpfs": mount("/run//./a/../b", "tmpfs", "", "strictatime", "mode=755", "size=64k"),
    "tmpfs-copy-up": mount("/etc", "tmpfs", "tmpfs", "tmpcopyup", "ro"),
    "tmpfs-undone-options": mount("/run", "tmpfs", "t", "ro", "noexec", "rw", "exec", "defaults"),
    "dev-read-only": mount("/dev", "tmpfs", "tmpfs", "nosuid", "mode=755", "ro"),
    "dev-bind": mount("/dev/", "bind", "/dev", "rbind", "ro"),
    "mount-label": mount("/run", "tmpfs", "tmpfs", "mode=755"),
    "mount-label-of-proc": mount("/proc", "proc", "proc"),
    "cgroup-v1": cgroup(1, V1),
    "cgroup-v1-namespace": cgroup(1, V1, "cgroup", private=True),
    "cgroup-hybrid": cgroup(1, HYBRID),
    "cgroup-hybrid-namespace": cgroup(1, HYBRID, "cgroup", private=True),
    "cgroup-v2": cgroup(2, V2),
    "cgroup-v2-namespace": cgroup(2, V2, "cgroup", private=True),
    "cgroup-v2-user-namespace": cgroup(2, V2, "user"),
}
for name in ("mount-label", "mount-label-of-proc"):
    MOUNTS[name].changes["linux.mountLabel"] = "system_u:object_r:container_file_t:s0:c1,c2"
MOUNTS["cgroup-v2-user-namespace"].changes.update(MAPS)

ROOT = {
    "devices": Case(
        {
            "linux.devices": [
                {"type": "c", "path": "/dev/fuse", "major": 10, "minor": 229, "fileMode": 0o100600},
                {"type": "b", "path": "/dev/sda", "major": 8, "minor": 0, "uid": 1, "gid": 6},
                {"type": "u", "path": "/dev/u", "major": 4, "minor": 1},
                {"type": "p", "path": "/run/fifo", "fileMode": 0o622},
            ]
        }
    ),
    "devices-over-default": Case(
        {
            "linux.devices": [
                {"type": "c", "path": "/dev/null", "major": 1, "minor": 3, "fileMode": 0o600},
                {"type": "c", "path": "/dev/ptmx", "major": 5, "minor": 2},
            ]
        }
    ),
    "device-filter": Case(
        host={
            "cgroup.unified": UNIFIED,
            "cgroup.devices": bytes(24),
        }
    ),
    "masked-and-read-only-paths": Case(
        {
            "linux.maskedPaths": ["/proc/kcore", "/sys/firmware/"],
            "linux.readonlyPaths": ["/proc/sys", "/proc//bus"],
        }
    ),
    "read-only-root": Case({"root.readonly": True, "linux.readonlyPaths": ["/proc/sys"]}),
    "root-propagation": Case({"linux.rootfsPropagation": "rshared"}),
    "root-propagation-slave": Case({"linux.rootfsPropagation": "slave"}),
    "sysctl": Case(
        {
            **new("network", "ipc"),
            "linux.sysctl": {
                "net.ipv4.ip_forward": "1",
                "net.ipv4.conf.eth0/1.forwarding": "0",
                "kernel/shm_rmid_forced": "1",
            },
        }
    ),
    "names": Case({**new("uts"), "hostname": "web", "domainname": "example.org"}),
    "hooks": Case(
        {
            f"hooks.{name}": [HOOK, {"path": f"/host/{name}"}]
            for name in (
                "prestart createRuntime createContainer startContainer poststart poststop"
            ).split()
        }
    ),
    "hooks-of-the-container": Case({"hooks.startContainer": [HOOK], "hooks.poststop": [HOOK]}),
    "no-pivot": Case(host={"target.no_pivot": True}),
}
PROCESS = {
    "user": Case({"process.user": {"uid": 1000, "gid": 100, "additionalGids": [5, 27]}}),
    "umask": Case({"process.user": {"uid": 0, "gid": 0, "umask": 0o77}}),
    "capabilities": Case(
        {
            "process.capabilities": {
                "bounding": ["CAP_CHOWN", "CAP_KILL", "CAP_CHECKPOINT_RESTORE"],
                "permitted": ["CAP_KILL", "CAP_CHOWN"],
                "effective": ["CAP_CHOWN"],
                "inheritable": ["CAP_KILL"],
                "ambient": ["CAP_KILL", "CAP_OF_THE_FUTURE"],
            }
        }
    ),
    "cwd": Case({"process.cwd": "/srv/app"}),
    "environment": Case(
        {"process.env": ["PATH=/bin", "EMPTY=", "A=b=c"], "process.args": ["sh", "", "-c"]}
    ),
    "rlimits": Case(
        {
            "process.rlimits": [
                {"type": "RLIMIT_NOFILE", "soft": 1024, "hard": 4096},
                {"type": "RLIMIT_CORE", "soft": 0, "hard": 2**64 - 1},
            ]
        }
    ),
    "no-new-privs": Case({"process.noNewPrivileges": True}),
    "seccomp": Case(host={"filter.program": FILTER, "filter.flags": 2}),
    "seccomp-no-new-privs": Case(
        {"process.noNewPrivileges": True}, host={"filter.program": FILTER}
    ),
    "rlimits-of-a-user-namespace": Case(
        {
            **new("user"),
            **MAPS,
            "process.rlimits": [{"type": "RLIMIT_NOFILE", "soft": 100, "hard": 200}],
        }
    ),
    "personality": Case({"linux.personality": {"domain": "LINUX32"}}),
    "oom-score": Case({"process.oomScoreAdj": -998}, host={"cgroup.unified": UNIFIED}),
    "oom-score-zero": Case({"process.oomScoreAdj": 0}),
    "labels": Case({"process.apparmorProfile": "profile", "process.selinuxLabel": "a:b:c:s0"}),
    "terminal": Case(TERMINAL, host={"handoff.console": 9}),
    "terminal-read-only-dev": Case(
        {**TERMINAL, **mount("/dev", "tmpfs", "tmpfs", "ro").changes}, host={"handoff.console": 9}
    ),
    "no-new-keyring": Case(host={"target.no_new_keyring": True}),
    "preserve-fds": Case(host={"handoff.preserve": 3}),
}
WASM_CASES = {
    "wasm": Case({"process.args": ["/app.wasm", "a"]}, head=WASM),
    "wasm-labels": Case(
        {"process.apparmorProfile": "profile", "process.noNewPrivileges": True}, head=WASM
    ),
    "wasm-by-handler": Case({"annotations|run.oci.handler": "wasm"}, head=b"(mod"),
    "wasm-by-variant": Case({"annotations|module.wasm.image/variant": "compat"}, head=WASM),
    "wasm-smart-sidecar": Case({"annotations|module.wasm.image/variant": "compat-smart"}),
    "wasm-pod-sidecar": Case(
        {
            "annotations": {
                "module.wasm.image/variant": "compat",
                "io.kubernetes.cri.container-type": "container",
            }
        },
        head=SCRIPT,
    ),
    "wasm-cwd": Case(
        {"process.cwd": "/srv"}, {"module.directories": ["dev", "etc", "srv"]}, head=WASM
    ),
    "wasm-cwd-mounts": Case(
        {
            "process.cwd": "/work/app/",
            "mounts": [
                {"destination": "/data", "type": "tmpfs"},
                {"destination": "/m.wasm", "type": "bind", "source": "/host/m.wasm"},
                {"destination": "/opt/x", "type": "bind", "source": "/host/x"},
                {"destination": "/", "options": ["remount"]},
            ],
        },
        {"module.directories": ["etc", "opt"]},
        head=WASM,
    ),
    "wasm-annotations": Case(
        {
            "annotations|run.oci.wasm.function": "run",
            "annotations|run.oci.wasm.instruction-limit": "1000",
            "annotations|run.oci.wasm.memory-pages": "16",
            "annotations|run.oci.wasm.preopens": "models:/srv/models:ro,/scratch:/tmp",
            "annotations|run.oci.wasm.statistics": "true",
            "annotations|run.oci.wasm.time-limit": "1.5s",
        },
        head=WASM,
    ),
    "wasm-memory-limit": Case(
        {
            "linux.resources.memory.limit": 64 << 20,
            "annotations|run.oci.wasm.memory-pages": "limit",
        },
        head=WASM,
    ),
    "wasm-terminal": Case(TERMINAL, {"handoff.console": 9}, head=WASM),
    "wasm-seccomp": Case({}, {"filter.program": FILTER}, head=WASM),
    "wasm-seccomp-no-new-privs": Case(
        {"process.noNewPrivileges": True, "hooks.startContainer": [HOOK]},
        {"filter.program": FILTER},
        head=WASM,
    ),
    "wasm-seccomp-off": Case({"annotations|run.oci.wasm.seccomp": "off"}, head=WASM),
    "wasm-hook": Case({"hooks.startContainer": [HOOK]}, head=WASM),
    "wasm-hook-seccomp-closed": Case(
        {"hooks.startContainer": [HOOK]},
        {"filter.program": FILTER, "filter.closed": True},
        head=WASM,
    ),
    "wasm-seccomp-listener": Case({}, {"filter.program": FILTER, "filter.listener": 9}, head=WASM),
    "wasm-joined-all": Case({"linux.namespaces": joined(*KINDS)}, head=WASM),
    "wasm-new-user": Case({**new("user"), **MAPS}, head=WASM),
}
EXEC = {
    "exec": Case(
        {**new("pid", "network", "ipc", "uts", "cgroup"), "process.user": {"uid": 5, "gid": 6}},
        {"cgroup.unified": UNIFIED, "handoff.preserve": 1},
        process={"args": ["sh"], "cwd": "/srv", "env": ["A=b"], "oomScoreAdj": 100},
    ),
    "exec-user-namespace": Case(
        {**new("user"), **MAPS},
        process={"args": ["id"], "cwd": "/", "user": {"uid": 0, "gid": 0}},
    ),
    "exec-terminal": Case(
        {"linux.personality": {"domain": "LINUX32"}},
        {"handoff.console": 9},
        process={"args": ["sh"], "cwd": "/", "consoleSize": {"width": 80, "height": 24}},
    ),
    "exec-seccomp-no-new-privs": Case(
        {},
        {"filter.program": FILTER},
        process={"args": ["sh"], "cwd": "/", "noNewPrivileges": True},
    ),
    "exec-wasm": Case(
        {}, head=WASM, process={"args": ["/tool.wasm"], "cwd": "/", "user": {"uid": 1, "gid": 1}}
    ),
}
CRI_O = Case(
    {
        **TERMINAL,
        "linux.namespaces": [
            {"type": "pid"},
            *joined("network", "ipc", "uts"),
            {"type": "mount"},
            {"type": "cgroup"},
        ],
        "hostname": "pod",
        "process.args": ["/app.wasm"],
        "process.env": ["PATH=/usr/bin:/bin", "TERM=xterm", "HOSTNAME=pod"],
        "process.oomScoreAdj": 1000,
        "process.noNewPrivileges": True,
        "process.capabilities": {
            "bounding": ["CAP_CHOWN", "CAP_NET_BIND_SERVICE"],
            "effective": ["CAP_CHOWN", "CAP_NET_BIND_SERVICE"],
            "permitted": ["CAP_CHOWN", "CAP_NET_BIND_SERVICE"],
        },
        "mounts": [
            {"destination": "/proc", "type": "proc", "source": "proc",
             "options": ["nosuid", "noexec", "nodev"]},
            {"destination": "/dev", "type": "tmpfs", "source": "tmpfs",
             "options": ["nosuid", "noexec", "strictatime", "mode=755", "size=65536k"]},
            {"destination": "/dev/pts", "type": "devpts", "source": "devpts",
             "options": ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"]},
            {"destination": "/dev/mqueue", "type": "mqueue", "source": "mqueue",
             "options": ["nosuid", "noexec", "nodev"]},
            {"destination": "/sys", "type": "sysfs", "source": "sysfs",
             "options": ["nosuid", "noexec", "nodev", "ro"]},
            {"destination": "/sys/fs/cgroup", "type": "cgroup", "source": "cgroup",
             "options": ["nosuid", "noexec", "nodev", "relatime", "ro"]},
            {"destination": "/dev/shm", "type": "bind", "source": "/host/shm",
             "options": ["rw", "bind"]},
            {"destination": "/etc/resolv.conf", "type": "bind", "source": "/host/resolv.conf",
             "options": ["ro", "bind", "nodev", "nosuid", "noexec"]},
        ],
        "root.path": "/host/overlay/merged",
        "linux.maskedPaths": ["/proc/acpi", "/proc/kcore", "/sys/firmware"],
        "linux.readonlyPaths": ["/proc/bus", "/proc/sys"],
        "annotations": {"io.kubernetes.cri-o.ContainerType": "container"},
    },
    {
        "cgroup.version": 1,
        "cgroup.mounts": HYBRID,
        "cgroup.join": V1_JOIN,
        "cgroup.private": True,
        "filter.program": FILTER,
        "handoff.console": 9,
    },
    head=WASM,
)  # fmt: skip


def whole(document: dict[str, Any]) -> Case:
    """A whole config, of another program or ours."""
    host: dict[str, Any] = {"cgroup.version": 1, "cgroup.mounts": V1, "cgroup.join": V1_JOIN}
    if document["linux"].get("seccomp"):
        host["filter.program"] = FILTER
    if document["process"].get("terminal"):
        host["handoff.console"] = 9
    kinds = {entry["type"] for entry in document["linux"]["namespaces"]}
    mapped = sum(mapping["size"] for mapping in document["linux"].get("uidMappings", ()))
    host["target.rootless"] = "user" in kinds and mapped < 2
    return Case(document=document, host=host)


WHOLE = {
    "whole-example": whole(example(rootless=False)),
    **{
        f"whole-{path.stem}": whole(json.loads(path.read_bytes()))
        for path in sorted((DATA / "configs").glob("*.json"))
    },
    "whole-cri-o": CRI_O,
}
CASES = {**NAMESPACES, **MOUNTS, **ROOT, **PROCESS, **WASM_CASES, **EXEC, **WHOLE}
CREATE = [name for name, case in CASES.items() if case.process is None]


def plan(name: str) -> list[Step]:
    return CASES[name].steps()


def ops(steps: list[Step]) -> list[str]:
    return [step.op for step in steps]


def in_order(steps: list[Step], *wanted: str) -> bool:
    """Whether all of these are there, each after the one before."""
    found = ops(steps)
    places = [found.index(op) for op in wanted]
    return places == sorted(places)


def field_of(steps: list[Step], op: str, name: str) -> list[Any]:
    """The field of each step of that operation."""
    return [document[name] for document in documents(steps) if document["op"] == op]


def as_text(steps: list[Step]) -> str:
    lines = ",\n".join(json.dumps(document) for document in documents(steps))
    return f"[\n{lines}\n]\n"


@pytest.mark.parametrize("name", CASES)
def test_golden(name: str, request: pytest.FixtureRequest) -> None:
    path = GOLDEN / f"{name}.json"
    text = as_text(plan(name))
    if request.config.getoption("--update-golden"):
        path.write_text(text)
    assert path.exists(), "no golden file: pytest --update-golden writes it"
    assert json.loads(text) == json.loads(path.read_text())


def test_no_golden_file_is_left_over() -> None:
    assert {path.stem for path in GOLDEN.iterdir()} == set(CASES)


# What holds for every plan.

HOST_OPS = frozenset(
    "opener cgroup_join cgroup_into cgroup_devices open_start ns_enter ns_enter_pidfd ns_unshare "
    "userns_map time_offsets rlimit_raise".split()
)
INSIDE_OPS = frozenset(
    "console mask readonly root_readonly keyring rlimit cwd credentials umask no_new_privs "
    "seccomp process exec_find wasm_open wasm_load ready wait_start exec wasm_run".split()
)


@pytest.mark.parametrize("name", CASES)
def test_plan_is_encoded(name: str) -> None:
    assert encode(plan(name)).startswith(b"CRWP")


@pytest.mark.parametrize("name", CASES)
def test_fork_is_between_host_and_container(name: str) -> None:
    found = ops(plan(name))
    assert found.count("fork") == 1
    fork = found.index("fork")
    inside = found[fork + 1 :]
    if inside[0] == "ns_unshare":  # the cgroup namespace, once the process is in its cgroup
        assert "cgroup_into" in found[:fork]
        del inside[0]
    assert HOST_OPS.isdisjoint(inside)
    assert {"oom_score_adj", "engine_open", *HOST_OPS}.issuperset(found[:fork])
    assert inside[0] == "setsid"


@pytest.mark.parametrize("name", CREATE)
def test_root_changes_once_and_the_seal_is_inside(name: str) -> None:
    found = ops(plan(name))
    assert found.count("pivot_root") == found.count("rootfs") == 1
    pivot = found.index("pivot_root")
    assert INSIDE_OPS.isdisjoint(found[:pivot])
    made = {"mount", "mknod", "symlink", "mount_propagation", "sysctl", "hostname", "hooks_barrier"}
    assert made.isdisjoint(found[: found.index("rootfs")])
    assert made.isdisjoint(found[pivot:])


@pytest.mark.parametrize("name", CREATE)
def test_no_host_path_after_the_change_of_root(name: str) -> None:
    steps = plan(name)
    after = steps[ops(steps).index("pivot_root") + 1 :]
    rootfs = field_of(steps, "rootfs", "path")[0]
    for step in after:
        if step.op != "hook":  # startContainer: a path in the container, as the config has it
            assert "/host/" not in repr(step)
            assert rootfs not in repr(step)


@pytest.mark.parametrize("name", CASES)
def test_order_to_the_end(name: str) -> None:
    steps = plan(name)
    found = ops(steps)
    for op in ("credentials", "process", "ready", "close_from", "umask"):
        assert found.count(op) == 1
    sealing = steps[found.index("close_from") :]  # a read-only root had its cwd made before
    assert in_order(sealing, "cwd", "umask", "credentials", "process", "ready")
    wasm = "engine_open" in found
    for op in ("rlimit", "personality", "keyring", "oom_score_adj"):
        assert op not in found or found.index(op) < found.index("credentials")
    if "lsm_label" in found:  # of the next exec; from now on, what is done before needs no profile
        assert in_order(steps, *(["credentials", "lsm_label", "process"] if wasm
                                 else ["lsm_label", "credentials"]))  # fmt: skip
    assert found[-1] == ("wasm_run" if wasm else "exec")
    assert in_order(steps, "process", "wasm_load" if wasm else "exec_find", "ready")
    assert ("wait_start" in found) == (CASES[name].process is None)


@pytest.mark.parametrize("name", CASES)
def test_a_filter_is_loaded_when_it_can_be(name: str) -> None:
    """As few calls as can be follow, but a module is never parsed unfiltered."""
    steps = plan(name)
    found = ops(steps)
    if "seccomp" not in found:
        assert not CASES[name].host.get("filter.program")
        return
    until_exec = "CAP_SYS_ADMIN" in field_of(steps, "credentials", "effective")[0]
    if "wasm_load" in found:
        assert in_order(steps, "credentials", "no_new_privs", "wasm_open", "seccomp", "wasm_load")
        assert found[found.index("seccomp") - 1] in ("wasm_open", "wasm_fence")
        return
    assert "no_new_privs" in found or until_exec
    assert in_order(steps, "credentials", "exec_find", "ready", "seccomp", "exec")
    assert "wait_start" not in found or in_order(steps, "wait_start", "seccomp")
    assert set(found[found.index("seccomp") + 1 :]) <= {"hook", "exec"}


@pytest.mark.parametrize("name", CASES)
def test_a_module_is_loaded_with_what_execve_would_leave(name: str) -> None:
    steps = plan(name)
    [how] = field_of(steps, "credentials", "how")
    if "wasm_load" not in ops(steps):
        assert how == 0
        return
    case = CASES[name]
    configured = (case.process or case.spec()["process"]).get("noNewPrivileges")
    assert how == CREDENTIALS_EXECUTED | (CREDENTIALS_NO_NEW_PRIVS if configured else 0)


@pytest.mark.parametrize("name", CASES)
def test_engine_is_opened_on_the_host(name: str) -> None:
    """Before any namespace is entered: what is joined may hold other files."""
    found = ops(plan(name))
    if "engine_open" in found:
        entered = {"ns_enter", "ns_enter_pidfd", "ns_unshare", "fork", "rootfs"}
        assert entered.isdisjoint(found[: found.index("engine_open")])


# What single plans are about.


def test_user_namespace_is_made_before_all_others() -> None:
    steps = plan("new-all")
    assert ops(steps)[:4] == ["opener", "open_start", "ns_unshare", "userns_map"]
    assert field_of(steps, "ns_unshare", "types") == [["user"], ["time"]]
    assert field_of(steps, "fork", "types") == [["ns", "cgroup", "uts", "ipc", "pid", "net"]]


def test_namespaces_are_joined_before_a_user_namespace_is_made() -> None:
    """The new one has no right to: what is joined has another owner (setns(2))."""
    steps = plan("joined-network-new-user")
    assert in_order(steps, "ns_enter", "ns_unshare", "userns_map", "fork")


def test_joined_user_namespace_comes_late_and_the_mount_namespace_last() -> None:
    entered = [kind for (kind,) in field_of(plan("joined-all"), "ns_enter", "type")]
    assert entered == ["cgroup", "ipc", "uts", "net", "time", "pid", "user", "ns"]
    assert field_of(plan("joined-all"), "fork", "types") == [[]]


def test_cgroup_is_joined_before_its_namespace_is_made() -> None:
    assert in_order(plan("cgroup-v1-namespace"), "cgroup_join", "fork")
    assert in_order(plan("device-filter"), "cgroup_into", "cgroup_devices", "fork")


def test_cgroup_namespace_has_the_cgroup_it_is_forked_into_for_its_root() -> None:
    steps = plan("cgroup-v2-namespace")
    assert ops(steps)[:4] == ["cgroup_into", "open_start", "fork", "ns_unshare"]
    assert field_of(steps, "fork", "types") == [["ns"]]
    assert field_of(steps, "ns_unshare", "types") == [["cgroup"]]


@pytest.mark.parametrize("name", ["cgroup-v2-user-namespace", "exec"])
def test_cgroup_is_joined_before_a_namespace_bars_the_way(name: str) -> None:
    steps = plan(name)
    assert field_of(steps, "cgroup_join", "file") == [f"{UNIFIED}/cgroup.procs"]
    assert "cgroup_into" not in ops(steps)


def test_time_offsets_are_written_into_the_new_namespace() -> None:
    steps = plan("new-time")
    assert in_order(steps, "ns_unshare", "time_offsets", "fork")
    assert field_of(steps, "time_offsets", "offsets") == ["monotonic 5 0\nboottime -1 2\n"]


def test_loopback_only_in_a_network_namespace_of_its_own() -> None:
    assert in_order(plan("new-network"), "fork", "loopback_up", "rootfs")
    assert "loopback_up" not in ops(plan("joined-network")) + ops(plan("minimal"))


def test_mounts_keep_their_order() -> None:
    targets = field_of(plan("whole-example"), "mount", "target")
    wanted = [entry["destination"] for entry in example(rootless=False)["mounts"]]
    assert [target for target in targets if target in wanted] == wanted


def test_read_only_dev_comes_after_the_devices_and_the_console() -> None:
    steps = plan("terminal-read-only-dev")
    assert field_of(steps, "mount", "flags") == [[]]
    assert in_order(steps, "mknod", "pivot_root", "console", "mount_setattr")


def test_read_only_bind_of_dev_is_left_as_it_is() -> None:
    steps = plan("dev-bind")
    assert {"mknod", "symlink", "mount_setattr"}.isdisjoint(ops(steps))
    assert field_of(steps, "mount", "flags") == [["rdonly", "bind", "rec"]]


def test_device_takes_the_place_of_the_default_one() -> None:
    nodes = [
        (node["path"], node["mode"])
        for node in documents(plan("devices-over-default"))
        if node["op"] == "mknod"
    ]
    assert [mode for path, mode in nodes if path == "/dev/null"] == ["0o20600"]
    assert "/dev/ptmx" not in dict(nodes)
    assert len(nodes) == 6


def test_read_only_cgroup_is_closed_when_it_is_complete() -> None:
    for name in ("cgroup-v1", "cgroup-v1-namespace", "cgroup-hybrid"):
        steps = plan(name)
        last = max(index for index, op in enumerate(ops(steps)) if op == "mount_setattr")
        inside = [index for index, step in enumerate(steps) if "/sys/fs/cgroup/" in repr(step)]
        assert last > max(inside)
        first = documents(steps)[min(inside) - 1]
        assert (first["type"], "rdonly" in first["flags"]) == ("tmpfs", False)


def test_sysctl_is_written_where_it_was_checked() -> None:
    assert field_of(plan("sysctl"), "sysctl", "key") == [
        "net/ipv4/ip_forward",
        "net/ipv4/conf/eth0.1/forwarding",
        "kernel/shm_rmid_forced",
    ]


def test_hooks_run_where_the_specification_wants_them() -> None:
    steps = plan("hooks")
    assert in_order(steps, "mount" if "mount" in ops(steps) else "rootfs", "hooks_barrier", "hook")
    paths = field_of(steps, "hook", "path")
    assert paths == ["/host/hook", "/host/createContainer", "/host/hook", "/host/startContainer"]
    assert field_of(steps, "hook", "args")[1] == ["/host/createContainer"]
    found = ops(steps)
    places = [index for index, op in enumerate(found) if op == "hook"]
    assert places[1] < found.index("pivot_root")
    assert found.index("wait_start") < places[2]
    assert found[places[3] + 1] == "exec"


def test_only_hooks_of_the_runtime_stop_at_the_barrier() -> None:
    assert "hooks_barrier" not in ops(plan("hooks-of-the-container"))


def test_module_and_hooks_are_under_the_filter() -> None:
    steps = plan("wasm-seccomp-no-new-privs")
    assert in_order(steps, "seccomp", "wasm_load", "ready", "wait_start", "hook", "wasm_run")


def test_a_module_is_fenced_in_before_it_is_read() -> None:
    """But by what would keep hooks, or who hands a listener over, from their work."""
    for name in ("wasm", "wasm-seccomp", "exec-wasm"):
        assert in_order(plan(name), "no_new_privs", "wasm_open", "wasm_fence", "wasm_load")
    assert in_order(plan("wasm-seccomp"), "wasm_fence", "seccomp")
    assert in_order(plan("wasm-hook"), "hook", "no_new_privs", "wasm_fence", "wasm_run")
    assert in_order(plan("wasm-seccomp-no-new-privs"), "hook", "wasm_fence", "wasm_run")
    assert in_order(plan("wasm-seccomp-listener"), "seccomp", "wasm_load", "wasm_fence")


def test_what_leaves_the_fence_out() -> None:
    for name in ("wasm-seccomp-off", "wasm-hook-seccomp-closed"):
        assert "wasm_fence" not in ops(plan(name))
    assert "no_new_privs" not in ops(plan("wasm-seccomp-off"))


def test_wasm_preopens() -> None:
    assert field_of(plan("wasm"), "wasm_load", "preopens") == [["/:/"]]
    preopens = ["/:/", "/dev:/dev", "/etc:/etc", "/srv:/srv", ".:/srv"]
    assert field_of(plan("wasm-cwd"), "wasm_load", "preopens") == [preopens]


def test_wasm_preopens_what_mounts_will_make() -> None:
    """Not what may be a file; the working directory is made if it is missing."""
    preopens = ["/:/", "/data:/data", "/etc:/etc", "/opt:/opt", "/work:/work", ".:/work/app"]
    assert field_of(plan("wasm-cwd-mounts"), "wasm_load", "preopens") == [preopens]


def test_sidecars_stay_native() -> None:
    for name in ("wasm-smart-sidecar", "wasm-pod-sidecar"):
        assert ops(plan(name)) == ops(plan("minimal"))


def test_exec_makes_no_directory() -> None:
    assert field_of(plan("exec"), "cwd", "create") == [0]
    assert field_of(plan("cwd"), "cwd", "create") == [1]


def test_exec_shares_session_keyring_and_personality() -> None:
    keyring = field_of(plan("minimal"), "keyring", "name")
    assert field_of(plan("exec"), "keyring", "name") == keyring == ["_ses.ID"]
    assert field_of(plan("exec-terminal"), "personality", "domain") == [8]


def test_exec_enters_what_the_container_has() -> None:
    assert field_of(plan("exec"), "ns_enter_pidfd", "types") == [
        ["ns", "cgroup", "uts", "ipc", "pid", "net"]
    ]
    assert field_of(plan("exec-user-namespace"), "ns_enter_pidfd", "types") == [["ns", "user"]]


def test_joined_all_needs_nothing_new() -> None:
    assert {"ns_unshare", "userns_map", "loopback_up"}.isdisjoint(ops(plan("joined-all")))


@pytest.mark.parametrize(
    ("case", "line"),
    [
        (
            mount("/proc/sys/kernel", "bind", "/host/kernel"),
            "mounts[0].destination: /proc/sys/kernel: mounting inside /proc is not allowed",
        ),
        (
            mount("/a/../proc/./1", "tmpfs", ""),
            "mounts[0].destination: /proc/1: mounting inside /proc is not allowed",
        ),
        (
            mount("/proc/sys", "proc", "/host/sys", "bind"),
            "mounts[0].destination: /proc/sys: mounting inside /proc is not allowed",
        ),
        (
            mount("/data", "bind", "/host/data", "ro", "size=5", "mode=1"),
            "mounts[0].options: 'size=5,mode=1' is not an option of a bind mount",
        ),
        (
            mount("/sys/fs/cgroup", "cgroup", ""),
            "mounts[0]: a cgroup mount, but this host has no cgroups mounted",
        ),
    ],
)
def test_refused(case: Case, line: str) -> None:
    with pytest.raises(SpecError) as caught:
        case.steps()
    assert str(caught.value) == line
