"""containerd's CRI plugin with crunw as its runtime, driven by crictl as the kubelet would."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from containerd.node import Containerd
from support import warm
from support.commands import wait_for


class Pod:
    """A pod sandbox. The pause container that holds its namespaces is a WebAssembly module."""

    def __init__(
        self, containerd: Containerd, directory: Path, handler: str = "", **annotations: str
    ) -> None:
        self.containerd = containerd
        self.directory = directory
        self.logs_directory = directory / "logs"
        self.config = self.write(
            "pod",
            metadata={"name": "pod", "namespace": "default", "uid": directory.name, "attempt": 0},
            log_directory=str(self.logs_directory),
            annotations=annotations,
            linux={},
        )
        self.id = self.crictl("runp", f"--runtime={handler}", self.config)

    def write(self, name: str, **config: Any) -> str:
        path = self.directory / f"{name}.json"
        path.write_text(json.dumps(config))
        return str(path)

    def crictl(self, *words: str) -> str:
        return self.containerd.crictl(*words).text()

    def create(self, image: str, name: str, *command: str, **annotations: str) -> str:
        """Create a container; return its id."""
        config = self.write(
            name,
            metadata={"name": name, "attempt": 0},
            image={"image": f"localhost/{image}:latest"},
            command=command,
            log_path=f"{name}.log",
            annotations=annotations,
            linux={},
        )
        return self.crictl("create", self.id, config, self.config)

    def start(self, image: str, name: str, *command: str, **annotations: str) -> str:
        """Create and start a container; return its id."""
        return self.crictl("start", self.create(image, name, *command, **annotations))

    def inspect(self, container: str) -> dict[str, Any]:
        return json.loads(self.crictl("inspect", "-o", "json", container))

    def state(self, container: str) -> str:
        return self.inspect(container)["status"]["state"].removeprefix("CONTAINER_")

    def end(self, container: str) -> int:
        """Wait for the end of a container; return its exit code."""
        wait_for(lambda: self.state(container) == "EXITED", "the container's end")
        return self.inspect(container)["status"]["exitCode"]

    def logs(self, container: str) -> str:
        result = self.containerd.crictl("logs", container)
        assert result.status == 0, result
        return (result.out + result.err).removesuffix("\n")

    def ip(self) -> str:
        return json.loads(self.crictl("inspectp", "-o", "json", self.id))["status"]["network"]["ip"]


@pytest.fixture
def pod(containerd, tmp_path):
    return Pod(containerd, tmp_path)


def test_life_of_a_module(pod):
    container = pod.create("wasi-main", "main", "/wasi_example_main.wasm", "50000000")
    assert pod.state(container) == "CREATED"
    pod.crictl("start", container)
    assert pod.end(container) == 0
    lines = pod.logs(container).splitlines()
    arguments = lines.index("The args are as follows.")
    assert lines[arguments + 1 : arguments + 3] == ["/wasi_example_main.wasm", "50000000"]
    assert "File content is This is in a file" in lines
    pod.crictl("rm", container)
    assert container[:13] not in pod.crictl("ps", "-a")


def test_pause_module_holds_the_pod(containerd, pod):
    """The sandbox is a running container here, unlike in CRI-O with its infra container dropped."""
    tasks = containerd.ctr("--namespace", "k8s.io", "task", "ls").text()
    row = next(line for line in tasks.splitlines() if line.startswith(pod.id))
    _, pid, status = row.split()
    assert status == "RUNNING"
    assert Path(f"/proc/{pid}/comm").read_text() == "crunw-init\n"
    pod.crictl("stopp", pod.id)


def test_stop_of_a_module(pod):
    container = pod.start("wasm-pause", "pause")
    pod.crictl("stop", "--timeout", "30", container)
    assert pod.end(container) == 143


def test_exit_code(pod):
    assert pod.end(pod.start("busybox", "seven", "sh", "-c", "exit 7")) == 7
    client = pod.start("http-client", "client", "/http_client.wasm", "127.0.0.1:1234")
    assert pod.end(client) == 1
    assert "ConnectionRefused" in pod.logs(client)


def test_exec(containerd, pod):
    native = pod.start("busybox", "native", "sleep", "1000")
    assert pod.crictl("exec", native, "echo", "stream") == "stream"
    assert pod.crictl("exec", "--sync", native, "echo", "sync").strip() == "sync"
    failed = containerd.crictl("exec", "--sync", native, "sh", "-c", "exit 3")
    assert "exited with 3" in failed.err
    server = pod.start("http-server", "server")
    wait_for(lambda: "listening" in pod.logs(server), "the server")
    second = containerd.crictl("exec", "--sync", server, "/http_server.wasm", "no-number")
    assert "InvalidDigit" in second.err


def test_side_by_side(pod):
    """A WebAssembly server and its native client, and the reverse, in one pod."""
    server = pod.start("http-server", "wasm-server")
    wait_for(lambda: "listening" in pod.logs(server), "the server")
    url = "http://127.0.0.1:1234/native"
    client = pod.start("busybox", "native-client", "wget", "-q", "-O", "-", url)
    assert pod.end(client) == 0
    assert pod.logs(client) == "Hello from WebAssembly: /native"
    assert pod.logs(server).splitlines() == ["listening on port 1234", "GET /native"]

    script = "mkdir /www; echo native >/www/index.html; exec httpd -f -p 80 -h /www"
    native = pod.start("busybox", "native-server", "sh", "-c", script)
    wait_for(lambda: pod.crictl("exec", native, "netstat", "-ltn").find(":80 ") > 0, "the server")
    client = pod.start(
        "http-client", "wasm-client", "/http_client.wasm", "127.0.0.1:80", "/index.html"
    )
    assert pod.end(client) == 0
    assert pod.logs(client) == "native"


def serve(containerd: Containerd, directory: Path) -> tuple[str, Pod]:
    """The address of a module's server in a pod, and another pod."""
    (directory / "a").mkdir()
    (directory / "b").mkdir()
    one, two = Pod(containerd, directory / "a"), Pod(containerd, directory / "b")
    server = one.start("http-server", "server")
    wait_for(lambda: "listening" in one.logs(server), "the server")
    return f"{one.ip()}:1234", two


def test_service_over_the_network(containerd, tmp_path):
    """From one pod to another, over the bridge that CNI made."""
    address, two = serve(containerd, tmp_path)
    native = two.start("busybox", "native", "wget", "-q", "-O", "-", f"http://{address}/bridge")
    assert two.end(native) == 0
    wasm = two.start("http-client", "wasm", "/http_client.wasm", address, "/bridge")
    assert two.end(wasm) == 0
    assert two.logs(native) == two.logs(wasm) == "Hello from WebAssembly: /bridge"


def test_annotation_of_the_pod_leaves_its_native_containers_alone(containerd, tmp_path):
    pod = Pod(containerd, tmp_path, **{"module.wasm.image/variant": "compat-smart"})
    native = pod.start("busybox", "native", "echo", "native")
    module = pod.start("hello-c", "module")
    assert (pod.end(native), pod.end(module)) == (0, 0)
    assert pod.logs(native) == "native"
    assert pod.logs(module) == "Hello from WebAssembly"


def test_stats(pod):
    container = pod.start("wasm-pause", "idle")

    def working_set() -> int:
        stats = json.loads(pod.crictl("stats", "-o", "json", container))["stats"]
        return int(stats[0]["memory"]["workingSetBytes"]["value"]) if stats else 0

    wait_for(working_set, "the statistics")
    assert working_set() < 16 << 20


def test_cache_warm(containerd, tmp_path):
    """The first container of an image is compiled; also the pause container, of the same one."""
    address = {"CONTAINERD_ADDRESS": str(containerd.socket)}
    with warm.empty_cache():
        warm.check_warm("containerd", **address)
        pod = Pod(containerd, tmp_path)
        container = pod.start("wasm-pause", "pause")
        assert warm.is_compiled(pod.inspect(container)["info"]["pid"])
        pod.crictl("rmp", "--force", pod.id)
    warm.check_silent("containerd", "/none", CONTAINERD_ADDRESS="/none")
