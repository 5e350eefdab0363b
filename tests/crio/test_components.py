"""Components of WASI 0.2 beside modules and native containers, run by the package of wasmtime."""

from __future__ import annotations

from pathlib import Path

import pytest
from crio.node import Node, Pod
from support.commands import wait_for

pytestmark = pytest.mark.usefixtures("wasmtime_package")
PROGRAM = ("localhost/mixed", "/component_program.wasm")


def test_pod_of_all_kinds(node: Node, pod: Pod) -> None:
    """No annotation tells them apart."""
    native = pod.start("localhost/busybox", "echo", "native", name="native")
    module = pod.start("localhost/hello-c", "/hello.wasm", name="module")
    component = pod.start("localhost/component-hello", "CRI-O", name="component")
    ended = [node.wait_exit(container) for container in (native, module, component)]
    told = [node.logs(container) for container in (native, module, component)]
    assert ended == [0, 0, 0]
    assert told == ["native\n", "Hello from WebAssembly\n", "Hello CRI-O, from a component\n"]


def test_trap(node: Node, pod: Pod) -> None:
    container = pod.start(*PROGRAM, "panic")
    assert node.wait_exit(container) == 134
    assert "crunw: trap: wasm `unreachable` instruction executed" in node.logs(container)


def test_exec_and_stop(node: Node, pod: Pod) -> None:
    container = pod.start(*PROGRAM, "sleep")
    maps = Path(f"/proc/{node.json('inspect', container)['info']['pid']}/maps")
    library = "/usr/lib/crunw-wasmtime/libwasmtime.so"
    wait_for(lambda: library in maps.read_text(), "the library of the package")
    assert node.crictl("exec", container, PROGRAM[1], "hello") == "Hello from a component"
    assert node.crictl("exec", container, "echo", "native").strip() == "native"
    node.crictl("stop", "--timeout=30", container)
    assert node.status(container)["exitCode"] == 143


def test_server_and_clients_over_the_network(node: Node, pod: Pod) -> None:
    """A component answers TCP, a module HTTP; components of another pod ask them."""
    module = pod.start("localhost/http-server", "/http_server.wasm", name="module")
    component = pod.start(*PROGRAM, "serve", "0.0.0.0:7", name="component")
    for server, word in ((module, "listening"), (component, "ready")):
        wait_for(lambda server=server, word=word: word in node.logs(server), "the servers")
    neighbour = node.pod("neighbour")
    address = pod.address()
    tcp = neighbour.start(*PROGRAM, "tcp", f"{address}:7", name="tcp")
    url = f"http://{address}:1234/far"
    http = neighbour.start("localhost/component-http", url, name="http")
    assert [node.wait_exit(client) for client in (tcp, http)] == [0, 0]
    assert node.logs(tcp) == "ping\n"
    assert node.logs(http).strip() == "Hello from WebAssembly: /far"
    assert node.wait_exit(component) == 0
    neighbour.remove()
