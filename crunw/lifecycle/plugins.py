"""The plugins of WasmEdge that a container asks for: native code that the node has chosen."""

from __future__ import annotations

from crunw.aot.config import FILE, load
from crunw.errors import SpecError
from crunw.files import exists
from crunw.plan.wasm import plugin_path
from crunw.plan.wasm_settings import PLUGINS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable


def find_plugins(names: Iterable[str]) -> str:
    """The directory in which the plugins are. Raises :class:`SpecError` where one is not."""
    directory = load().plugin_directory
    if not directory:
        raise SpecError(
            f"annotations.{PLUGINS}", f"this node has none: {FILE} has no plugins.directory"
        )
    for name in names:
        path = plugin_path(directory, name)
        if not exists(path):
            raise SpecError(f"annotations.{PLUGINS}", f"this node has no {name}: no file {path}")
    return directory
