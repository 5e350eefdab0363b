"""The node's configuration file; what is compiled and kept may be said by an annotation, too.

::

    [aot]
    policy = "auto"        # or "always", "off"
    max-size = "1G"        # of the cache, with all that waits to be compiled
    max-module = "256M"    # larger modules are interpreted
    wait = "30s"           # for which a start waits for code; default: 30s in a pod, else 0

    [plugins]
    directory = "/usr/lib/wasmedge"    # default: containers are given no plugins

    [engine]
    wasmtime = "/opt/wasmtime/lib/libwasmtime.so"    # default: where pip and crunw put it

Reading TOML takes longer than a whole start. What a file says is kept below ``places.run_dir()``
under the file's identity.
"""

from __future__ import annotations

import posix

from crunw.aot import places
from crunw.errors import CrunwError, KernelError, SpecError
from crunw.files import is_file

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from typing import Any

FILE = "/etc/crunw/crunw.toml"
ANNOTATION = "run.oci.wasm.aot"
WAIT_ANNOTATION = "run.oci.wasm.aot-wait"
POLICIES = ("auto", "always", "off")
DEFAULT_SIZE = 1 << 30
DEFAULT_MODULE = 256 << 20
POD_WAIT = 30.0  # s: a pod lives long, and kubelet waits two minutes for a container
# Set by CRI implementations: the container is one of a pod.
_CRI_TYPES = ("io.kubernetes.cri.container-type", "io.kubernetes.cri-o.ContainerType")
_KEPT = 6  # lines of a note, one for each setting
_UNITS = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}
_TABLES = ("aot", "engine", "plugins")
_LONGEST = 86400.0  # s, of a duration: the kernel's clocks have an end
_TIMES = (("ms", 0.001), ("s", 1.0), ("m", 60.0))


class Config:
    """The settings. Sizes are in bytes, ``wait`` in seconds; -1: as the kind of container asks.

    ``plugin_directory`` is where WasmEdge's plugins are, ``wasmtime`` that engine's library.
    """

    __slots__ = ("max_module", "max_size", "plugin_directory", "policy", "wait", "wasmtime")

    def __init__(
        self,
        policy: str = "auto",
        max_size: int = DEFAULT_SIZE,
        plugin_directory: str = "",
        max_module: int = DEFAULT_MODULE,
        wait: float = -1,
        wasmtime: str = "",
    ) -> None:
        self.policy = policy
        self.max_size = max_size
        self.plugin_directory = plugin_directory
        self.max_module = max_module
        self.wait = wait
        self.wasmtime = wasmtime


def policy(annotations: Mapping[str, str]) -> str:
    """The policy for a container. Raises :class:`SpecError`, :class:`CrunwError`."""
    asked = annotations.get(ANNOTATION)
    if asked is None:
        return load().policy
    if asked not in POLICIES:
        raise SpecError(f"annotations.{ANNOTATION}", f"{asked!r} is not one of {_known()}")
    return asked


def wait(annotations: Mapping[str, str]) -> float:
    """For how many seconds a start may wait for compiled code.

    Raises :class:`SpecError`, :class:`CrunwError`.
    """
    asked = annotations.get(WAIT_ANNOTATION)
    if asked is not None:
        try:
            return duration(asked)
        except ValueError:
            problem = f"invalid duration {asked!r} (examples: 0, 500ms, 30s, 2m)"
            raise SpecError(f"annotations.{WAIT_ANNOTATION}", problem) from None
    configured = load().wait
    if configured >= 0:
        return configured
    return POD_WAIT if any(name in annotations for name in _CRI_TYPES) else 0.0


def load(path: str = FILE) -> Config:
    """The configuration file's settings, or the defaults without one. Raises :class:`CrunwError`.

    One that can't be reached is an error: it may say that nothing is to be compiled.
    """
    try:
        status = posix.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return Config()
    except OSError as error:
        raise KernelError("read", path, error) from None
    if not is_file(status):
        raise CrunwError(f"{path}: is not a regular file")
    name = places.identity(status)
    kept = places.read(places.note("config", name)).split("\n")
    if len(kept) == _KEPT:
        return Config(kept[0], int(kept[1]), kept[2], int(kept[3]), float(kept[4]), kept[5])
    config = _parse(path)
    text = (
        f"{config.policy}\n{config.max_size}\n{config.plugin_directory}\n{config.max_module}\n"
        f"{config.wait}\n{config.wasmtime}"
    )
    places.write_note("config", name, text)
    return config


def duration(text: str) -> float:
    """Seconds of a duration as ``500ms``, ``30s``, ``2m`` or ``0``. Raises ValueError."""
    for unit, seconds in _TIMES:
        if text.endswith(unit):
            found = _not_negative(text.removesuffix(unit)) * seconds
            break
    else:
        found = _not_negative(text)
        if found:
            raise ValueError(text)
    if found > _LONGEST:
        raise ValueError(text)
    return found


def _not_negative(text: str) -> float:
    if not text.replace(".", "", 1).isdecimal():
        raise ValueError(text)
    return float(text)


def size(text: str) -> int:
    """Bytes of a size as ``512M``. Raises ValueError."""
    unit = _UNITS.get(text[-1:].upper(), 0)
    number = text[:-1] if unit else text
    if not number.isascii() or not number.isdecimal():
        raise ValueError(text)
    return int(number) * (unit or 1)


def _parse(path: str) -> Config:
    import tomllib

    try:
        with open(path, "rb") as file:
            document = tomllib.load(file)
    except OSError as error:
        raise KernelError("read", path, error) from None
    except UnicodeDecodeError as error:
        raise CrunwError(f"{path}: is not UTF-8 text: byte {error.start + 1}") from None
    except RecursionError:
        raise CrunwError(f"{path}: is nested too deep") from None
    except ValueError as error:
        raise CrunwError(f"{path}: {error}") from None
    for name in document:
        if name not in _TABLES:
            raise CrunwError(f"{path}: unknown table {name} (there are {', '.join(_TABLES)})")
    table = _table(path, document, "aot", ("policy", "max-size", "max-module", "wait"))
    directory = _path(path, document, "plugins", "directory")
    wasmtime = _path(path, document, "engine", "wasmtime")
    name = table.get("policy", "auto")
    if name not in POLICIES:
        raise CrunwError(f"{path}: aot.policy: {name!r} is not one of {_known()}")
    return Config(
        name,
        _size(path, table, "max-size", DEFAULT_SIZE),
        directory,
        _size(path, table, "max-module", DEFAULT_MODULE),
        _wait(path, table),
        wasmtime,
    )


def _path(path: str, document: dict[str, Any], name: str, key: str) -> str:
    found: object = _table(path, document, name, (key,)).get(key, "")
    if not isinstance(found, str) or (found and not found.startswith("/")):
        raise CrunwError(f"{path}: {name}.{key}: {found!r} is not an absolute path")
    return found


def _size(path: str, table: dict[str, Any], key: str, default: int) -> int:
    text = table.get(key, default)
    try:
        return size(str(text))
    except ValueError:
        raise CrunwError(f"{path}: aot.{key}: {text!r} is not a size such as 512M") from None


def _wait(path: str, table: dict[str, Any]) -> float:
    if "wait" not in table:
        return -1
    text = table["wait"]
    try:
        return duration(str(text))
    except ValueError:
        problem = f"aot.wait: invalid duration {text!r} (examples: 0, 500ms, 30s, 2m)"
        raise CrunwError(f"{path}: {problem}") from None


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
