"""The terminal: a pair of the container's own devpts, whose master goes to the caller."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.initplan import BUSYBOX, DEV, PROC, Result, Rootfs, mount_step, run_plan

from crunw.plan.encode import Step
from crunw.plan.flags import CLONE_NEWNS, MS_BIND, MS_NOEXEC, MS_NOSUID

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root"),
    pytest.mark.skipif(not Path(BUSYBOX).exists(), reason="busybox-static is not installed"),
]

TTY = Step("mknod", "/dev/tty", 0o020666, 5, 0, 0, 0)
DEVPTS = mount_step(
    "devpts", "/dev/pts", "devpts", MS_NOSUID | MS_NOEXEC, "newinstance,ptmxmode=0666,mode=0620"
)
SHOW = "tty; stty size; tty < /dev/tty; stat -c '%f %t:%T' /dev/console; echo to the console"


def read_until_closed(master: int) -> bytes:
    written = b""
    while True:
        try:
            written += os.read(master, 65536)
        except OSError as error:
            if error.errno != errno.EIO:  # how Linux says that the slave is closed
                raise
            return written


class Terminal:
    """Both ends of the socket, and what came through it."""

    def __init__(self, rootfs: Rootfs) -> None:
        self.rootfs = rootfs
        self.ours, self.theirs = socket.socketpair()
        self.size = os.terminal_size((-1, -1))
        rootfs.pass_fds = (self.theirs.fileno(),)

    def step(self, columns: int = 0, rows: int = 0, *, bind: bool = True) -> Step:
        return Step("console", self.theirs.fileno(), columns, rows, int(bind))

    def output(self) -> tuple[bytes, str]:
        """The bytes sent along with the master, and what the program wrote to the slave."""
        payload, descriptors, _flags, _address = socket.recv_fds(self.ours, 100, 2)
        (master,) = descriptors
        self.size = os.get_terminal_size(master)
        written = read_until_closed(master)
        os.close(master)
        return payload, written.decode().replace("\r\n", "\n")


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    found = Terminal(Rootfs(tmp_path / "rootfs"))
    yield found
    found.ours.close()
    found.theirs.close()


def run(terminal: Terminal, steps: list[Step], console: Step, command: str = SHOW) -> Result:
    return terminal.rootfs.run([PROC, DEV, *steps], command, [console])


@pytest.mark.parametrize(
    "existing",
    [[], [Step("mknod", "/dev/console", 0o020600, 5, 1, 0, 0)]],
    ids=["missing", "device"],
)
def test_terminal(terminal: Terminal, existing: list[Step]) -> None:
    run(terminal, [DEVPTS, TTY, *existing], terminal.step(100, 40)).ok()
    payload, written = terminal.output()
    assert payload == b"/dev/ptmx"
    lines = written.splitlines()
    assert lines[0] in {"/dev/pts/0", "/dev/console"}
    assert lines[1] == "40 100"
    assert lines[2:] == ["/dev/tty", "2190 88:0", "to the console"]


def test_size_is_left_alone(terminal: Terminal) -> None:
    run(terminal, [DEVPTS], terminal.step(), "echo started").ok()
    assert terminal.output()[1] == "started\n"
    assert terminal.size == (0, 0)


def test_console_is_the_slave(terminal: Terminal) -> None:
    run(terminal, [DEVPTS], terminal.step(), "echo twice > /dev/console; echo twice").ok()
    assert terminal.output()[1] == "twice\ntwice\n"


def test_without_a_bind(terminal: Terminal) -> None:
    run(terminal, [DEVPTS], terminal.step(bind=False), "ls /dev").ok()
    assert "console" not in terminal.output()[1].split()


def test_terminal_of_a_joined_container(terminal: Terminal) -> None:
    """A plan without a rootfs: the process is in the container's namespaces already."""
    descriptor = terminal.theirs.fileno()
    steps = [
        Step("fork", CLONE_NEWNS),
        Step("setsid"),
        terminal.step(80, 24, bind=False),
        Step("process", [BUSYBOX, "stty", "size"], []),
        Step("exec_find"),
        Step("exec"),
    ]
    run_plan(steps, pass_fds=(descriptor,)).ok()
    assert terminal.output()[1] == "24 80\n"


def test_size_in_a_user_namespace(terminal: Terminal) -> None:
    terminal.rootfs.in_user_namespace()
    run(terminal, [DEVPTS], terminal.step(80, 24), "stty size").ok()
    assert terminal.output()[1] == "24 80\n"


@pytest.mark.parametrize(
    ("steps", "number"),
    [
        ([], errno.ENOENT),
        ([mount_step(BUSYBOX, "/dev/pts/ptmx", bits=MS_BIND)], errno.ENOTTY),
        ([Step("mknod", "/dev/pts/ptmx", 0o020666, 5, 2, 0, 0)], errno.ENOTTY),
        ([Step("symlink", "/dev/zero", "/dev/pts/ptmx")], errno.ELOOP),
    ],
    ids=["nothing", "file", "node-elsewhere", "link"],
)
def test_no_devpts(terminal: Terminal, steps: list[Step], number: int) -> None:
    error = run(terminal, steps, terminal.step()).failed()
    assert (error.stage, error.path, error.errno) == ("console", "/dev/pts/ptmx", number)


def test_console_may_be_no_directory(terminal: Terminal) -> None:
    error = run(terminal, [DEVPTS, mount_step("t", "/dev/console", "tmpfs")], terminal.step())
    assert error.failed().errno == errno.EISDIR


def test_receiver_is_gone(terminal: Terminal) -> None:
    terminal.ours.close()
    error = run(terminal, [DEVPTS], terminal.step()).failed()
    assert (error.stage, error.path, error.errno) == ("console", "console socket", errno.EPIPE)
