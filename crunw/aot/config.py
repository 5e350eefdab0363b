"""What is compiled and kept: an annotation of the container, else the configuration file.

::

    [aot]
    policy = "auto"      # or "always", "off"
    max-size = "1G"      # of the cache

Reading TOML takes longer than a whole start. What a file says is kept below ``places.run_dir()``
under the file's identity.
"""

from __future__ import annotations

import posix

from crunw.aot import places
from crunw.errors import CrunwError, SpecError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

FILE = "/etc/crunw/crunw.toml"
ANNOTATION = "run.oci.wasm.aot"
POLICIES = ("auto", "always", "off")
DEFAULT_SIZE = 1 << 30
_UNITS = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}


class Config:
    """The settings: the policy, the cache's largest size in bytes."""

    __slots__ = ("max_size", "policy")

    def __init__(self, policy: str = "auto", max_size: int = DEFAULT_SIZE) -> None:
        self.policy = policy
        self.max_size = max_size


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
    policy_name, _, max_size = places.read(places.note("config", name)).partition(" ")
    if max_size:
        return Config(policy_name, int(max_size))
    config = _parse(path)
    places.write_note("config", name, f"{config.policy} {config.max_size}")
    return config


def size(text: str) -> int:
    """Bytes of a size as ``512M``. Raises ValueError."""
    unit = _UNITS.get(text[-1:].upper(), 0)
    return int(text[:-1]) * unit if unit else int(text)


def _parse(path: str) -> Config:
    import tomllib

    try:
        with open(path, "rb") as file:
            table = tomllib.load(file).get("aot", {})
    except (OSError, ValueError) as error:
        raise CrunwError(f"{path}: {error}") from None
    if not isinstance(table, dict):
        raise CrunwError(f"{path}: aot is not a table")
    for key in table:
        if key not in ("policy", "max-size"):
            raise CrunwError(f"{path}: unknown key aot.{key}")
    name = table.get("policy", "auto")
    if name not in POLICIES:
        raise CrunwError(f"{path}: aot.policy: {name!r} is not one of {_known()}")
    text = table.get("max-size", DEFAULT_SIZE)
    try:
        return Config(name, size(str(text)))
    except ValueError:
        raise CrunwError(f"{path}: aot.max-size: {text!r} is not a size, as 512M") from None


def _known() -> str:
    return ", ".join(POLICIES)
