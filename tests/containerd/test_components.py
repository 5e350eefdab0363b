"""Components of WASI 0.2 under containerd, run by the package of wasmtime."""

from __future__ import annotations

import pytest
from containerd.test_cri import serve

pytestmark = pytest.mark.usefixtures("wasmtime_package")


def test_ctr(containerd):
    assert containerd.run("component-hello", "hello").text() == "Hello world, from a component"
    words = ("/component_hello.wasm", "ctr")
    assert containerd.run("component-hello", "args", *words).text() == "Hello ctr, from a component"
    refused = containerd.run("component-http", "refused", "/component_http.wasm", "no-url")
    assert (refused.status, refused.err) == (1, "no-url: not a URL of http or https\n")


def test_client_over_the_network(containerd, tmp_path):
    """Of a module's server in another pod, beside a native container."""
    address, two = serve(containerd, tmp_path)
    url = f"http://{address}/bridge"
    native = two.start("busybox", "native", "wget", "-q", "-O", "-", url)
    component = two.start("component-http", "component", "/component_http.wasm", url)
    assert (two.end(native), two.end(component)) == (0, 0)
    assert two.logs(native) == two.logs(component) == "Hello from WebAssembly: /bridge"
