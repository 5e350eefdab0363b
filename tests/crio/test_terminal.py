"""Terminals through CRI-O: `crictl exec -it` and `crictl attach -it`."""

from __future__ import annotations

from crio.node import Node, Pod
from support.commands import wait_for
from support.terminal import Session

WATCH = "trap 'stty size' WINCH; echo ready; while :; do sleep 0.1; done"


def crictl(node: Node, *words: str) -> Session:
    """crictl on a terminal."""
    return Session(node.within(str(node.engines / "crictl"), *words), node.environment)


def test_exec(node: Node, pod: Pod) -> None:
    container = pod.start("localhost/busybox", "sleep", "1000")
    session = crictl(node, "exec", "-it", container, "sh")
    session.expect("# ")
    session.type("tty\r")
    session.expect(r"/dev/pts/\d+\r\n")
    session.type("exit 4\r")
    assert session.end() != 0  # crictl says 4, or that the exit code was 4, as its version has it
    assert node.state(container) == "CONTAINER_RUNNING"


def test_exec_of_a_module(node: Node, pod: Pod) -> None:
    """CRI-O waits for the process, not for all that it has written: something may be lost."""
    container = pod.start("localhost/mixed", "/sleep.wasm")
    written = ""
    for _ in range(10):
        session = crictl(node, "exec", "-it", container, "/hello.wasm")
        written += session.rest()
        assert session.end() == 0
        if written:
            break
    assert written == "Hello from WebAssembly\r\n"


def test_exec_resize_and_interrupt(node: Node, pod: Pod) -> None:
    container = pod.start("localhost/busybox", "sleep", "1000")
    session = crictl(node, "exec", "-it", container, "sh", "-c", f"trap 'exit 0' INT; {WATCH}")
    session.expect("ready")
    session.resize(33, 93)
    session.expect("33 93")
    session.type("\x03")
    assert session.end() == 0
    assert node.state(container) == "CONTAINER_RUNNING"


def test_attach_detach_and_attach_again(node: Node, pod: Pod) -> None:
    container = pod.start("localhost/busybox", "sh", stdin=True, tty=True)
    session = crictl(node, "attach", "-it", container)
    session.type("echo $((6*7))\r")
    session.expect("42\r\n")
    session.process.kill()  # the terminal is gone, the container is not
    session.end()
    assert node.state(container) == "CONTAINER_RUNNING"
    session = crictl(node, "attach", "-it", container)
    session.type("echo $((6*8))\r")
    session.expect("48\r\n")
    session.type("exit 5\r")
    session.end()
    wait_for(lambda: node.state(container) == "CONTAINER_EXITED", "the shell's end")
    assert node.status(container)["exitCode"] == 5
