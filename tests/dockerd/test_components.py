"""Components of WASI 0.2 under Docker, run by the package of wasmtime."""

from __future__ import annotations

import pytest
from support.commands import wait_for

pytestmark = pytest.mark.usefixtures("wasmtime_package")
PROGRAM = "/modules/component_program.wasm"


@pytest.fixture
def program(modules):
    """The words of `docker run` for the test program, in a volume."""
    return ("-v", f"{modules}:/modules:ro", "localhost/busybox", PROGRAM)


def test_run(docker):
    assert docker.run("localhost/component-hello").text() == "Hello world, from a component"
    told = docker.run("localhost/component-hello", "Docker").text()
    assert told == "Hello Docker, from a component"


def test_servers_and_clients(docker, program):
    """Over the bridge."""
    docker.detach("module", "localhost/http-server")
    docker.detach("component", *program, "serve", "0.0.0.0:7")
    for server in ("module", "component"):
        wait_for(lambda server=server: docker("logs", server).text(), "the servers")
    http, tcp = (
        docker.inspect(server, ".NetworkSettings.IPAddress") for server in ("module", "component")
    )
    url = f"http://{http}:1234/bridge"
    assert docker.run("localhost/component-http", url).text() == "Hello from WebAssembly: /bridge"
    assert docker.run(*program, "tcp", f"{tcp}:7").text() == "ping"


def test_exec_and_stop(docker, program):
    docker.detach("idle", *program, "sleep")
    assert docker("exec", "idle", PROGRAM, "hello").text() == "Hello from a component"
    docker("stop", "--time", "50", "idle").text()
    assert docker.inspect("idle", ".State.ExitCode") == 143
