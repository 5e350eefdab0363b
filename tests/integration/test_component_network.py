"""Components of WASI 0.2 in a network namespace of their own: HTTP requests, sockets, names."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from support.commands import wait_for
from support.containers import Spawned
from support.modules import PROJECT
from support.network import entering, join

from crunw.aot.engines import wasmtime_library

ENGINE = "run.oci.wasm.engine"

# Tells of one request, and answers it when it is told to.
SERVER = """
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer

class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
        print(self.requestline, self.headers["Host"], body, sep="|", flush=True)
        status, answer = sys.stdin.readline().split()
        self.send_response(int(status))
        self.end_headers()
        self.wfile.write(answer.encode())
    do_POST = do_GET
    def log_message(self, *_):
        pass

server = HTTPServer(("127.0.0.1", 8080), Handler)
print("ready", flush=True)
server.handle_request()
"""

# Gives one message back, and tells whose it is.
ECHO = """
import socket, sys
server = socket.socket(type=getattr(socket, sys.argv[1]))
server.bind(("127.0.0.1", 7))
is_tcp = server.type == socket.SOCK_STREAM
if is_tcp:
    server.listen()
print("ready", flush=True)
if is_tcp:
    client, peer = server.accept()
    client.sendall(client.recv(100) + f" of {peer[0]}".encode())
else:
    text, peer = server.recvfrom(100)
    server.sendto(text + f" of {peer[0]}".encode(), peer)
"""


@pytest.fixture
def http(wasm_bundle, network):
    """A bundle of the example that sends a request, in the network."""
    return lambda *args: join(wasm_bundle("component_http", *args), network)


@pytest.fixture
def program(wasm_bundle, network):
    """A bundle of the test program, in the network."""
    return lambda *args: join(wasm_bundle("component_program", *args), network)


@contextmanager
def spawned(network: str, *words: str) -> Iterator[Spawned]:
    """A program in the network, with pipes to it."""
    pipe = subprocess.PIPE
    command = entering(network, *words)
    with Spawned(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True) as process:
        yield process


@pytest.fixture
def server(network: str) -> Iterator[Spawned]:
    """An HTTP server on port 8080 of the network's loopback interface."""
    with spawned(network, "python3", "-c", SERVER) as process:
        assert process.stdout.readline() == "ready\n"
        yield process
        process.kill()


def answer(server: Spawned, text: str) -> None:
    server.stdin.write(f"{text}\n")
    server.stdin.flush()


def name_hosts(container, text: str) -> None:
    etc = container.rootfs / "etc"
    etc.mkdir(exist_ok=True)
    (etc / "hosts").write_text(text)


# --- wasi:http ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["/a/b?c=d"], "GET /a/b?c=d HTTP/1.1|server.test:8080|"),
        (["/", "some text"], "POST / HTTP/1.1|server.test:8080|some text"),
    ],
)
def test_request(crunw, http, server, words, told):
    [path, *body] = words
    client = http(f"http://server.test:8080{path}", *body)
    name_hosts(client, "127.0.0.1 server.test\n")
    with crunw.spawn("run", "--bundle", client.path, client.id) as process:
        assert server.stdout.readline() == f"{told}\n"
        answer(server, "200 answer")
        assert process.rest() == ("answer", "")
        assert process.returncode == 0


def test_walls_around_a_request(crunw, http, server):
    """What sends it has no more than any module's process."""
    client = http("http://127.0.0.1:8080/").change(process__user={"uid": 1000, "gid": 1000})
    crunw.start(client)
    server.stdout.readline()
    status = Path(f"/proc/{crunw.state(client)['pid']}/status").read_text()
    assert "\nCapEff:\t0000000000000000\n" in status
    assert "\nSeccomp:\t2\n" in status
    answer(server, "200 answer")
    wait_for(lambda: crunw.status(client) == "stopped")


def test_answer_that_tells_of_an_error(crunw, http, server):
    answer(server, "404 nothing")
    result = crunw.run(http("http://127.0.0.1:8080/"))
    assert (result.status, result.out) == (1, "nothing")
    assert result.err == "http://127.0.0.1:8080/: status 404\n"


def test_nobody_listens(crunw, http):
    """But on the host: its loopback interface is another one."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        url = f"http://127.0.0.1:{other.getsockname()[1]}/"
        result = crunw.run(http(url))
    assert (result.status, result.out) == (1, "")
    assert result.err == f"{url}: ErrorCode::ConnectionRefused\n"


def test_server_that_is_not_known(crunw, http):
    result = crunw.run(http("http://server.test:8080/"))
    assert (result.status, result.out) == (1, "")
    assert result.err.startswith("http://server.test:8080/: ErrorCode::DnsError")


def test_what_answers_requests_is_refused(crunw, wasm_bundle):
    error = crunw.run(wasm_bundle("component_incoming_handler")).error()
    assert error == (
        "load /component_incoming_handler.wasm: the component answers HTTP requests "
        "(wasi:http/incoming-handler@0.2.0), which crunw does not serve: build a command "
        "(wasi:cli/run)"
    )


# --- wasi:sockets ---------------------------------------------------------------------------------


@pytest.mark.parametrize(("verb", "kind"), [("tcp", "SOCK_STREAM"), ("udp", "SOCK_DGRAM")])
def test_client(crunw, program, network, verb, kind):
    with spawned(network, "python3", "-c", ECHO, kind) as server:
        assert server.stdout.readline() == "ready\n"
        assert crunw.run(program(verb, "127.0.0.1:7")).ok() == "ping of 127.0.0.1\n"


def test_nobody_listens_to_a_socket(crunw, program):
    assert crunw.run(program("tcp", "127.0.0.1:7")).ok() == "error: ConnectionRefused\n"


def test_tcp_server(crunw, program, network):
    container = program("serve", "0.0.0.0:7")
    with crunw.spawn("run", "--bundle", container.path, container.id) as process:
        assert process.stdout.readline() == "ready\n"
        with spawned(network, "busybox", "nc", "127.0.0.1", "7") as client:
            assert client.communicate("some text")[0] == "some text"
        assert process.rest() == ("served\n", "")


def test_names(crunw, program):
    container = program("resolve", "some.test")
    assert crunw.run(container).ok().startswith("error: ")
    name_hosts(container, "10.1.2.3 some.test\n")
    assert crunw.run(container).ok() == "10.1.2.3\n"


def test_no_code_of_the_image_looks_names_up(crunw, weakened, program, modules):
    """The C library loads what /etc/nsswitch.conf says, into the process that it works for."""
    container = program("resolve", "some.test")
    name_hosts(container, "10.1.2.3 some.test\n")
    (container.rootfs / "etc" / "nsswitch.conf").write_text("hosts: image files\n")
    (container.rootfs / "lib").mkdir()
    shutil.copy(modules / "libnss_image.so.2", container.rootfs / "lib")
    assert crunw.run(container).ok() == "10.1.2.3\n"
    assert weakened("NAMES").run(container).ok() == "code of the image\n"


@pytest.fixture
def without_sockets(configuration, tmp_path):
    """wasmtime is a library with another layout of what crunw allows sockets by."""
    library = tmp_path / "libwasmtime.so"
    source = PROJECT / "tests/modules/wasmtime/without_sockets.c"
    words = ["cc", "-shared", "-fPIC", "-Wl,--no-as-needed", source, wasmtime_library()]
    subprocess.run([*words, "-o", library], check=True)
    configuration.write_text(f'[engine]\nwasmtime = "{library}"\n')


@pytest.mark.usefixtures("without_sockets")
def test_a_library_in_which_sockets_are_not_found(crunw, program, http, wasm_bundle):
    """What imports them is refused, instead of failing as it runs; other programs run. Each start
    warns of where the library is.
    """
    result = crunw.run(program("tcp", "127.0.0.1:7"))
    version = json.loads(crunw("features").ok())["annotations"]["io.crunw.wasmtime.version"]
    assert result.status == 1
    assert result.err.splitlines()[-1] == (
        f"crunw: load /component_program.wasm: this build of wasmtime {version} allows no sockets, "
        "which the component imports (take PyPI's, docs/components.md)"
    )
    assert crunw.run(wasm_bundle("component_hello")).out == "Hello world, from a component\n"
    refused = crunw.run(http("http://127.0.0.1:8080/"))
    assert refused.err.endswith("http://127.0.0.1:8080/: ErrorCode::ConnectionRefused\n")
    assert crunw.run(wasm_bundle("return", annotations={ENGINE: "wasmtime"})).status == 0
