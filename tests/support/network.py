"""Containers and programs in a network namespace, as an engine makes one for a pod."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

from support.containers import Bundle


@contextmanager
def namespace() -> Iterator[str]:
    """The name of a new one, with loopback."""
    name = f"crunw-test-{os.getpid()}"
    subprocess.run(["ip", "netns", "add", name], check=True)
    try:
        subprocess.run(["ip", "-n", name, "link", "set", "lo", "up"], check=True)
        yield name
    finally:
        subprocess.run(["ip", "netns", "delete", name], check=True)


def join(container: Bundle, network: str) -> Bundle:
    """Put a container into the network namespace."""
    namespaces = [
        entry for entry in container.config["linux"]["namespaces"] if entry["type"] != "network"
    ]
    namespaces.append({"type": "network", "path": f"/run/netns/{network}"})
    return container.change(linux__namespaces=namespaces)


def entering(network: str, *words: str) -> list[str]:
    """A command that runs a program in it."""
    return ["ip", "netns", "exec", network, *words]


def within(network: str, *words: str) -> subprocess.CompletedProcess[str]:
    """Run a program in it to its end."""
    command = entering(network, *words)
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=20)
