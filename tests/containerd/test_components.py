"""Components of WASI 0.2 under containerd, run by the package of wasmtime."""

from __future__ import annotations

import pytest
from containerd.test_cri import Pod
from support.commands import wait_for

pytestmark = pytest.mark.usefixtures("wasmtime_package")


def test_ctr(containerd):
    assert containerd.run("component-hello", "hello").text() == "Hello world, from a component"
    words = ("/component_hello.wasm", "ctr")
    assert containerd.run("component-hello", "args", *words).text() == "Hello ctr, from a component"
    refused = containerd.run("component-http", "refused", "/component_http.wasm", "no-url")
    assert (refused.status, refused.err) == (1, "no-url: not a URL of http or https\n")


def test_client_over_the_network(containerd, tmp_path):
    """Of a module's server in another pod, beside a native container."""
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    one, two = Pod(containerd, tmp_path / "a"), Pod(containerd, tmp_path / "b")
    server = one.start("http-server", "server")
    wait_for(lambda: "listening" in one.logs(server), "the server")
    url = f"http://{one.ip()}:1234/bridge"
    native = two.start("busybox", "native", "wget", "-q", "-O", "-", url)
    component = two.start("component-http", "component", "/component_http.wasm", url)
    assert (two.end(native), two.end(component)) == (0, 0)
    assert two.logs(native) == two.logs(component) == "Hello from WebAssembly: /bridge"
