"""Terminals: our own proxy (`run`, `exec -t`) and the master handed over a socket."""

from __future__ import annotations

import fcntl
import os
import socket
import struct
import subprocess
import termios

import pytest
from support.commands import PATIENCE, wait_for
from support.containers import expect, receive_master

PROMPT = "[~/] # "


class Screen:
    """A terminal of which the test holds the master; commands run in a session on the slave."""

    def __init__(self, rows: int = 30, columns: int = 100) -> None:
        self.master, self.slave = os.openpty()
        self.text = ""
        self.resize(rows, columns)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        os.close(self.master)
        os.close(self.slave)

    def resize(self, rows: int, columns: int) -> None:
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def spawn(self, command: list[str]) -> subprocess.Popen:
        streams = {"stdin": self.slave, "stdout": self.slave, "stderr": self.slave}
        return subprocess.Popen(["setsid", "--ctty", *command], **streams)

    def type(self, text: str) -> None:
        """Once it is raw: until then it is this terminal that echoes."""
        wait_for(lambda: not self.settings()[3] & termios.ECHO, "a raw terminal")
        os.write(self.master, text.encode())

    def expect(self, pattern: str) -> str:
        """Read until the pattern is seen; return what it matched and forget what was before."""
        self.text, match = expect(self.master, self.text, pattern)
        return match

    def settings(self) -> list:
        return termios.tcgetattr(self.slave)


@pytest.fixture
def screen():
    with Screen() as made:
        yield made


@pytest.fixture
def listener(tmp_path):
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(tmp_path / "console"))
        made.listen()
        made.settimeout(PATIENCE)
        yield made


# --- run ------------------------------------------------------------------------------------------


def test_run(crunw, bundle, screen):
    script = "tty; stty size; echo $TERM; ls -l /dev/console | cut -c1; tty </dev/console; exit 3"
    container = bundle("sh", "-c", script, process__terminal=True)
    before = screen.settings()
    process = screen.spawn(crunw.command("run", "--bundle", container.path, container.id))
    screen.expect(r"/dev/pts/0\r\n30 100\r\nxterm\r\nc\r\n/dev/")
    assert process.wait(PATIENCE) == 3
    assert screen.settings() == before


def test_run_interactive(crunw, bundle, screen):
    container = bundle("sh", process__terminal=True)
    process = screen.spawn(crunw.command("run", "--bundle", container.path, container.id))
    screen.expect(PROMPT)
    screen.type("echo $((6*7))\r")
    screen.expect(r"echo \$\(\(6\*7\)\)\r\n42\r\n" + PROMPT)
    screen.type("echo go; cat\r")
    screen.expect("\ngo\r\n")
    screen.type("read by cat\r")  # echoed by the terminal, then by cat: it is there to interrupt
    screen.expect("read by cat\r\nread by cat\r\n")
    screen.type("\x03")  # ^C is for what runs in the container
    screen.expect(r"\^C\r\n" + PROMPT)
    screen.type("\x04")
    assert process.wait(PATIENCE) == 130


def test_resize(crunw, bundle, screen):
    script = "trap 'stty size' WINCH; echo ready; while :; do sleep 0.01; done"
    container = bundle("sh", "-c", script, process__terminal=True)
    process = screen.spawn(crunw.command("run", "--bundle", container.path, container.id))
    screen.expect("ready")
    screen.resize(11, 22)
    screen.expect("11 22")
    crunw("kill", container.id, "KILL").ok()
    assert process.wait(PATIENCE) == 137


def test_console_size(crunw, bundle, listener, tmp_path):
    container = bundle("stty", "size", process__terminal=True)
    container.change(process__consoleSize={"height": 12, "width": 34})
    crunw.create(container, "--console-socket", str(tmp_path / "console")).ok()
    master = receive_master(listener)
    crunw("start", container.id).ok()
    expect(master, "", "12 34\r\n")
    os.close(master)


def test_much_output(crunw, bundle, screen):
    container = bundle("seq", "20000", process__terminal=True)
    process = screen.spawn(crunw.command("run", "--bundle", container.path, container.id))
    screen.expect(r"1\r\n2\r\n3\r\n[\r\n0-9]*\n19999\r\n20000\r\n")
    assert process.wait(PATIENCE) == 0


def test_terminal_without_one_of_our_own(crunw, bundle):
    """Standard streams that are pipes: the program still has its terminal."""
    container = bundle("sh", "-c", "tty; cat", process__terminal=True)
    result = crunw.run(container, stdin="line\n")
    assert (result.status, result.err) == (0, "")
    lines = result.out.replace("\r\n", "\n").splitlines()
    assert sorted(lines) == ["/dev/pts/0", "line", "line"]  # the terminal's echo, and cat's


def test_signals_are_passed_on(crunw, bundle, screen):
    script = "trap 'echo got it; exit 5' TERM; echo ready; while :; do sleep 0.01; done"
    container = bundle("sh", "-c", script, process__terminal=True)
    process = screen.spawn(crunw.command("run", "--bundle", container.path, container.id))
    screen.expect("ready")
    process.terminate()
    screen.expect("got it")
    assert process.wait(PATIENCE) == 5


# --- create ---------------------------------------------------------------------------------------


def test_console_socket(crunw, bundle, listener, tmp_path):
    container = bundle("sh", process__terminal=True)
    crunw.create(container, "--console-socket", str(tmp_path / "console")).ok()
    master = receive_master(listener)
    crunw("start", container.id).ok()
    rest, _ = expect(master, "", PROMPT)
    os.write(master, b"tty; test -t 0 && test -t 1 && test -t 2 && echo all\r")
    rest, _ = expect(master, rest, r"/dev/pts/0\r\nall\r\n")
    os.write(master, b"ps -o pid,tty | head -2\r")
    expect(master, rest, r"\n +1 136,0\r\n")  # its controlling terminal
    os.close(master)  # hangs up: the shell ends
    crunw.wait_status(container, "stopped")


def test_console_of_a_user(crunw, bundle, screen):
    container = bundle("sh", "-c", "echo hi >/dev/tty; stat -c %u $(tty); id -u")
    container.change(process__terminal=True, process__user={"uid": 1000, "gid": 1000})
    process = screen.spawn(crunw.command("run", "--bundle", container.path, container.id))
    screen.expect(r"hi\r\n1000\r\n1000\r\n")
    assert process.wait(PATIENCE) == 0


# --- exec -----------------------------------------------------------------------------------------


def test_exec(crunw, bundle, screen):
    container = crunw.start(bundle("sleep", "1000"))
    before = screen.settings()
    process = screen.spawn(crunw.command("exec", "-t", container.id, "sh"))
    screen.expect(PROMPT)
    screen.type("tty; stty size; exit 5\r")
    screen.expect(r"/dev/pts/0\r\n30 100\r\n")
    assert process.wait(PATIENCE) == 5
    assert screen.settings() == before


def test_exec_resize_and_interrupt(crunw, bundle, screen):
    container = crunw.start(bundle("sleep", "1000"))
    process = screen.spawn(crunw.command("exec", "--tty", container.id, "sh"))
    screen.expect(PROMPT)
    screen.resize(40, 90)
    screen.type("stty size; cat\r")
    screen.expect("\n40 90\r\n")
    screen.type("read by cat\r")  # echoed by the terminal, then by cat: it is there to interrupt
    screen.expect("read by cat\r\nread by cat\r\n")
    screen.type("\x03")
    screen.expect(PROMPT)
    screen.type("exit\r")
    assert process.wait(PATIENCE) == 130


def test_exec_detached_needs_a_socket(crunw, bundle):
    container = crunw.start(bundle("sleep", "1000"))
    error = crunw("exec", "--detach", "--tty", container.id, "sh").error(255)
    assert error == "process.terminal is true: --console-socket is required"


def test_exec_ends_with_its_process(crunw, bundle, screen):
    """What the process has left behind may keep the terminal open."""
    container = crunw.start(bundle("sleep", "1000"))
    script = "trap '' HUP; sleep 1000 & echo last words; exit 4"
    process = screen.spawn(crunw.command("exec", "-t", container.id, "sh", "-c", script))
    screen.expect("last words")
    assert process.wait(PATIENCE) == 4


def test_exec_with_a_console_socket(crunw, bundle, listener, tmp_path):
    container = crunw.start(bundle("sleep", "1000"))
    socket_path = str(tmp_path / "console")
    process = crunw.spawn("exec", "-t", "--console-socket", socket_path, container.id, "tty")
    master = receive_master(listener)
    expect(master, "", "/dev/pts/0\r\n")
    assert process.wait(PATIENCE) == 0
    os.close(master)


def test_wasm(crunw, wasm_bundle, screen):
    container = wasm_bundle("files", "cat", process__terminal=True)
    process = screen.spawn(crunw.command("run", "--bundle", container.path, container.id))
    screen.type("some text\r")
    screen.expect(r"some text\r\n")
    screen.type("\x04")
    screen.expect(r"some text\r\n")
    assert process.wait(PATIENCE) == 0


def test_interrupt_of_a_wasm_module(crunw, wasm_bundle, screen):
    container = wasm_bundle("sleep", process__terminal=True)
    process = screen.spawn(crunw.command("run", "--bundle", container.path, container.id))
    screen.type("\x03")
    assert process.wait(PATIENCE) == 130
