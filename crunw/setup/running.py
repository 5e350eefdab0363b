"""Running containers that a change of an engine's configuration would orphan.

CRI-O and podman leave a ``conmon`` with each container; its command line says what started it and
with which runtime (conmon(8)).
"""

from __future__ import annotations

import json
import os
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

_SANDBOX = "io.kubernetes.cri-o.SandboxID"
_HANDLER = "io.kubernetes.cri-o.RuntimeHandler"


class Container(NamedTuple):
    """``engine``: ``crio`` or ``podman``. ``handler``: that of the pod, by name; ``""``: none."""

    engine: str
    identity: str
    runtime: str  # the program's path
    handler: str


def orphans(
    engine: str, program: str, *, default: bool, uninstall: bool, proc: str = "/proc"
) -> list[Container]:
    """The containers that the engine could no longer stop after the change.

    CRI-O asks the default runtime of the moment about each container of a pod without a handler.
    podman and CRI-O can do nothing with a runtime whose name they don't know. containerd and Docker
    keep the runtime with the container.
    """
    found = [container for container in _containers(proc) if container.engine == engine]
    if uninstall:
        return [container for container in found if _same(container.runtime, program)]
    if engine == "crio" and default:
        return [
            container
            for container in found
            if not container.handler and not _same(container.runtime, program)
        ]
    return []


def _same(one: str, other: str) -> bool:
    return os.path.realpath(one) == os.path.realpath(other)


def _containers(proc: str) -> Iterator[Container]:
    for pid in filter(str.isdecimal, os.listdir(proc)):
        try:
            with open(f"{proc}/{pid}/cmdline", "rb") as file:
                words = os.fsdecode(file.read()).split("\0")
        except OSError:
            continue  # it has ended meanwhile
        if os.path.basename(words[0]) == "conmon":
            options = dict(reversed(list(pairwise(words))))  # the first counts
            if "-e" in words or not _runs(proc, options.get("-p", "")):
                continue  # it watches an exec, or its container has ended
            engine = "podman" if "--exit-command" in options else "crio"
            handler = _handler(options) if engine == "crio" else ""
            runtime = options.get("-r") or options.get("--runtime") or ""
            yield Container(engine, options.get("-c", ""), runtime, handler)


def _runs(proc: str, pid_file: str) -> bool:
    """Whether the container's first process is there: a monitor outlives it a little."""
    try:
        with open(pid_file, encoding="ascii") as file:
            return os.path.exists(f"{proc}/{file.read().strip() or 'none'}")
    except OSError:
        return False


def _handler(options: dict[str, str]) -> str:
    """The handler that the container's pod was started with."""
    directory = options.get("--persist-dir", "")
    sandbox = _annotations(directory).get(_SANDBOX, "")
    containers, _, rest = directory.rpartition(f"/{options.get('-c')}")
    return _annotations(f"{containers}/{sandbox}{rest}").get(_HANDLER, "")


def _annotations(directory: str) -> dict[str, str]:
    try:
        with open(f"{directory}/config.json", encoding="utf-8") as file:
            return dict(json.load(file).get("annotations") or {})
    except (OSError, ValueError):
        return {}
