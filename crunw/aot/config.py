"""The node's configuration file; what is compiled and kept may be said by an annotation, too.

::

    [aot]
    policy = "auto"      # or "always", "off"
    max-size = "1G"      # of the cache

    [plugins]
    directory = "/usr/lib/wasmedge"    # default: containers are given no plugins

Reading TOML takes longer than a whole start. What a file says is kept below ``places.run_dir()``
under the file's identity.
"""

from __future__ import annotations

import posix

from crunw.aot import places
from crunw.errors import CrunwError, SpecError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from typing import Any

FILE = "/etc/crunw/crunw.toml"
ANNOTATION = "run.oci.wasm.aot"
POLICIES = ("auto", "always", "off")
DEFAULT_SIZE = 1 << 30
_KEPT = 3  # lines of a note, one for each setting
_UNITS = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}


class Config:
    """The settings: the policy, the cache's largest size in bytes, where WasmEdge's plugins are."""

    __slots__ = ("max_size", "plugin_directory", "policy")

    def __init__(
        self, policy: str = "auto", max_size: int = DEFAULT_SIZE, plugin_directory: str = ""
    ) -> None:
        self.policy = policy
        self.max_size = max_size
        self.plugin_directory = plugin_directory


def policy(annotations: Mapping[str, str]) -> str:
    """The policy for a container. Raises :class:`SpecError`, :class:`CrunwError`."""
    asked = annotations.get(ANNOTATION)
    if asked is None:
        return load().policy
    if asked not in POLICIES:
        raise SpecError(f"annotations.{ANNOTATION}", f"{asked!r} is not one of {_known()}")
    return asked


def load(path: str = FILE) -> Config:
    """The configuration file's settings, or the defaults. Raises :class:`CrunwError`."""
    try:
        status = posix.stat(path)
    except OSError:
        return Config()
    name = places.identity(status)
    kept = places.read(places.note("config", name)).split("\n")
    if len(kept) == _KEPT:
        return Config(kept[0], int(kept[1]), kept[2])
    config = _parse(path)
    text = f"{config.policy}\n{config.max_size}\n{config.plugin_directory}"
    places.write_note("config", name, text)
    return config


def size(text: str) -> int:
    """Bytes of a size as ``512M``. Raises ValueError."""
    unit = _UNITS.get(text[-1:].upper(), 0)
    return int(text[:-1]) * unit if unit else int(text)


def _parse(path: str) -> Config:
    import tomllib

    try:
        with open(path, "rb") as file:
            document = tomllib.load(file)
    except (OSError, ValueError) as error:
        raise CrunwError(f"{path}: {error}") from None
    table = _table(path, document, "aot", ("policy", "max-size"))
    directory = _table(path, document, "plugins", ("directory",)).get("directory", "")
    if directory and not (isinstance(directory, str) and directory.startswith("/")):
        raise CrunwError(f"{path}: plugins.directory: {directory!r} is not an absolute path")
    name = table.get("policy", "auto")
    if name not in POLICIES:
        raise CrunwError(f"{path}: aot.policy: {name!r} is not one of {_known()}")
    text = table.get("max-size", DEFAULT_SIZE)
    try:
        return Config(name, size(str(text)), directory)
    except ValueError:
        raise CrunwError(f"{path}: aot.max-size: {text!r} is not a size, as 512M") from None


def _table(path: str, document: dict[str, Any], name: str, keys: Collection[str]) -> dict[str, Any]:
    table = document.get(name, {})
    if not isinstance(table, dict):
        raise CrunwError(f"{path}: {name} is not a table")
    for key in table:
        if key not in keys:
            raise CrunwError(f"{path}: unknown key {name}.{key}")
    return table


def _known() -> str:
    return ", ".join(POLICIES)
