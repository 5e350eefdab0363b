"""Whether the installed engines know crunw: what their files say, then what they say."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tomllib
from typing import TYPE_CHECKING, Any

from crunw.errors import CrunwError, KernelError
from crunw.setup import containerd, dropins, tomltext
from crunw.setup.change import parse_json, read
from crunw.setup.finding import BROKEN, INFO, OK, WARNING, Finding

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    # The files of an engine, how one is read, where the runtimes are in it, what is loaded.
    _Ways = tuple[
        Callable[[str], list[str]],
        Callable[[str], dict[str, Any]],
        tuple[tuple[str, ...], ...],
        Callable[[], str],
    ]

# Where each keeps its runtimes, below the top of its configuration.
_CRIO = ("crio", "runtime", "runtimes")
_PODMAN = ("engine", "runtimes")
_DOCKER = ("runtimes",)
_CONTAINERD = tuple(
    ("plugins", plugin, "containerd", "runtimes")
    for plugin in ("cri", "io.containerd.grpc.v1.cri", "io.containerd.cri.v1.runtime")
)
_SECONDS = 30  # an engine that takes longer to answer does not


class _NoAnswerError(Exception):
    """The engine does not run, or does not say."""


def engines(etc: str) -> list[Finding]:
    """One finding for each engine on PATH; ``etc`` has the configurations."""
    return [
        _engine(name, etc, (files, parse, places, loaded))
        for name, program, files, parse, places, loaded in (
            ("crio", "crio", dropins.crio_files, _toml, (_CRIO,), _crio),
            ("containerd", "containerd", _containerd_files, _toml, _CONTAINERD, _containerd),
            ("podman", "podman", _podman_files, _toml, (_PODMAN,), _podman),
            ("docker", "dockerd", _docker_files, _json, (_DOCKER,), _docker),
        )
        if shutil.which(program)
    ]


def _engine(name: str, etc: str, ways: _Ways) -> Finding:
    """What the files say; where they name crunw, what the engine says."""
    files, parse, places, loaded = ways
    install = f"crunw install {name}"
    runtime, path = None, ""
    try:
        for file in files(etc):
            settings = parse(file)
            for place in places:
                if found := tomltext.lookup(settings, (*place, "crunw")):
                    runtime, path = found, file
    except KernelError as error:
        return Finding(name, WARNING, str(error), "crunw doctor as root can tell")
    except CrunwError as error:
        return Finding(name, BROKEN, str(error), f"mend the file: {name} can't read it either")
    if not runtime:
        return Finding(name, INFO, "not set up for crunw", install)
    if problem := _problem(runtime):
        return Finding(name, BROKEN, f"{path}: {problem}", install)
    return _loaded(name, f"{path} has the runtime crunw", loaded)


def _loaded(name: str, configured: str, ask: Callable[[], str]) -> Finding:
    """Whether an engine that is configured knows crunw now."""
    try:
        program = ask()
    except _NoAnswerError as error:
        return Finding(name, INFO, f"{configured}; {error}")
    if not program:
        found = f"{configured}; {name} has not read it"
        return Finding(name, WARNING, found, f"systemctl restart {name}")
    return Finding(name, OK, f"has loaded the runtime crunw, {program}")


def _problem(runtime: Any) -> str:
    """What is wrong with an engine's settings of the runtime; ``""``: nothing that shows."""
    for program in _programs(runtime):
        if not os.access(program, os.X_OK):
            return f"the runtime crunw is {program}, which can't be executed"
    allowed = runtime.get("allowed_annotations", []) if isinstance(runtime, dict) else []
    for name in dropins.NOT_ANNOTATIONS:
        if isinstance(allowed, list) and name in allowed:
            return f"CRI-O does not start with {name!r} in allowed_annotations"
    return ""


def _programs(runtime: Any) -> Iterator[str]:
    """The paths of the runtime in any engine's settings: podman takes the first that exists."""
    if isinstance(runtime, list):
        paths = [path for path in runtime if isinstance(path, str)]
        yield from [path for path in paths if os.path.exists(path)][:1] or paths[:1]
    elif isinstance(runtime, dict):
        options = runtime.get("options")
        tables = [runtime, options if isinstance(options, dict) else {}]
        for key in ("runtime_path", "path", "BinaryName"):
            yield from (table[key] for table in tables if str(table.get(key)).startswith("/"))


def _toml(path: str) -> dict[str, Any]:
    return tomltext.parse(path, read(path) or "")


def _json(path: str) -> dict[str, Any]:
    settings = parse_json(path, read(path))
    return settings if isinstance(settings, dict) else {}


def _podman_files(etc: str) -> list[str]:
    """Those of the node, then the user's own."""
    files = dropins.podman_files(etc)
    if os.geteuid():
        own = os.environ.get("XDG_CONFIG_HOME") or os.path.expanduser("~/.config")
        files += dropins.podman_files(own)
    return files


def _containerd_files(etc: str) -> list[str]:
    path = f"{etc}/containerd/config.toml"
    return [path, *containerd.imports(path, _toml(path))]


def _docker_files(etc: str) -> list[str]:
    return [f"{etc}/docker/daemon.json"]


def _crio() -> str:
    """What the running CRI-O says."""
    settings = _settings("crio", "status", "config")
    runtime = tomltext.lookup(settings, (*_CRIO, "crunw")) or {}
    return str(runtime.get("runtime_path", ""))


def _containerd() -> str:
    """What containerd makes of its files; a running one is not asked."""
    settings = _settings("containerd", "config", "dump")
    for place in _CONTAINERD:
        if runtime := tomltext.lookup(settings, (*place, "crunw")):
            return str(tomltext.lookup(runtime, ("options", "BinaryName")) or "")
    return ""


def _podman() -> str:
    """What podman says, which has no daemon."""
    template = "{{.Host.OCIRuntime.Path}}"
    try:
        return _answer("podman", "--runtime", "crunw", "info", "--format", template)
    except _NoAnswerError as error:
        if "not found" in str(error):
            return ""
        raise


def _docker() -> str:
    """What the running dockerd says."""
    runtimes = json.loads(_answer("docker", "info", "--format", "{{json .Runtimes}}")) or {}
    return str(tomltext.lookup(runtimes, ("crunw", "path")) or "")


def _settings(*command: str) -> dict[str, Any]:
    try:
        return tomllib.loads(_answer(*command))
    except tomllib.TOMLDecodeError as error:
        raise _NoAnswerError(f"{' '.join(command)}: {error}") from None


def _answer(*command: str) -> str:
    """What a command prints. Raises :class:`_NoAnswerError`."""
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=_SECONDS
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise _NoAnswerError(f"{' '.join(command)}: {error}") from None
    if done.returncode:
        lines = done.stderr.strip().splitlines() or [f"exit status {done.returncode}"]
        raise _NoAnswerError(f"{' '.join(command[:3])}: {lines[-1]}")
    return done.stdout.strip()
