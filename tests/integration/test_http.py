"""The HTTP examples: sockets of WebAssembly programs in a network namespace of their own."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from typing import Any

import pytest
from support.commands import wait_for
from support.containers import Runtime
from support.network import entering, join, within

GREETING = "Hello from WebAssembly: "
NATIVE_SERVER = r"""
read -r request
while read -r header && [ "${#header}" -gt 1 ]; do :; done
printf 'HTTP/1.0 200 OK\r\n\r\nnative: %s\n' "$request"
"""


@pytest.fixture
def server(crunw: Runtime, wasm_bundle, network: str) -> Iterator[Any]:
    """The running server, a process whose standard output is the log."""
    container = join(wasm_bundle("http_server"), network)
    process = crunw.spawn("run", "--bundle", container.path, container.id)
    assert process.stdout.readline() == "listening on port 1234\n"
    yield process
    crunw("kill", container.id, "TERM").ok()
    assert process.wait(5) == 143


def test_native_client(server, network):
    for path in ("/", "/a/b?c=d"):
        page = within(network, "busybox", "wget", "-q", "-O", "-", f"http://127.0.0.1:1234{path}")
        assert (page.returncode, page.stdout) == (0, f"{GREETING}{path}\n")
        assert server.stdout.readline() == f"GET {path}\n"


def test_wasm_client(crunw, server, network, wasm_bundle):
    client = join(wasm_bundle("http_client", "127.0.0.1:1234", "/from/wasm"), network)
    assert crunw.run(client).ok() == f"{GREETING}/from/wasm\n"
    assert server.stdout.readline() == "GET /from/wasm\n"


def test_wasm_client_of_a_native_server(crunw, bundle, wasm_bundle, network):
    native = join(bundle("nc", "-l", "-p", "80", "-e", "sh", "-c", NATIVE_SERVER), network)
    (native.rootfs / "bin" / "nc").symlink_to("busybox")
    crunw.start(native)
    wait_for(lambda: ":80" in within(network, "ss", "-Hltn").stdout, "the server")
    client = join(wasm_bundle("http_client", "127.0.0.1:80", "/page"), network)
    assert crunw.run(client).ok() == "native: GET /page HTTP/1.0\n"


def test_what_is_no_request(server, network):
    command = "printf 'junk\\r\\n\\r\\n' | busybox nc 127.0.0.1 1234"
    assert within(network, "sh", "-c", command).stdout.startswith("HTTP/1.1 400 ")


def test_silent_connection_does_not_stop_the_server(server, network):
    silent = subprocess.Popen(
        entering(network, "busybox", "nc", "127.0.0.1", "1234"),
        stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
    )  # fmt: skip
    page = within(network, "busybox", "wget", "-q", "-O", "-", "http://127.0.0.1:1234/next")
    silent.communicate()
    assert page.stdout == f"{GREETING}/next\n"


def test_nobody_listens(crunw, wasm_bundle, network):
    client = join(wasm_bundle("http_client", "127.0.0.1:1234"), network)
    result = crunw.run(client)
    assert result.status == 1
    assert result.out == ""
    assert "ConnectionRefused" in result.err
