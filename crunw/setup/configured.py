"""Whether the engines that are installed know crunw as a runtime."""

from __future__ import annotations

import json
import shutil
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crunw.setup.finding import OK, WARNING, Finding, read

if TYPE_CHECKING:
    from collections.abc import Callable

# Where each keeps its runtimes, below the top of its configuration.
_CRIO = ("crio", "runtime", "runtimes")
_PODMAN = ("engine", "runtimes")
_DOCKER = ("runtimes",)
_CONTAINERD = tuple(
    ("plugins", plugin, "containerd", "runtimes")
    for plugin in ("cri", "io.containerd.grpc.v1.cri", "io.containerd.cri.v1.runtime")
)


def engines(etc: str) -> list[Finding]:
    """One finding for each engine on PATH; ``etc`` has the configurations."""
    containerd = [f"{etc}/containerd/config.toml"]
    podman = [
        f"{etc}/containers/containers.conf",
        *_drop_ins(f"{etc}/containers/containers.conf.d"),
    ]
    crio = [f"{etc}/crio/crio.conf", *_drop_ins(f"{etc}/crio/crio.conf.d")]
    return [
        finding
        for finding in (
            _engine("crio", "crio", crio, tomllib.loads, _CRIO),
            _engine("containerd", "containerd", containerd, tomllib.loads, *_CONTAINERD),
            _engine("podman", "podman", podman, tomllib.loads, _PODMAN),
            _engine("docker", "dockerd", [f"{etc}/docker/daemon.json"], json.loads, _DOCKER),
        )
        if finding
    ]


def _engine(
    name: str,
    program: str,
    files: list[str],
    parse: Callable[[str], dict[str, Any]],
    *places: tuple[str, ...],
) -> Finding | None:
    if not shutil.which(program):
        return None
    for path in files:
        try:
            settings = parse(read(path) or "")
        except ValueError:
            continue
        for place in places:
            if "crunw" in _at(settings, place):
                return Finding(name, OK, f"{path} has the runtime crunw")
    return Finding(name, WARNING, "does not know crunw", f"crunw install {name}")


def _at(settings: Any, place: tuple[str, ...]) -> dict[str, Any]:
    for key in place:
        settings = settings.get(key, {}) if isinstance(settings, dict) else {}
    return settings if isinstance(settings, dict) else {}


def _drop_ins(directory: str) -> list[str]:
    return sorted(str(path) for path in Path(directory).glob("*.conf"))
