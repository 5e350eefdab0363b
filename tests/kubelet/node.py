"""A kubelet without an API server: it runs the pods whose manifests lie in a directory."""

from __future__ import annotations

import http.client
import json
import os
import ssl
import subprocess
import threading
import urllib.parse
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, Protocol

from support.commands import PATIENCE, PROJECT, wait_for
from support.engines import Daemon

PORT = 10250
NAME = "node"


@cache
def build(program: str) -> Path:
    """The path of ``kubelet`` or of ``manifests``, the checker of manifests."""
    command = [PROJECT / "ci" / "engines" / "kubernetes" / "build", program]
    return Path(
        subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()
    )


class Engine(Protocol):
    """containerd or CRI-O, running, with crunw as its default runtime."""

    socket: Path
    network: str  # the name of its network namespace

    def within(self, *command: str) -> list[str]:
        """``command``, in its network namespace."""

    def running(self) -> list[str]:
        """The ids of the containers that run."""


class Kubelet(Daemon):
    """The kubelet above an engine."""

    def __init__(self, directory: Path, engine: Engine) -> None:
        super().__init__(directory, engine.network)
        self.engine = engine
        self.manifests = directory / "manifests"
        self.manifests.mkdir()
        config = {
            "apiVersion": "kubelet.config.k8s.io/v1beta1",
            "kind": "KubeletConfiguration",
            "staticPodPath": str(self.manifests),
            "podLogsDir": str(directory / "logs"),
            "containerRuntimeEndpoint": f"unix://{engine.socket}",
            "authentication": {"anonymous": {"enabled": True}, "webhook": {"enabled": False}},
            "authorization": {"mode": "AlwaysAllow"},
            "cgroupDriver": "cgroupfs",
            "cgroupsPerQOS": False,
            "enforceNodeAllocatable": [],
            "failCgroupV1": False,
            "failSwapOn": False,
            "makeIPTablesUtilChains": False,
            "evictionHard": {"memory.available": "0%"},
            "port": PORT,
            "fileCheckFrequency": "1s",
            "syncFrequency": "1s",
        }
        (directory / "config.yaml").write_text(json.dumps(config))

    def start(self) -> None:
        """Start the kubelet; return when it answers."""
        self.spawn(
            self._answers,
            str(build("kubelet")),
            f"--config={self.directory}/config.yaml",
            f"--root-dir={self.directory}/root",
            f"--cert-dir={self.directory}/pki",
            f"--hostname-override={NAME}",
        )

    def _answers(self) -> bool:
        try:
            return self.request("GET", "/healthz") == "ok"
        except ConnectionError:
            return False

    def request(self, method: str, path: str) -> str:
        """What the kubelet answers, asked from within its network namespace."""
        return _within(self.engine.network, lambda: _request(method, path))

    def pods(self) -> dict[str, Any]:
        """The pods by the name that their manifest gives them."""
        listed = json.loads(self.request("GET", "/pods")).get("items") or []
        return {pod["metadata"]["name"].removesuffix(f"-{NAME}"): pod for pod in listed}

    def container(self, pod: str, name: str) -> dict[str, Any]:
        """The status of a container; empty while there is none."""
        statuses = self.pods().get(pod, {"status": {}})["status"].get("containerStatuses", [])
        return next((status for status in statuses if status["name"] == name), {})

    def logs(self, pod: str, container: str) -> str:
        return self.request("GET", f"/containerLogs/default/{pod}-{NAME}/{container}")

    def exec(self, pod: str, container: str, command: str) -> str:
        """What a command in a container prints."""
        words = urllib.parse.urlencode({"cmd": command})
        return self.request("POST", f"/run/default/{pod}-{NAME}/{container}?{words}")

    def run(self, name: str, *containers: dict[str, Any], **spec: Any) -> Path:
        """Write a pod's manifest; return its path."""
        for container in containers:
            container["image"] = f"localhost/{container['image']}:latest"
            container["imagePullPolicy"] = "Never"
        pod = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": name, "namespace": "default"},
            "spec": {"containers": containers, **spec},
        }
        return self.put(name, json.dumps(pod))

    def put(self, name: str, text: str) -> Path:
        """Write a manifest."""
        path = self.manifests / f"{name}.yaml"
        path.write_text(text)
        return path

    def clear(self) -> None:
        """Take all manifests away; return when their pods have ended."""
        for path in self.manifests.iterdir():
            path.unlink()
        wait_for(lambda: not self.engine.running(), "the pods' end")


def _request(method: str, path: str) -> str:
    unverified = ssl._create_unverified_context()  # noqa: S323 -- the kubelet signs it itself
    connection = http.client.HTTPSConnection(
        "127.0.0.1", PORT, context=unverified, timeout=PATIENCE
    )
    connection.request(method, path)
    response = connection.getresponse()
    body = response.read().decode()
    connection.close()
    assert response.status == 200, (response.status, body)
    return body


def _within(network: str, function: Callable[[], str]) -> str:
    """Call a function in a network namespace: in a thread, since a thread can have its own."""
    outcome: list[str] = []
    errors: list[Exception] = []

    def call() -> None:
        try:
            with open(f"/run/netns/{network}", "rb") as namespace:
                os.setns(namespace.fileno(), os.CLONE_NEWNET)
            outcome.append(function())
        except (AssertionError, OSError) as error:
            errors.append(error)

    thread = threading.Thread(target=call)
    thread.start()
    thread.join()
    for error in errors:
        raise error
    return outcome[0]
