"""CRIU's RPC: messages as Protocol Buffers has them; what its log says."""

from __future__ import annotations

from pathlib import Path

import pytest

from crunw.effects.criu import service, wire
from crunw.oci.load import check
from crunw.plan.encode import Step
from crunw.plan.inputs import CgroupView, Target
from crunw.plan.restore import bind_mounts, mount_point_plan, restore_plan


def test_request() -> None:
    options: dict[str, wire.Value] = {
        "images_dir_fd": 300,
        "leave_running": True,
        "log_file": "é",
        "external": ["a", "bc"],
        "inherit_fd": [("k", 1)],
        "cg_root": [(None, "/c")],
    }
    expected = b"\x08\x01" + b"\x12\x21"  # type DUMP, 33 bytes of options
    expected += b"\x08\xac\x02" + b"\x18\x01" + b"\x52\x02\xc3\xa9"
    expected += b"\xaa\x02\x01a" + b"\xaa\x02\x02bc"
    expected += b"\xda\x01\x05\x0a\x01k\x10\x01" + b"\xca\x01\x04\x12\x02/c"
    assert wire.request(wire.DUMP, options) == expected


def test_notified() -> None:
    assert wire.notified(success=True) == b"\x08\x06\x18\x01"
    assert wire.notified(success=False) == b"\x08\x06\x18\x00"


def test_answers() -> None:
    restored = wire.Answer(b"\x08\x02\x10\x01\x22\x03\x08\xac\x02")
    assert (restored.kind, restored.success, restored.pid) == (wire.RESTORE, True, 300)
    told = wire.Answer(b"\x08\x06\x10\x01\x2a\x06\x0a\x02ab\x10\x07")
    assert (told.kind, told.script, told.pid) == (wire.NOTIFY, "ab", 7)
    failed = wire.Answer(b"\x08\x01\x10\x00\x38\x02\x4a\x03why")
    assert (failed.kind, failed.success, failed.message) == (wire.DUMP, False, "why")
    newer = wire.Answer(b"\x08\x01\x10\x01\xf9\x07" + bytes(8) + b"\xfd\x07" + bytes(4))
    assert newer.success


@pytest.mark.parametrize("data", [b"\x08", b"\x08\xff", b"\x0b\x00"])
def test_answers_that_are_none(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"cut off|wire type"):
        wire.Answer(data)


def test_last_error(tmp_path: Path) -> None:
    log = tmp_path / "log"
    assert service.last_error(str(log)) == ""
    log.write_text(
        "(00.000) Error (criu/util.c:1): rlimit: Can't setup RLIMIT_NOFILE\n"
        "(00.001) Warn  (criu/a.c:1): no error\n"
        "(00.002)      1: Error (criu/b.c:2): first: cause\n"
        "(00.003) Error (criu/c.c:3): Dump files (pid: 1) failed with -1\n"
        "(00.004) Error (criu/d.c:4): then this\n"
        "(00.005) Error (criu/e.c:5): Dumping FAILED.\n"
        "(00.006) Error (criu/f.c:6): what comes of it\n"
    )
    assert service.last_error(str(log)) == "first: cause; then this"


TARGET = Target("a", "/bundle", "/root", rootless=False)
NONE = CgroupView()


def spec(*kinds: str, mounts: list[dict] | None = None):
    return check(
        {
            "ociVersion": "1.2.1",
            "process": {"args": ["true"], "cwd": "/"},
            "root": {"path": "rootfs"},
            "mounts": mounts or [],
            "linux": {
                "namespaces": [{"type": kind} for kind in ("mount", *kinds)],
                **({"uidMappings": MAPS, "gidMappings": MAPS} if "user" in kinds else {}),
                "devices": [{"path": "/dev/fuse", "type": "c", "major": 10, "minor": 229}],
            },
        }
    )


MAPS = [{"containerID": 0, "hostID": 1000, "size": 10}]
MOUNTS = [
    {"destination": "/tmp", "type": "tmpfs", "source": "tmpfs"},
    {"destination": "/a", "source": "relative", "options": ["rbind", "ro"]},
    {"destination": "/b", "source": "/idmapped", "options": ["bind"],
     "uidMappings": MAPS, "gidMappings": MAPS},
    {"destination": "/a", "type": "bind", "source": "/x", "options": ["remount", "bind", "rw"]},
]  # fmt: skip


def test_what_is_bound() -> None:
    bound = [("/a", "/bundle/relative", True), ("/b", "/idmapped", False)]
    assert bind_mounts(spec(mounts=MOUNTS), TARGET, NONE) == bound
    nodes = bind_mounts(spec("user"), TARGET, NONE)
    assert {("/dev/null", "/dev/null", False), ("/dev/fuse", "/dev/fuse", False)} <= set(nodes)


def test_mount_points() -> None:
    made = [s for s in mount_point_plan(spec(mounts=MOUNTS), TARGET, NONE) if s.op == "mount"]
    targets = [(s.fields[0], s.fields[1], s.fields[2]) for s in made]
    assert targets == [
        ("tmpfs", "/tmp", "tmpfs"),
        ("/bundle/relative", "/a", ""),
        ("/idmapped", "/b", ""),
    ]


def test_criu_is_run_in_the_cgroup_and_a_mount_namespace() -> None:
    view = CgroupView(unified="/sys/fs/cgroup/a")
    plan = restore_plan(TARGET, view, ["criu", "swrk", "9"], ["PATH=/bin"], 10)
    ops = [step.op for step in plan]
    assert ops == ["cgroup_into", "fork", "root_propagation", "rootfs", "close_from", "process",
                   "exec_find", "ready", "exec"]  # fmt: skip
    assert repr(plan[3]) == repr(Step("rootfs", "/root"))
    assert plan[4].fields == (10,)
