"""Engines that read a directory of configuration files: crunw gets a file of its own there."""

from __future__ import annotations

import re
import shutil
import subprocess

from crunw.errors import CrunwError
from crunw.setup.change import Change, read

_MARK = "# Written by `crunw install"


def crio(etc: str, program: str, *, default: bool, uninstall: bool) -> list[Change]:
    """CRI-O (crio.conf.d(5)). The number makes it win over what distributions put there."""
    runtime = '[crio.runtime]\ndefault_runtime = "crunw"\n\n' if default else ""
    text = f"""{_MARK} crio`; crunw install crio --uninstall removes it.

{runtime}[crio.runtime.runtimes.crunw]
runtime_path = "{program}"
runtime_type = "oci"
runtime_root = "/run/crunw"
allowed_annotations = ["run.oci.", "module.wasm.image/"]
"""
    return [_file(f"{etc}/crio/crio.conf.d/60-crunw.conf", None if uninstall else text)]


def podman(etc: str, program: str, *, default: bool, uninstall: bool) -> list[Change]:
    """podman and buildah (containers.conf(5)).

    podman asks a runtime for errors as JSON only when it knows its name. Version 5 lets a file add
    to the list of names; before it, a list here would replace podman's own.
    """
    engine = ['runtime = "crunw"'] if default else []
    if _podman_version() >= 5:
        engine += [
            'runtime_supports_json = ["crunw", {append = true}]',
            'runtime_supports_nocgroups = ["crunw", {append = true}]',
        ]
    head = "\n".join(["[engine]", *engine]) + "\n\n" if engine else ""
    text = f"""{_MARK} podman`; crunw install podman --uninstall removes it.

{head}[engine.runtimes]
crunw = ["{program}"]
"""
    return [_file(f"{etc}/containers/containers.conf.d/crunw.conf", None if uninstall else text)]


def kubernetes(etc: str, program: str, *, default: bool, uninstall: bool) -> list[Change]:
    """The RuntimeClass (node.k8s.io/v1) that pods name, a manifest for ``kubectl apply``."""
    if default:
        raise CrunwError(
            "--default: Kubernetes has no default RuntimeClass; make crunw that of CRI-O"
        )
    text = f"""{_MARK} kubernetes`; apply it with kubectl.
apiVersion: node.k8s.io/v1
kind: RuntimeClass
metadata:
  name: crunw
handler: crunw
"""
    return [_file(f"{etc}/kubernetes/crunw-runtimeclass.yaml", None if uninstall else text)]


def _file(path: str, after: str | None) -> Change:
    """A file that is all ours. Raises :class:`CrunwError` for one that is not."""
    before = read(path)
    if before is not None and not before.startswith(_MARK):
        raise CrunwError(f"{path}: was not written by crunw install; move it away")
    return Change(path, before, after)


def _podman_version() -> int:
    """The installed podman's major version; without one the newest that is known."""
    program = shutil.which("podman")
    if not program:
        return 5
    words = [program, "--version"]
    version = subprocess.run(words, capture_output=True, text=True, check=False).stdout
    found = re.search(r"version (\d+)", version)
    return int(found[1]) if found else 5
