"""Tests that need systemd and cgroup v2 with all its controllers: ``ci/vm``."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from support.commands import wait_for
from support.containers import Bundle, Runtime

TOP = Path("/sys/fs/cgroup")

if not (
    os.path.isdir("/run/systemd/system")
    and os.path.exists("/run/crunw-machine")
    and (TOP / "cgroup.controllers").exists()
):
    collect_ignore_glob = ["test_*"]


def show(unit: str, *names: str) -> dict[str, str]:
    """``systemctl show``, as the unit's properties by name."""
    words = ["systemctl", "show", f"--property={','.join(names)}", unit]
    lines = subprocess.check_output(words, text=True).splitlines()
    return dict(line.split("=", 1) for line in lines)


class Managed:
    """crunw with one cgroup manager, and where its containers' cgroups are."""

    def __init__(self, manager: str, crunw: Runtime) -> None:
        self.manager = manager
        self.crunw = crunw
        crunw.options = [f"--cgroup-manager={manager}"]

    def unit(self, bundle: Bundle) -> str:
        return f"crunw-{bundle.id}.scope"

    def place(self, bundle: Bundle) -> Bundle:
        """Give the bundle the path that this manager takes: in the slice of a pod."""
        path = f"/pod_123-456/{bundle.id}"
        if self.manager == "systemd":
            path = f"pod_123-456.slice:crunw:{bundle.id}"
        return bundle.change(linux__cgroupsPath=path)

    def group(self, bundle: Bundle) -> Path:
        if self.manager == "systemd":
            return TOP / "pod_123.slice/pod_123-456.slice" / self.unit(bundle)
        return TOP / "pod_123-456" / bundle.id

    def file(self, bundle: Bundle, name: str) -> str:
        return (self.group(bundle) / name).read_text().strip()

    def gone(self, bundle: Bundle) -> bool:
        """Whether neither cgroup nor unit is left."""
        state = show(self.unit(bundle), "LoadState")["LoadState"]
        return not self.group(bundle).exists() and state == "not-found"

    def wait_gone(self, bundle: Bundle) -> None:
        wait_for(lambda: self.gone(bundle), "the end of the scope")


@pytest.fixture(params=["cgroupfs", "systemd"])
def managed(request: pytest.FixtureRequest, crunw: Runtime) -> Managed:
    """The runtime with either manager."""
    return Managed(request.param, crunw)


@pytest.fixture
def systemd(crunw: Runtime) -> Managed:
    """The runtime with the systemd manager."""
    return Managed("systemd", crunw)


@pytest.fixture
def properties() -> Callable[..., dict[str, str]]:
    """``properties(unit, *names)``: what systemd says of a unit."""
    return show
