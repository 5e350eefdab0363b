"""Cgroups as the kernel sees them: in the layout of this machine, and on cgroup v2 alone."""

from __future__ import annotations

import ctypes
import errno
import json
import os
import random
import select
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from crunw.effects.cgroups import files
from crunw.effects.cgroups.group import Cgroup
from crunw.effects.cgroups.layout import UNIFIED, Layout, detect
from crunw.errors import KernelError, SpecError, StateError
from crunw.plan.device_rules import Rule, rules
from crunw.plan.devices_bpf import program
from crunw.plan.resources import writes

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")

MACHINE = pytest.mark.parametrize("layout", ["machine"], indirect=True)

PARENT = f"/crunw-test-{os.getpid()}"


@pytest.fixture(params=["machine", "v2"])
def layout(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Layout]:
    """The hierarchies of this machine; then a cgroup2 mount and nothing else."""
    if request.param == "machine":
        found = detect()
        if found.mode == "none":
            pytest.skip("no cgroup hierarchy is mounted")
        yield found
        return
    subprocess.run(["mount", "-t", "cgroup2", "cgroup2", tmp_path], check=True)
    control = tmp_path / "cgroup.subtree_control"
    enabled = control.read_text().split()
    yield Layout({UNIFIED: str(tmp_path)})
    for controller in set(control.read_text().split()).difference(enabled):
        control.write_text(f"-{controller}")
    subprocess.run(["umount", tmp_path], check=True)


@pytest.fixture
def cgroup(layout: Layout) -> Iterator[Cgroup]:
    found = Cgroup.at(layout, f"{PARENT}/container")
    yield found
    found.kill()
    found.delete()
    for top in layout.tops.values():
        assert not os.path.exists(f"{top}{PARENT}/container")
        if os.path.exists(f"{top}{PARENT}"):
            os.rmdir(f"{top}{PARENT}")


def start(cgroup: Cgroup, program: Callable[[], object]) -> int:
    """Fork a process, let it join and run ``program``; returns when it has joined."""
    joined, tell = os.pipe()
    child = os.fork()
    if child:
        os.close(tell)
        assert os.read(joined, 1) == b"j"
        os.close(joined)
        return child
    try:
        unified = [f"{cgroup.unified}/cgroup.procs"] if cgroup.unified else []
        for file in [*cgroup.join_files(), *unified]:
            Path(file).write_text("0")
        os.write(tell, b"j")
        program()
        os._exit(0)
    except OSError as error:
        os._exit(error.errno or 1)
    finally:
        os._exit(255)


def sleep_on() -> None:
    while True:
        time.sleep(100)


def status(child: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def require(layout: Layout, controller: str) -> None:
    """Skip where no hierarchy has the controller."""
    v1 = any(controller in key.split(",") for key in layout.tops)
    if not v1 and UNIFIED in layout.tops:
        available = Path(layout.tops[UNIFIED], "cgroup.controllers").read_text().split()
        v1 = {"blkio": "io"}.get(controller, controller) in available
    if not v1:
        pytest.skip(f"the controller {controller} is not available")


def create(layout: Layout, cgroup: Cgroup, resources: dict[str, Any]) -> None:
    cgroup.create(writes(resources, layout.version))  # type: ignore[arg-type]


def left_over(layout: Layout) -> list[str]:
    return [top for top in layout.tops.values() if os.path.exists(f"{top}{PARENT}")]


def test_a_process_is_in_every_hierarchy_and_ends_with_kill(layout: Layout, cgroup: Cgroup) -> None:
    create(layout, cgroup, {})
    child = start(cgroup, sleep_on)
    assert cgroup.procs() == [child]
    places = Path(f"/proc/{child}/cgroup").read_text().splitlines()
    inside = [line for line in places if line.endswith(cgroup.path)]
    assert len(inside) == len(layout.tops)
    cgroup.kill()
    assert status(child) == -signal.SIGKILL
    assert cgroup.procs() == []


def test_kill_reaches_processes_below_and_those_being_forked(
    layout: Layout, cgroup: Cgroup
) -> None:
    create(layout, cgroup, {})

    def fork_on() -> None:
        while True:
            if not os.fork():
                time.sleep(0.002)
                os._exit(0)
            signal.signal(signal.SIGCHLD, signal.SIG_IGN)

    child = start(cgroup, fork_on)
    time.sleep(0.05)
    cgroup.kill()
    assert status(child) == -signal.SIGKILL
    cgroup.delete()


def test_a_frozen_process_does_nothing_until_thawed(layout: Layout, cgroup: Cgroup) -> None:
    create(layout, cgroup, {})
    reader, writer = os.pipe()

    def count() -> None:
        while True:
            os.write(writer, b".")
            time.sleep(0.001)

    def progress(seconds: float) -> bool:
        """Whether something is written within that time, not counting what was before."""
        while select.select([reader], [], [], 0)[0]:
            os.read(reader, 65536)
        return bool(select.select([reader], [], [], seconds)[0])

    child = start(cgroup, count)
    assert progress(10)
    cgroup.freeze()
    assert not progress(0.1)
    cgroup.thaw()
    assert progress(10)
    cgroup.freeze()
    cgroup.kill()
    assert status(child) == -signal.SIGKILL
    os.close(reader)
    os.close(writer)


def test_a_file_of_a_cgroup_that_has_gone_is_not_found(layout: Layout, cgroup: Cgroup) -> None:
    create(layout, cgroup, {})
    with open(f"{cgroup.directories()[0]}/cgroup.procs", encoding="ascii") as file:
        cgroup.delete()
        with pytest.raises(FileNotFoundError):
            files.read(f"/proc/self/fd/{file.fileno()}")


def test_a_cgroup_in_use_is_refused_and_an_empty_one_reused(layout: Layout, cgroup: Cgroup) -> None:
    create(layout, cgroup, {})
    create(layout, cgroup, {})
    child = start(cgroup, sleep_on)
    with pytest.raises(StateError, match="is in use by 1 processes"):
        create(layout, cgroup, {})
    assert cgroup.procs() == [child]
    cgroup.kill()
    status(child)


def test_nothing_is_left_of_a_cgroup_whose_limits_are_refused(
    layout: Layout, cgroup: Cgroup
) -> None:
    with pytest.raises(SpecError) as caught:
        create(layout, cgroup, {"cpu": {"cpus": "4095"}})
    assert caught.value.field == "linux.resources.cpu.cpus"
    assert left_over(layout) == []


@pytest.mark.parametrize("layout", ["v2"], indirect=True)
def test_controllers_are_handed_down_on_v2(layout: Layout, cgroup: Cgroup) -> None:
    require(layout, "hugetlb")
    create(layout, cgroup, {"hugepageLimits": [{"pageSize": "2MB", "limit": 4 << 20}]})
    assert Path(cgroup.unified, "hugetlb.2MB.max").read_text() == f"{4 << 20}\n"


@pytest.mark.parametrize("layout", ["v2"], indirect=True)
def test_a_threaded_cgroup_is_refused(layout: Layout, cgroup: Cgroup) -> None:
    sibling = Path(f"{layout.tops[UNIFIED]}{PARENT}/sibling")
    sibling.mkdir(parents=True)
    (sibling / "cgroup.type").write_text("threaded")
    with pytest.raises(StateError, match="its type is 'domain invalid'"):
        create(layout, cgroup, {})
    assert not os.path.exists(cgroup.unified)
    sibling.rmdir()


def test_a_controller_that_is_missing_is_named(layout: Layout, cgroup: Cgroup) -> None:
    if any("net_cls" in key.split(",") for key in layout.tops):
        pytest.skip("net_cls is available")
    with pytest.raises(SpecError, match="controller net_cls is not available") as caught:
        create(layout, cgroup, {"network": {"classID": 1}})
    assert caught.value.field == "linux.resources.network.classID"
    assert left_over(layout) == []


def test_delete_removes_what_the_container_made_below(layout: Layout, cgroup: Cgroup) -> None:
    create(layout, cgroup, {})
    for _, directory in [
        *cgroup.v1_directories(),
        *([("", cgroup.unified)] if cgroup.unified else []),
    ]:
        os.makedirs(f"{directory}/inner/most")
    cgroup.delete()
    cgroup.delete()
    assert len(left_over(layout)) == len(layout.tops)  # the parent, which may be a pod's


def test_delete_says_when_processes_stay(
    layout: Layout, cgroup: Cgroup, monkeypatch: pytest.MonkeyPatch
) -> None:
    create(layout, cgroup, {})
    child = start(cgroup, sleep_on)
    with monkeypatch.context() as patch:
        patch.setattr(files, "PATIENCE", 0.05)
        with pytest.raises(KernelError) as caught:
            cgroup.delete()
    assert caught.value.errno == errno.EBUSY
    cgroup.kill()
    status(child)


def test_a_later_process_finds_the_cgroup_by_its_record(layout: Layout, cgroup: Cgroup) -> None:
    create(layout, cgroup, {})
    child = start(cgroup, sleep_on)
    later = Cgroup.from_record(json.loads(json.dumps(cgroup.record())))
    assert later.procs() == [child]
    later.kill()
    status(child)
    later.delete()


def test_kill_and_delete_of_a_cgroup_that_is_gone(cgroup: Cgroup) -> None:
    cgroup.kill()
    cgroup.delete()
    assert cgroup.procs() == []


READ_BACK = [
    # resources, v1 controller, file and value on v1, file and value on v2
    ({"memory": {"limit": 1 << 26}}, "memory", "memory.limit_in_bytes", "memory.max", 1 << 26),
    (
        {"memory": {"reservation": 1 << 25}},
        "memory",
        "memory.soft_limit_in_bytes",
        "memory.low",
        1 << 25,
    ),
    ({"pids": {"limit": 7}}, "pids", "pids.max", "pids.max", 7),
    ({"pids": {"limit": -1}}, "pids", "pids.max", "pids.max", "max"),
    (
        {"cpu": {"quota": 20000, "period": 50000}},
        "cpu",
        "cpu.cfs_quota_us",
        "cpu.max",
        (20000, "20000 50000"),
    ),
    ({"cpu": {"shares": 256}}, "cpu", "cpu.shares", "cpu.weight", (256, 35)),
    ({"cpu": {"quota": 20000, "burst": 9000}}, "cpu", "cpu.cfs_burst_us", "cpu.max.burst", 9000),
    ({"cpu": {"idle": 1}}, "cpu", "cpu.idle", "cpu.idle", 1),
    ({"cpu": {"cpus": "0", "mems": "0"}}, "cpuset", "cpuset.cpus", "cpuset.cpus", 0),
]


@MACHINE
@pytest.mark.parametrize(("resources", "controller", "on_v1", "on_v2", "value"), READ_BACK)
def test_limits_are_read_back(
    layout: Layout,
    cgroup: Cgroup,
    resources: dict[str, Any],
    controller: str,
    on_v1: str,
    on_v2: str,
    value: object,
) -> None:
    require(layout, controller)
    create(layout, cgroup, resources)
    version = layout.version(controller)
    values = value if isinstance(value, tuple) else (value, value)
    by_controller = {name: path for key, path in cgroup.v1_directories() for name in key.split(",")}
    directory = by_controller.get(controller, cgroup.unified)
    found = Path(directory, on_v1 if version == 1 else on_v2).read_text().strip()
    assert found == str(values[version - 1])


@pytest.mark.parametrize("layout", ["v2"], indirect=True)
def test_a_parent_with_processes_hands_nothing_down(layout: Layout, cgroup: Cgroup) -> None:
    require(layout, "hugetlb")
    parent = Cgroup.at(layout, PARENT)
    parent.create([])
    child = start(parent, sleep_on)
    with pytest.raises(SpecError, match="controller hugetlb is not available") as caught:
        create(layout, cgroup, {"hugepageLimits": [{"pageSize": "2MB", "limit": 0}]})
    assert caught.value.field == "linux.resources.hugepageLimits[0]"
    create(layout, cgroup, {})
    parent.kill()
    status(child)


@MACHINE
def test_the_limit_on_processes_is_felt(layout: Layout, cgroup: Cgroup) -> None:
    require(layout, "pids")
    create(layout, cgroup, {"pids": {"limit": 1}})
    assert status(start(cgroup, os.fork)) == errno.EAGAIN


@MACHINE
def test_the_limit_on_memory_is_felt(layout: Layout, cgroup: Cgroup) -> None:
    require(layout, "memory")
    limit = 16 << 20
    create(layout, cgroup, {"memory": {"limit": limit, "swap": limit}})
    assert status(start(cgroup, lambda: bytes(1) * (8 * limit))) == -signal.SIGKILL


@MACHINE
def test_the_quota_of_cpu_is_felt(layout: Layout, cgroup: Cgroup) -> None:
    require(layout, "cpu")
    create(layout, cgroup, {"cpu": {"quota": 5000, "period": 50000}})

    def burn() -> None:
        until = time.process_time() + 0.05
        while time.process_time() < until:
            pass

    before = time.monotonic()
    assert status(start(cgroup, burn)) == 0
    assert time.monotonic() - before > 0.3  # ten periods' worth of quota


@MACHINE
def test_an_update_raises_and_lowers_memory_and_swap(layout: Layout, cgroup: Cgroup) -> None:
    require(layout, "memory")
    create(layout, cgroup, {"memory": {"limit": 64 << 20, "swap": 64 << 20}})
    for limit in (256 << 20, 32 << 20):
        resources: Any = {"memory": {"limit": limit, "swap": limit}}
        cgroup.apply([w for w in writes(resources, layout.version) if w.controller == "memory"])
        file = "memory.max" if layout.version("memory") == 2 else "memory.limit_in_bytes"
        directory = dict(cgroup.v1_directories()).get("memory", cgroup.unified)
        assert int(Path(directory, file).read_text()) == limit


def opened(path: str, flags: int) -> Callable[[], object]:
    return lambda: os.open(path, flags)


NULL_ONLY: list[Any] = [
    {"allow": False, "access": "rwm"},
    {"allow": True, "type": "c", "major": 1, "minor": 3, "access": "rwm"},
]
KMSG = "/dev/kmsg"  # 1:11, not among the defaults


@MACHINE
def test_devices_on_v1(layout: Layout, cgroup: Cgroup) -> None:
    if layout.version("devices") != 1:
        pytest.skip("the filter of cgroup v2 is attached by crunw-init")
    create(layout, cgroup, {"devices": NULL_ONLY})
    assert status(start(cgroup, opened("/dev/null", os.O_RDWR))) == 0
    assert status(start(cgroup, opened(KMSG, os.O_RDONLY))) == errno.EPERM


LIBC = ctypes.CDLL(None, use_errno=True)
BPF_PROG_LOAD, BPF_PROG_ATTACH = 5, 8
BPF_PROG_TYPE_CGROUP_DEVICE, BPF_CGROUP_DEVICE = 15, 6
SYS_BPF = {"x86_64": 321, "aarch64": 280}


def bpf(command: int, attributes: bytes) -> int:
    buffer = ctypes.create_string_buffer(attributes, 128)
    result = int(LIBC.syscall(SYS_BPF[os.uname().machine], command, buffer, 128))
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result


def load(code: bytes) -> int:
    """Have the kernel verify a program; its descriptor."""
    instructions = ctypes.create_string_buffer(code)
    name = ctypes.create_string_buffer(b"GPL")
    head = (BPF_PROG_TYPE_CGROUP_DEVICE, len(code) // 8)
    words = b"".join(word.to_bytes(4, "little") for word in head)
    pointers = (ctypes.addressof(instructions), ctypes.addressof(name))
    return bpf(BPF_PROG_LOAD, words + b"".join(p.to_bytes(8, "little") for p in pointers))


def test_the_kernel_takes_every_device_program() -> None:
    generator = random.Random(0)  # noqa: S311 -- the same rules each time
    for _ in range(100):
        rule_list = [
            Rule(
                generator.random() < 0.5,
                generator.choice("abc"),
                generator.choice([None, 1, 4000]),
                generator.choice([None, 3, 1 << 20]),
                generator.randint(1, 7),
            )
            for _ in range(generator.randint(0, 20))
        ]
        os.close(load(program(rule_list)))
    os.close(load(program([Rule(True, "c", 1, minor, 1) for minor in range(300)])))


@pytest.mark.parametrize("layout", ["v2"], indirect=True)
def test_devices_on_v2(layout: Layout, cgroup: Cgroup) -> None:
    create(layout, cgroup, {"devices": NULL_ONLY})
    loaded = load(program(rules(NULL_ONLY)))
    directory = os.open(cgroup.unified, os.O_RDONLY)
    words = (directory, loaded, BPF_CGROUP_DEVICE)
    bpf(BPF_PROG_ATTACH, b"".join(word.to_bytes(4, "little") for word in words))
    os.close(directory)
    os.close(loaded)
    assert status(start(cgroup, opened("/dev/null", os.O_RDWR))) == 0
    assert status(start(cgroup, opened(KMSG, os.O_RDONLY))) == errno.EPERM
