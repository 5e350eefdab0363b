"""Wasm and native containers of one pod: what each verb of `crictl` says and does."""

from __future__ import annotations

import time

import pytest
from crio.node import CrictlError, Node, Pod
from support.commands import wait_for

GREETING = "Hello from WebAssembly"
MEBIBYTE = 2**20


def test_wasm_container_runs_until_it_is_stopped(node: Node, pod: Pod) -> None:
    container = pod.create("localhost/wasm-pause", "/pause.wasm")
    assert node.state(container) == "CONTAINER_CREATED"
    node.crictl("start", container)
    assert node.state(container) == "CONTAINER_RUNNING"
    assert node.json("inspect", container)["info"]["pid"] > 0
    node.crictl("stop", "--timeout=30", container)
    assert node.status(container)["exitCode"] == 143  # 128 + TERM; KILL would have made it 137
    assert node.state(container) == "CONTAINER_EXITED"


def test_stop_returns_within_a_second(node: Node, pod: Pod) -> None:
    times = []
    for name in ("one", "two", "three"):
        container = pod.start("localhost/wasm-pause", "/pause.wasm", name=name)
        start = time.monotonic()
        node.crictl("stop", "--timeout=30", container)
        times.append(time.monotonic() - start)
        assert node.status(container)["exitCode"] == 143
    assert min(times) < 1


@pytest.mark.parametrize(
    ("module", "code", "text"),
    [
        ("exit3", 3, ""),
        ("return", 0, ""),
        ("trap", 134, "crunw: trap: "),
    ],
)
def test_exit_code(node: Node, pod: Pod, module: str, code: int, text: str) -> None:
    container = pod.start("localhost/mixed", f"/{module}.wasm")
    assert node.wait_exit(container) == code
    assert text in node.logs(container)


def test_broken_module_is_refused_at_create(pod: Pod) -> None:
    with pytest.raises(CrictlError, match=r"/invalid\.wasm"):
        pod.create("localhost/mixed", "/invalid.wasm")


def test_exec(node: Node, pod: Pod) -> None:
    wasm = pod.start("localhost/mixed", "/sleep.wasm", name="wasm")
    native = pod.start("localhost/mixed", "sleep", "1000", name="native")
    for container in (wasm, native):
        for way in ([], ["--sync"]):
            assert node.crictl("exec", *way, container, "/hello.wasm").strip() == GREETING
            assert node.crictl("exec", *way, container, "echo", "native").strip() == "native"
        failed = node.try_crictl("exec", container, "/exit3.wasm")
        assert failed.returncode == 3 or "exit code 3" in failed.stderr


def test_stats(node: Node, pod: Pod) -> None:
    container = pod.start("localhost/wasm-pause", "/pause.wasm")
    (stats,) = node.json("stats", "--id", container)["stats"]
    assert 0 < int(stats["memory"]["workingSetBytes"]["value"]) < 64 * MEBIBYTE
    assert int(stats["cpu"]["usageCoreNanoSeconds"]["value"]) > 0


@pytest.mark.parametrize(
    "annotation",
    [
        {"module.wasm.image/variant": "compat-smart"},
        {"module.wasm.image/variant": "compat"},
        {"run.oci.handler": "wasm-smart"},
        {"run.oci.handler": "wasm"},
    ],
    ids=lambda annotation: "-".join(*annotation.items()).replace("/", "-"),
)
def test_pod_annotation_leaves_native_containers_alone(node: Node, annotation) -> None:
    pod = node.pod("annotated", annotation)
    wasm = pod.start("localhost/hello-c", "/hello.wasm", name="wasm")
    native = pod.start("localhost/busybox", "echo", "native", name="native")
    script = pod.start("localhost/busybox", "sh", "-c", "echo script", name="script")
    assert [node.wait_exit(container) for container in (wasm, native, script)] == [0, 0, 0]
    assert GREETING in node.logs(wasm)
    assert node.logs(native) == "native\n"
    assert node.logs(script) == "script\n"
    pod.remove()


def test_wasm_server(node: Node, pod: Pod) -> None:
    server = pod.start("localhost/http-server", "/http_server.wasm", name="server")
    wait_for(lambda: "listening" in node.logs(server), "the server listens")
    fetch = ("wget", "-q", "-O-")
    sidecar = pod.start("localhost/busybox", *fetch, "http://127.0.0.1:1234/side", name="client")
    assert node.wait_exit(sidecar) == 0
    assert node.logs(sidecar).strip() == f"{GREETING}: /side"
    neighbour = node.pod("neighbour")
    service = f"{pod.address()}:1234"
    native = neighbour.start("localhost/busybox", *fetch, f"http://{service}/far", name="native")
    wasm = neighbour.start("localhost/http-client", service, "/far", name="wasm")
    for client in (native, wasm):
        assert node.wait_exit(client) == 0
        assert node.logs(client).strip() == f"{GREETING}: /far"
    neighbour.remove()


def test_native_server_wasm_client(node: Node, pod: Pod) -> None:
    serve = "mkdir /www && echo native > /www/index.html && exec httpd -f -p 8080 -h /www"
    server = pod.start("localhost/busybox", "sh", "-c", serve, name="server")
    fetch = ("wget", "-q", "-O-", "http://127.0.0.1:8080/")
    wait_for(lambda: node.try_crictl("exec", server, *fetch).returncode == 0, "the server answers")
    client = pod.start("localhost/http-client", "127.0.0.1:8080", name="client")
    assert node.wait_exit(client) == 0, node.logs(client)
    assert node.logs(client) == "native\n"
