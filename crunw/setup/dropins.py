"""Engines that read a directory of configuration files: crunw gets a file of its own there.

What somebody has added to that file stays: only the settings of crunw are written.
"""

from __future__ import annotations

import glob
import os
import re
import shutil
import subprocess
from typing import Any

from crunw.errors import CrunwError
from crunw.setup import tomltext
from crunw.setup.change import Change, read

_MARK = "# Written by `crunw install"
_CRIO_RUNTIMES = ("crio", "runtime", "runtimes")
_CRIO_DEFAULT = ("crio", "runtime", "default_runtime")
# What CRI-O's own list (pkg/annotations) has of those that crunw reads; it refuses any other.
_ANNOTATIONS = ["run.oci.", "module.wasm.image/variant"]
# Once written by crunw install; CRI-O does not start with it.
NOT_ANNOTATIONS = ["module.wasm.image/"]
_MIN_MEMORY = "500KiB"  # as CRI-O has it for crun; without it 12 MiB
_INHERITED = ("monitor_path", "monitor_cgroup", "monitor_env")
_PODMAN_DEFAULT = ("engine", "runtime")
# Of images; podman takes crun-wasm for those of wasi, whatever --runtime says, and knows no wasip1.
_PLATFORMS = ("wasi/wasm", "wasi/wasm32", "wasi/wasm64", "wasip1/wasm")


def crio(etc: str, program: str, *, default: bool, uninstall: bool) -> list[Change]:
    """CRI-O (crio.conf.d(5)). The number makes it win over what distributions put there."""
    path = f"{etc}/crio/crio.conf.d/60-crunw.conf"
    before = _own(path)
    own = (*_CRIO_RUNTIMES, "crunw")
    if uninstall:
        settings = tomltext.parse(path, before or "")
        paths: list[tomltext.Path] = [own]
        if tomltext.lookup(settings, _CRIO_DEFAULT) == "crunw":
            paths.append(_CRIO_DEFAULT)
        return [_without(path, before, *paths)]
    earlier = tomltext.lookup(tomltext.parse(path, before or ""), own) or {}
    annotations = [
        name
        for name in earlier.get("allowed_annotations", [])
        if name not in (*_ANNOTATIONS, *NOT_ANNOTATIONS)
    ]
    runtime = {
        "runtime_path": program,
        "runtime_type": "oci",
        "runtime_root": "/run/crunw",
        "allowed_annotations": [*_ANNOTATIONS, *annotations],
    }
    runtime |= {"container_min_memory": _MIN_MEMORY} | _monitor(etc, path) | _only(earlier)
    tree: dict[str, Any] = {"default_runtime": "crunw"} if default else {}
    tree["runtimes"] = {"crunw": runtime}
    return [_with(path, before, "crio", {"crio": {"runtime": tree}})]


def _only(earlier: dict[str, Any]) -> dict[str, Any]:
    """What an administrator may have set otherwise, unless it has become wrong."""
    names = ["container_min_memory", *_INHERITED]
    if not os.path.exists(earlier.get("monitor_path", "/")):
        names.remove("monitor_path")
    return {name: earlier[name] for name in names if name in earlier}


def _monitor(etc: str, own: str) -> dict[str, Any]:
    """Where the default runtime of before has its conmon: packages of CRI-O bring their own."""
    settings: dict[str, Any] = {}
    for path in crio_files(etc):
        if path != own:
            _merge(settings, tomltext.parse(path, read(path) or ""))
    name = tomltext.lookup(settings, _CRIO_DEFAULT) or "crun"
    handler = tomltext.lookup(settings, (*_CRIO_RUNTIMES, name)) or {}
    return {name: handler[name] for name in _INHERITED if handler.get(name)}


def _merge(settings: dict[str, Any], more: dict[str, Any], depth: int = 4) -> None:
    """As CRI-O does: a runtime of a later file replaces that of an earlier one as a whole."""
    for name, value in more.items():
        inner = settings.get(name)
        if depth > 1 and isinstance(inner, dict) and isinstance(value, dict):
            _merge(inner, value, depth - 1)
        else:
            settings[name] = value


def crio_files(etc: str) -> list[str]:
    """The configuration files, in the order in which CRI-O reads them."""
    return [f"{etc}/crio/crio.conf", *_below(f"{etc}/crio/crio.conf.d")]


def _below(directory: str) -> list[str]:
    """All files, also hidden ones and those of directories in it: CRI-O takes them all."""
    found = []
    for name in sorted(os.listdir(directory)) if os.path.isdir(directory) else []:
        path = f"{directory}/{name}"
        found += _below(path) if os.path.isdir(path) else [path]
    return found


def podman_files(etc: str) -> list[str]:
    """The configuration files below ``etc``, in the order in which podman reads them."""
    drop_ins = glob.glob(f"{glob.escape(etc)}/containers/containers.conf.d/*.conf")
    return [f"{etc}/containers/containers.conf", *sorted(drop_ins)]


def podman(etc: str, program: str, *, default: bool, uninstall: bool) -> list[Change]:
    """podman and buildah (containers.conf(5)).

    podman asks a runtime for errors as JSON, and runs it without cgroups, only when it knows its
    name. Version 5 lets a file add to the lists of names; before it, a list here would replace
    podman's own. The name of the second has been read both with and without the last letter.
    """
    path = f"{etc}/containers/containers.conf.d/crunw.conf"
    before = _own(path)
    lists = ("runtime_supports_json", "runtime_supports_nocgroup", "runtime_supports_nocgroups")
    if uninstall:
        settings = tomltext.parse(path, before or "")
        paths: list[tomltext.Path] = [("engine", "runtimes", "crunw")]
        paths += [("engine", "platform_to_oci_runtime", name) for name in _PLATFORMS]
        paths += [("engine", name) for name in lists]
        if tomltext.lookup(settings, _PODMAN_DEFAULT) == "crunw":
            paths.append(_PODMAN_DEFAULT)
        return [_without(path, before, *paths)]
    engine: dict[str, Any] = {"runtime": "crunw"} if default else {}
    if _podman_version() >= 5:
        engine |= {name: ["crunw", {"append": True}] for name in lists}
    engine["runtimes"] = {"crunw": [program]}
    engine["platform_to_oci_runtime"] = dict.fromkeys(_PLATFORMS, "crunw")
    return [_with(path, before, "podman", {"engine": engine})]


def kubernetes(etc: str, program: str, *, default: bool, uninstall: bool) -> list[Change]:
    """The RuntimeClass (node.k8s.io/v1) that pods name, a manifest for ``kubectl apply``."""
    if default:
        raise CrunwError(
            "--default: Kubernetes has no default RuntimeClass; make crunw that of CRI-O"
        )
    path = f"{etc}/kubernetes/crunw-runtimeclass.yaml"
    text = f"""{_MARK} kubernetes`; apply it with kubectl.
apiVersion: node.k8s.io/v1
kind: RuntimeClass
metadata:
  name: crunw
handler: crunw
"""
    return [Change(path, _own(path), None if uninstall else text)]


def _own(path: str) -> str | None:
    """The text of a file of ours. Raises :class:`CrunwError` for one that is not."""
    before = read(path)
    if before is not None and not before.startswith(_MARK):
        raise CrunwError(f"{path}: was not written by crunw install; move it away")
    return before


def _with(path: str, before: str | None, engine: str, settings: dict[str, Any]) -> Change:
    text = before
    if text is None:
        text = f"{_MARK} {engine}`; crunw install {engine} --uninstall removes it.\n"
    tomltext.parse(path, text)
    try:
        return Change(path, before, tomltext.merge(text, settings))
    except tomltext.UnsafeError as error:
        raise CrunwError(f"{path}: {error}; move it away, and install again") from None


def _without(path: str, before: str | None, *paths: tomltext.Path) -> Change:
    """Without crunw's settings; no file where nothing is left of it."""
    if before is None:
        return Change(path, None, None)
    after = tomltext.remove(before, *paths)
    return Change(path, before, after if tomltext.parse(path, after) else None)


def _podman_version() -> int:
    """The installed podman's major version; without one the newest that is known."""
    program = shutil.which("podman")
    if not program:
        return 5
    words = [program, "--version"]
    version = subprocess.run(words, capture_output=True, text=True, check=False).stdout
    found = re.search(r"version (\d+)", version)
    return int(found[1]) if found else 5


# The files that set the default runtime, in the engine's order, and its place in them.
LATER_DEFAULT = {
    "crio": (crio_files, _CRIO_DEFAULT),
    "podman": (podman_files, _PODMAN_DEFAULT),
}


def later_default(engine: str, etc: str) -> str:
    """The file that is read after crunw's and names another default runtime; ``""``: none does."""
    files, key = LATER_DEFAULT[engine]
    found = ""
    for path in files(etc):
        if name := tomltext.lookup(tomltext.parse(path, read(path) or ""), key):
            found = "" if name == "crunw" else path
    return found
