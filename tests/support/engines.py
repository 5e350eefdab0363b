"""Container engines that tests start: each in a network namespace of its own, in one directory."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from support.commands import PATIENCE, PROJECT, wait_for

IMAGES = (
    "wasi-main",
    "wasm-pause",
    "hello-c",
    "http-server",
    "http-client",
    "component-hello",
    "component-http",
    "busybox",
)


class Daemon:
    """An engine's daemon; its output is in the file ``daemon.log`` of its directory."""

    def __init__(self, directory: Path, network: str) -> None:
        self.directory = directory
        self.network = network
        self.process: subprocess.Popen[bytes] | None = None

    def make_network(self) -> None:
        """Make the network namespace, with loopback."""
        subprocess.run(["ip", "netns", "add", self.network], check=True)
        subprocess.run(self.within("ip", "link", "set", "lo", "up"), check=True)

    def delete_network(self) -> None:
        """Delete the network namespace."""
        subprocess.run(["ip", "netns", "delete", self.network], check=True)

    def within(self, *command: str) -> list[str]:
        """``command``, in the network namespace."""
        return ["nsenter", f"--net=/run/netns/{self.network}", *command]

    def log(self) -> str:
        """What the daemon has written."""
        return (self.directory / "daemon.log").read_text()

    def spawn(
        self, answers: Callable[[], bool], *command: str, environment: dict[str, str] | None = None
    ) -> None:
        """Start the daemon by ``command``; return when it ``answers``."""
        with (self.directory / "daemon.log").open("ab") as log:
            self.process = subprocess.Popen(
                self.within(*command),
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        wait_for(lambda: self._is_ready(answers), f"{command[0]} is ready")

    def _is_ready(self, answers: Callable[[], bool]) -> bool:
        assert self.process
        assert self.process.poll() is None, self.log()[-3000:]
        return answers()

    def end(self) -> None:
        """End the daemon, and nothing else."""
        if not self.process:
            return
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def cleared(running: Any) -> Iterator[Any]:
    """``running`` for one test, of whose containers nothing may be left."""
    yield running
    running.clear()
    wait_for(lambda: not running.leftovers(), f"nothing is left: {running.leftovers()}")


def build_images(environment: dict[str, str]) -> None:
    """Build the example images into the storage that ``environment`` names."""
    command = [PROJECT / "examples" / "images", "--test-images"]
    subprocess.run(command, env=environment, check=True)


def make_archives(directory: Path, kind: str = "oci-archive") -> Path:
    """Build the example images and write each as an archive, ``NAME.tar``, into a directory."""
    storage = directory / "storage.conf"
    storage.write_text(
        "[storage]\n"
        'driver = "overlay"\n'
        f'graphroot = "{directory}/storage"\n'
        f'runroot = "{directory}/run"\n'
    )
    environment = {**os.environ, "CONTAINERS_STORAGE_CONF": str(storage)}
    build_images(environment)
    for image in IMAGES:
        name = f"localhost/{image}:latest"
        push = ["buildah", "push", "--quiet", name, f"{kind}:{directory}/{image}.tar:{name}"]
        subprocess.run(push, env=environment, check=True, stdout=subprocess.DEVNULL)
    return directory
