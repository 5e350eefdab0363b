"""podman pods and ``podman kube play``: WebAssembly and native containers side by side."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.commands import Result, wait_for

pytestmark = pytest.mark.podman
PROJECT = Path(__file__).parents[2]
IMAGES = PROJECT / "examples" / "images"


class Podman:
    """podman with crunw as its runtime; storage and network of its own."""

    def __init__(self, directory: Path, network: str) -> None:
        self.directory = directory
        self.network = network
        self.cgroups = cgroups()
        storage = (
            f'driver = "overlay"\ngraphroot = "{directory}/root"\nrunroot = "{directory}/run"\n'
        )
        (directory / "storage.conf").write_text(f"[storage]\n{storage}")
        settings = Path(os.environ["CONTAINERS_CONF_OVERRIDE"]).read_text()
        pause = 'infra_image = "localhost/wasm-pause"\ninfra_command = "/pause.wasm"\n'
        engine = f'[engine]\nruntime = "crunw"\n{pause}'
        (directory / "containers.conf").write_text(settings.replace("[engine]\n", engine))
        self.environment = {
            **os.environ,
            "CONTAINERS_STORAGE_CONF": str(directory / "storage.conf"),
            "CONTAINERS_CONF_OVERRIDE": str(directory / "containers.conf"),
            "PODMAN_IGNORE_CGROUPSV1_WARNING": "1",
        }

    def command(self, *words: str) -> list[str]:
        return ["nsenter", f"--net=/run/netns/{self.network}", *words]

    def try_podman(self, *words: str, stdin: str = "") -> Result:
        """Run ``podman``, whatever comes of it."""
        done = subprocess.run(
            self.command("podman", *words),
            env=self.environment,
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        return Result(done.returncode, done.stdout, done.stderr)

    def __call__(self, *words: str, stdin: str = "") -> str:
        """What ``podman`` prints, without the line's end."""
        result = self.try_podman(*words, stdin=stdin)
        assert result.status == 0, result
        return result.out.removesuffix("\n")

    def inspect(self, container: str, field: str) -> Any:
        return json.loads(self("inspect", "--format", f"{{{{json .{field}}}}}", container))

    def logs(self, container: str) -> list[str]:
        result = self.try_podman("logs", container)
        return (result.out + result.err).splitlines()

    def leftovers(self) -> list[str]:
        """What is left of pods: containers, mounts, cgroups, interfaces."""
        found = self("ps", "--all", "--pod", "--quiet").split()
        mounts = Path("/proc/self/mountinfo").read_text().splitlines()
        found += [line for line in mounts if f"{self.directory}/" in line and "/merged " in line]
        links = subprocess.check_output(self.command("ip", "-json", "link"), text=True)
        found += cgroups() - self.cgroups
        found += [link["ifname"] for link in json.loads(links) if "master" in link]
        return found


def cgroups() -> set[str]:
    """The cgroups of podman's containers; there may be others than ours."""
    return {str(path) for path in Path("/sys/fs/cgroup").glob("**/libpod-*") if path.is_dir()}


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Podman]:
    if os.geteuid() != 0:
        pytest.skip("needs root")
    network = f"crunw-podman-{os.getpid()}"
    podman = Podman(tmp_path_factory.mktemp("podman"), network)
    subprocess.run(["ip", "netns", "add", network], check=True)
    try:
        subprocess.run(podman.command("ip", "link", "set", "lo", "up"), check=True)
        subprocess.run([IMAGES, "--test-images"], env=podman.environment, check=True)
        yield podman
    finally:
        subprocess.run(["ip", "netns", "delete", network], check=True)
        storage = podman.directory / "root" / "overlay"
        if storage.is_mount():
            subprocess.run(["umount", "--lazy", storage], check=True)


@pytest.fixture
def podman(engine: Podman) -> Iterator[Podman]:
    """podman without pods, before and after the test."""
    yield engine
    engine("pod", "rm", "--all", "--force", "--time", "0")
    engine("rm", "--all", "--force", "--time", "0")
    assert engine.leftovers() == []


def in_pod(podman: Podman, image: str, name: str, *words: str) -> None:
    podman("run", "--detach", "--pod", "pod", "--name", name, f"localhost/{image}", *words)


def test_side_by_side(podman):
    """A WebAssembly server and its native client, and the reverse; the pause is a module too."""
    podman("pod", "create", "--name", "pod")
    in_pod(podman, "http-server", "wasm-server")
    wait_for(lambda: podman.logs("wasm-server"), "the server")
    url = "http://127.0.0.1:1234/native"
    run = ("run", "--rm", "--pod", "pod")
    page = podman(*run, "localhost/busybox", "wget", "-q", "-O", "-", url)
    assert page == "Hello from WebAssembly: /native"
    assert podman.logs("wasm-server") == ["listening on port 1234", "GET /native"]

    script = "mkdir /www; echo native >/www/index.html; exec httpd -f -p 80 -h /www"
    in_pod(podman, "busybox", "native-server", "sh", "-c", script)
    wait_for(lambda: ":80 " in podman("exec", "native-server", "netstat", "-ltn"), "the server")
    assert podman(*run, "localhost/http-client", "127.0.0.1:80", "/index.html") == "native"

    infra = podman.inspect("pod", "InfraContainerID")
    assert podman.inspect(infra, "Path") == "/pause.wasm"
    assert podman.inspect(infra, "OCIRuntime") == "crunw"


def test_stop_of_a_pod(podman):
    podman("pod", "create", "--name", "pod")
    in_pod(podman, "http-server", "server")
    in_pod(podman, "wasm-pause", "pause")
    podman("pod", "stop", "--time", "30", "pod")
    assert podman.inspect("server", "State.ExitCode") == 143
    assert podman.inspect("pause", "State.ExitCode") == 143


def test_service_over_the_network(podman):
    podman("run", "--detach", "--name", "server", "localhost/http-server")
    address = podman.inspect("server", "NetworkSettings.IPAddress")
    wait_for(lambda: podman.logs("server"), "the server")
    url = f"http://{address}:1234/bridge"
    native = podman("run", "--rm", "localhost/busybox", "wget", "-q", "-O", "-", url)
    wasm = podman("run", "--rm", "localhost/http-client", f"{address}:1234", "/bridge")
    assert native == wasm == "Hello from WebAssembly: /bridge"


def test_published_port(podman):
    podman("run", "--detach", "--publish", "8080:1234", "--name", "server", "localhost/http-server")
    wait_for(lambda: podman.logs("server"), "the server")
    subprocess.run(
        podman.command("ip", "address", "replace", "192.0.2.1/32", "dev", "lo"), check=True
    )
    command = podman.command("busybox", "wget", "-q", "-O", "-", "http://192.0.2.1:8080/port")
    page = subprocess.check_output(command, text=True)
    assert page == "Hello from WebAssembly: /port\n"


MIXED = """
apiVersion: v1
kind: Pod
metadata:
  name: mixed
  annotations:
    module.wasm.image/variant: compat-smart
spec:
  restartPolicy: Never
  terminationGracePeriodSeconds: 1
  containers:
  - name: server
    image: localhost/http-server:latest
    resources:
      limits: {memory: 64Mi}
  - name: client
    image: localhost/busybox:latest
    command: [sh, -c]
    args:
    - until wget -q -O - http://127.0.0.1:1234/kube; do sleep 0.1; done; sleep 1000
"""


def test_kube_play(podman):
    podman("kube", "play", "-", stdin=MIXED)
    answer = "Hello from WebAssembly: /kube"  # behind complaints until the server is there
    wait_for(lambda: answer in podman.logs("mixed-client"), "the server's answer")
    assert podman.logs("mixed-server")[0] == "listening on port 1234"
    assert podman.inspect("mixed-server", "HostConfig.Memory") == 64 << 20
    assert podman.inspect("mixed-server", "OCIRuntime") == "crunw"
    podman("kube", "down", "-", stdin=MIXED)
