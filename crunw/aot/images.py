"""The images of the engines on this host, each as a directory, for ``crunw cache warm``."""

from __future__ import annotations

import json
import os
import subprocess
import tomllib
from contextlib import ExitStack, contextmanager
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from crunw.errors import CrunwError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_NAMESPACES = ("k8s.io", "default")  # containerd's for Kubernetes, and ctr's own


class _LacksError(CrunwError):
    """Why an engine has no such image: it is not there, does not answer, or does not know it."""


@contextmanager
def opened(image: str, engines: Sequence[str]) -> Iterator[str]:
    """The root directory of ``image``, from the first of the engines that has it.

    Raises :class:`CrunwError`.
    """
    ways = {"podman": _podman, "crio": _crio, "containerd": _containerd, "docker": _docker}
    reasons = []
    with ExitStack() as stack:
        for engine in engines:
            try:
                directory = stack.enter_context(ways[engine](image))
                break
            except _LacksError as error:
                reasons.append(f"{engine}: {error}")
        else:
            raise CrunwError(f"{image}: no engine has this image ({'; '.join(reasons)})")
        yield directory


@contextmanager
def _podman(image: str) -> Iterator[str]:
    directory = _answer("podman", "image", "mount", "--", image)
    try:
        yield directory
    finally:
        _answer("podman", "image", "unmount", "--", image)


@contextmanager
def _crio(image: str) -> Iterator[str]:
    """CRI-O can't be asked for an image's files: they are read from its storage."""
    command = ("crio", "status", "config")
    with _understanding(command):
        settings = tomllib.loads(_answer(*command))["crio"]
        driver, root = settings["storage_driver"], settings["root"]
    if driver != "overlay":
        raise _LacksError(f"the storage driver is {driver}, not overlay")
    overlay = f"{root}/overlay"
    with _merged(overlay, _layers(overlay, image)) as directory:
        yield directory


def _layers(overlay: str, image: str) -> list[str]:
    """The ids of the image's layers in containers-storage, the uppermost first."""
    listed, chain = f"{overlay}-images/images.json", f"{overlay}-layers/layers.json"
    wanted = _names(image)
    with _understanding((listed,)):
        images = json.loads(_read(listed))
        tops = [each["layer"] for each in images if wanted.intersection(each.get("names") or ())]
    if not tops:
        raise _LacksError("it does not know the image")
    found, top = [], tops[0]
    with _understanding((chain,)):
        parents = {layer["id"]: layer.get("parent") for layer in json.loads(_read(chain))}
        while top:
            found.append(top)
            top = parents.pop(top)
    return found


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8") as file:
            return file.read()
    except OSError as error:
        raise _LacksError(f"{path}: {error.strerror}") from None


@contextmanager
def _containerd(image: str) -> Iterator[str]:
    for namespace in _NAMESPACES:
        ctr = ("ctr", "--namespace", namespace, "images")
        found = _names(image) & {*_answer(*ctr, "list", "--quiet").split()}
        if found:
            break
    else:
        raise _LacksError("it does not know the image")
    with TemporaryDirectory(prefix="crunw-") as directory:
        _answer(*ctr, "mount", found.pop(), directory)
        try:
            yield directory
        finally:
            _answer(*ctr, "unmount", "--rm", directory)


@contextmanager
def _docker(image: str) -> Iterator[str]:
    command = ("docker", "image", "inspect", "--format", "{{json .GraphDriver}}", image)
    with _understanding(command):
        storage = json.loads(_answer(*command))
        driver, data = storage["Name"], storage["Data"]
    if driver != "overlay2":
        raise _LacksError(f"the storage driver is {driver}, not overlay2")
    with _understanding(command):
        layers = [data["UpperDir"], *data.get("LowerDir", "").split(":")]
        places = [os.path.dirname(layer) for layer in layers if layer]
    with _merged(os.path.dirname(places[0]), [*map(os.path.basename, places)]) as directory:
        yield directory


@contextmanager
def _merged(overlay: str, layers: list[str]) -> Iterator[str]:
    """Layers one above the other, the uppermost first, as both overlay drivers keep them."""
    if len(layers) == 1:
        yield f"{overlay}/{layers[0]}/diff"
        return
    # By the short names that are there for that: mount options must fit into a page.
    lower = ":".join(f"l/{_read(f'{overlay}/{layer}/link')}" for layer in layers)
    with TemporaryDirectory(prefix="crunw-") as directory:
        options = ("-t", "overlay", "-o", f"ro,lowerdir={lower}")
        _answer("mount", *options, "overlay", directory, below=overlay)
        try:
            yield directory
        finally:
            _answer("umount", directory)


def _names(image: str) -> set[str]:
    """How engines write a name that a user may shorten."""
    last = image.rpartition("/")[2]
    full = image if ":" in last or "@" in last else f"{image}:latest"
    first, slash, _ = full.partition("/")
    if slash and (first == "localhost" or "." in first or ":" in first):
        return {full}
    hub = full if slash else f"library/{full}"
    return {full, f"localhost/{full}", f"docker.io/{hub}"}


@contextmanager
def _understanding(source: Sequence[str]) -> Iterator[None]:
    """Of a version whose answers, or files, are other ones: nothing is known of its images."""
    try:
        yield
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        why = f"{type(error).__name__}: {error}"
        raise _LacksError(f"{' '.join(source)}: unexpected content ({why})") from None


def _answer(*command: str, below: str | None = None) -> str:
    """What a command prints. Raises :class:`_LacksError`."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=below)
    except FileNotFoundError:
        raise _LacksError(f"{command[0]} is not installed") from None
    if done.returncode:
        lines = done.stderr.strip().splitlines() or [f"exit status {done.returncode}"]
        raise _LacksError(lines[-1].removeprefix("Error: "))
    return done.stdout.strip()
