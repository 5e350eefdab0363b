"""What a neighbour can take from a start: ``crunw-init`` and what it leaves behind (the opener)
have the host's rights while they are in namespaces that others are in, too.
"""

from __future__ import annotations

import os
import select
import shlex
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from support import weakened
from support.commands import wait_for
from support.containers import (
    Bundle,
    Runtime,
    in_user_namespace,
    join_user_namespace,
    of_this_machine,
)
from support.init import PROGRAM, Running
from support.neighbour import apart, as_ordinary_root, get_descriptor, in_namespace_of, taken

from crunw.plan.encode import Step, encode
from crunw.plan.flags import CLONE_NEWNS, CLONE_NEWUSER, MS_BIND, MS_REC, MS_SLAVE
from crunw.plan.ops import REPORT_READY, REPORT_USERNS

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root"),
    pytest.mark.skipif(not PROGRAM, reason="crunw-init is not installed"),
]

STARTS = 20
OPENER = Step("opener")
ANOTHER = [Step("ns_unshare", CLONE_NEWUSER), Step("userns_map")]


@pytest.fixture
def neighbour() -> Iterator[int]:
    """The first process of a container with a user namespace."""
    command = ["unshare", "--user", "--mount", "sh", "-c", "echo; read _; exec sleep 1000"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin
        assert process.stdout
        process.stdout.readline()
        write_maps(process.pid)
        yield process.pid
        process.kill()


def write_maps(pid: int) -> None:
    for kind in ("uid", "gid"):
        Path(f"/proc/{pid}/{kind}_map").write_text("0 100000 65536\n")


def children(pid: int) -> list[int]:
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def waits(pid: int) -> bool:
    """Whether it sleeps in a read of its pipe: all steps that it has been given are done."""
    return Path(f"/proc/{pid}/wchan").read_text().endswith("pipe_read")


def held(steps: list[Step], **options: object) -> Running:
    """``crunw-init`` after these steps, waiting for the rest of its plan."""
    running = Running(encode(steps, more=True), hold=True, **options)
    wait_for(lambda: waits(running.parent), "the steps")
    return running


def takes_from(neighbour: int, running: Running) -> bool:
    return bool(in_namespace_of(neighbour, lambda: taken(running.parent)))


def test_nothing_to_take_in_a_user_namespace_joined_by_path(neighbour: int) -> None:
    steps = [OPENER, Step("ns_enter", CLONE_NEWUSER, f"/proc/{neighbour}/ns/user")]
    with held(steps) as running, held(steps, program=weakened.program("HIDDEN")) as weak:
        assert not takes_from(neighbour, running)
        assert takes_from(neighbour, weak)


def test_nothing_to_take_in_the_namespaces_of_a_container(neighbour: int) -> None:
    pidfd = os.pidfd_open(neighbour)
    entered = Step("ns_enter_pidfd", pidfd, CLONE_NEWUSER | CLONE_NEWNS)
    with held([entered], inherit=(pidfd,)) as running:
        os.close(pidfd)
        assert not takes_from(neighbour, running)


def test_nothing_to_take_while_a_new_user_namespace_gets_its_maps() -> None:
    """The host's root, with whatever capabilities, has all of them in what the host's root has
    made (user_namespaces(7)).
    """
    with Running(encode([OPENER, *ANOTHER], more=True), hold=True) as running:
        assert running.next_report() == REPORT_USERNS
        assert as_ordinary_root(lambda: taken(running.parent)) == []
        write_maps(running.parent)
        running.answer()
        wait_for(lambda: waits(running.parent), "root")
        assert as_ordinary_root(lambda: taken(running.parent)) == []


def test_nothing_to_take_from_the_opener(neighbour: int) -> None:
    entered = Step("ns_enter", CLONE_NEWUSER, f"/proc/{neighbour}/ns/user")
    with held([OPENER, entered]) as running:
        [opener] = children(running.parent)
        running.send([Step("fork", CLONE_NEWNS), Step("ready")])
        assert running.until(REPORT_READY) == REPORT_READY
        for pid in (running.result.pid, opener):
            assert in_namespace_of(neighbour, lambda pid=pid: taken(pid)) == []
            assert as_ordinary_root(lambda pid=pid: taken(pid)) == []


def socket_of(pid: int) -> socket.socket:
    """A copy of the end of the opener's socket that ``crunw-init`` has."""
    for number in range(3, 64):
        if os.readlink(f"/proc/{pid}/fd/{number}").startswith("socket:"):
            return socket.socket(fileno=get_descriptor(pid, number))
    raise AssertionError("no socket")


def ask(peer: socket.socket, number: int) -> list[str]:
    """What the opener opens for the step ``number``: the path, or nothing where it has ended."""
    own = os.open("/proc/self/ns/mnt", os.O_RDONLY)
    try:
        socket.send_fds(peer, [number.to_bytes(4, "little")], [own])
        _, found, _, _ = socket.recv_fds(peer, 8192, 1)
    except (ConnectionResetError, BrokenPipeError):
        return []
    finally:
        os.close(own)
    return [os.readlink(f"/proc/self/fd/{descriptor}") for descriptor in found]


VOLUME, ROOTFS, SECRET = 3, 4, 5


@contextmanager
def stolen_from(program: str | Path, directory: Path) -> Iterator[socket.socket]:
    """The socket of a start whose process has not asked for anything yet: the host's root has taken
    it, which nobody else could.
    """
    steps = [
        Step("fork", CLONE_NEWNS),
        Step("ready"),
        Step("root_propagation", MS_SLAVE | MS_REC),
        Step("mount", str(directory), "/volume", "", MS_BIND, "", 0),
        Step("rootfs", str(directory)),
        Step("mount", "/etc", "/proc", "proc", 0, "", 0),
        Step("pivot_root", 0),
    ]
    with held([OPENER], program=program) as running:
        found = socket_of(running.parent)
        running.send(steps)
        assert running.until(REPORT_READY) == REPORT_READY
        with found:
            yield found


@pytest.fixture
def stolen(tmp_path: Path) -> Iterator[socket.socket]:
    with stolen_from(PROGRAM, tmp_path) as found:
        yield found


def test_the_opener_serves_only_what_the_plan_names(stolen: socket.socket, tmp_path: Path) -> None:
    """Even for what looks as the container's process does: a child of the runtime."""
    asked = apart(lambda: None, lambda: [ask(stolen, number) for number in (VOLUME, SECRET)])
    assert asked == [[str(tmp_path)], []]


def test_the_opener_serves_no_step_twice(stolen: socket.socket, tmp_path: Path) -> None:
    asked = apart(lambda: None, lambda: [ask(stolen, VOLUME) for _ in range(2)])
    assert asked == [[str(tmp_path)], []]


def test_the_opener_ends_with_the_last_request(stolen: socket.socket, tmp_path: Path) -> None:
    asked = apart(lambda: None, lambda: [ask(stolen, ROOTFS), stolen.recv(1).decode()])
    assert asked == [[str(tmp_path)], ""]


def test_the_opener_serves_no_other_process(stolen: socket.socket, tmp_path: Path) -> None:
    assert ask(stolen, VOLUME) == []
    with stolen_from(weakened.program("PEER"), tmp_path) as weak:
        assert ask(weak, VOLUME) == [str(tmp_path)]


def test_the_opener_serves_one_process(stolen: socket.socket, tmp_path: Path) -> None:
    assert apart(lambda: None, lambda: ask(stolen, VOLUME)) == [str(tmp_path)]
    assert apart(lambda: None, lambda: ask(stolen, ROOTFS)) == []


def test_neighbour_of_a_container_that_starts(
    crunw: Runtime,
    weakened: Callable[[str], Runtime],
    bundle: Callable[..., Bundle],
) -> None:
    """Undelayed: the neighbour tries every process that comes while another container starts, joins
    its user namespace and has the host's processes.
    """
    first = crunw.start(in_user_namespace(bundle("sleep", "1000")))
    pid = crunw.state(first)["pid"]
    second = in_user_namespace(bundle("true"))
    second.config["linux"]["namespaces"].remove({"type": "user"})
    join_user_namespace(second, pid)
    seen = watch_starts(pid, crunw.command("run", "--bundle", second.path, second.id))
    assert len(seen) >= STARTS
    assert [each for each in seen if each] == []
    seen = watch_starts(pid, weakened("HIDDEN").command("run", "--bundle", second.path, second.id))
    assert [each for each in seen if each] != []


def watch_starts(neighbour: int, command: list[str]) -> list[list[str]]:
    """What the neighbour could take of each process while ``command`` is run."""
    end, begin = os.pipe()
    script = f"for _ in $(seq {STARTS}); do {shlex.join(command)} || exit; done"
    with subprocess.Popen(["sh", "-c", script], pass_fds=[begin]) as starts:
        os.close(begin)
        found: list[list[str]] = in_namespace_of(neighbour, lambda: watch(end))
        os.close(end)
    assert starts.returncode == 0
    return found


def watch(end: int) -> list[list[str]]:
    """What could be taken of each process of crunw's that was there until the end of file."""
    known = set(os.listdir("/proc"))
    found: dict[str, list[str]] = {}
    while not select.select([end], [], [], 0)[0]:
        for new in filter(str.isdecimal, set(os.listdir("/proc")) - known):
            try:
                if is_ours(new):
                    got = taken(int(new))
                    found[new] = found.get(new) or (got if is_ours(new) else [])
            except OSError:
                continue  # it has ended
    return list(found.values())


def is_ours(pid: str) -> bool:
    """Whether it is still the runtime's process, not yet the container's program."""
    process = Path(f"/proc/{pid}")
    return (process / "comm").read_text().startswith("crunw-") and of_this_machine(process)
