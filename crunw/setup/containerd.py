"""containerd: a runtime in the one file that configures its CRI plugin.

The file is edited, not written anew, so that comments and layout stay. What is added or replaced is
marked, so that it can be found and taken back. A file beside it, read through ``imports``, would
replace all settings of the plugin before containerd 2.2.
"""

from __future__ import annotations

import re
import tomllib
from typing import Any

from crunw.errors import CrunwError
from crunw.setup.change import Change, read

# The name of the plugin that has the runtimes, by the version of the configuration.
_PLUGINS = {
    1: ("plugins", "cri"),
    2: ("plugins", "io.containerd.grpc.v1.cri"),
    3: ("plugins", "io.containerd.cri.v1.runtime"),
}
_BEGIN = "# >>> crunw install containerd"
_BEGIN_NEW = f"{_BEGIN}: this file is new"
_NEW_FILE = "version = 2\n"
_END = "# <<< crunw install containerd"
_DEFAULT = 'default_runtime_name = "crunw"'
_INSERTED = f"{_DEFAULT} # crunw install containerd"
_REPLACED = f"{_INSERTED}, before: "


def containerd(etc: str, program: str, *, default: bool, uninstall: bool) -> list[Change]:
    """Raises :class:`CrunwError` when the file can't be understood, or has a runtime ``crunw``."""
    path = f"{etc}/containerd/config.toml"
    before = read(path)
    text = _NEW_FILE if before is None else _without(before)
    fresh = before is None or _BEGIN_NEW in before
    if uninstall:
        return [Change(path, before, None if fresh and text == _NEW_FILE else text)]
    after = _with(text, program, default=default, begin=_BEGIN_NEW if fresh else _BEGIN)
    _check(path, text, after, program, default=default)
    return [Change(path, before, after)]


def _without(text: str) -> str:
    """The text as it was before crunw was put into it."""
    block = re.compile(f"^{_BEGIN}.*?^{_END}(?:\n|\\Z)", re.DOTALL | re.MULTILINE)
    if found := block.search(text):
        # The block ends without the line's end when the text before it did.
        cut = found.start() - (not found[0].endswith("\n"))
        text = text[: max(cut, 0)] + text[found.end() :]
    text = re.sub(rf"^([ \t]*){re.escape(_REPLACED)}(.*)$", r"\1\2", text, flags=re.MULTILINE)
    return re.sub(rf"^[ \t]*{re.escape(_INSERTED)}\n", "", text, flags=re.MULTILINE)


def _with(text: str, program: str, *, default: bool, begin: str) -> str:
    settings = _parse(text)
    plugin = _plugin(settings)
    table = ".".join(f'"{name}"' if "." in name else name for name in (*plugin, "containerd"))
    lines = [begin] if settings else [begin, "version = 2"]
    if default:
        edited = _make_default(text, (*plugin, "containerd"))
        if edited == text:
            lines += [f"[{table}]", f"  {_DEFAULT}"]
        text = edited
    lines += [
        f"[{table}.runtimes.crunw]",
        '  runtime_type = "io.containerd.runc.v2"',
        '  pod_annotations = ["run.oci.*", "module.wasm.image/*"]',
        '  container_annotations = ["run.oci.*", "module.wasm.image/*"]',
        f"[{table}.runtimes.crunw.options]",
        f'  BinaryName = "{program}"',
        _END,
    ]
    block = "\n".join(lines)
    return f"{text}\n{block}" if text and not text.endswith("\n") else f"{text}{block}\n"


def _make_default(text: str, table: tuple[str, ...]) -> str:
    """Set the default runtime's name in the table; the text as it was if it has no such table."""
    lines = text.split("\n")
    current: tuple[str, ...] = ()
    header = None
    for number, line in enumerate(lines):
        if line.lstrip().startswith("["):
            current = _path(line)
            header = number if current == table else header
        elif current == table and re.match(r"[ \t]*default_runtime_name[ \t]*=", line):
            indent = line[: len(line) - len(line.lstrip())]
            lines[number] = f"{indent}{_REPLACED}{line.lstrip()}"
            return "\n".join(lines)
    if header is not None:
        indent = lines[header][: len(lines[header]) - len(lines[header].lstrip())]
        lines.insert(header + 1, f"{indent}  {_INSERTED}")
    return "\n".join(lines)


def _path(header: str) -> tuple[str, ...]:
    """The names in a table's header; nothing for what is none."""
    tables: Any
    try:
        tables = tomllib.loads(header.strip())
    except tomllib.TOMLDecodeError:
        return ()
    names = []
    while isinstance(tables, dict) and tables:
        name, tables = next(iter(tables.items()))
        names.append(name)
    return tuple(names)


def _parse(text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise CrunwError(f"containerd/config.toml: {error}") from None


def _plugin(settings: dict[str, Any]) -> tuple[str, ...]:
    version = settings.get("version", 1) if settings else 2
    if version not in _PLUGINS:
        raise CrunwError(f"containerd/config.toml: unknown version {version}")
    return _PLUGINS[version]


def _check(path: str, original: str, after: str, program: str, *, default: bool) -> None:
    """The edited text must mean what it should: the old settings, and crunw."""
    settings = _parse(original)
    plugin = _plugin(settings)
    table = settings = settings or {"version": 2}
    for name in (*plugin, "containerd"):
        table = table.setdefault(name, {})
    if "crunw" in table.setdefault("runtimes", {}):
        raise CrunwError(f"{path}: has a runtime crunw, which crunw install has not made")
    annotations = ["run.oci.*", "module.wasm.image/*"]
    table["runtimes"]["crunw"] = {
        "runtime_type": "io.containerd.runc.v2",
        "pod_annotations": annotations,
        "container_annotations": annotations,
        "options": {"BinaryName": program},
    }
    if default:
        table["default_runtime_name"] = "crunw"
    try:
        understood = tomllib.loads(after) == settings
    except tomllib.TOMLDecodeError:
        understood = False
    if not understood:
        raise CrunwError(
            f"{path}: can't be edited safely; see docs/containerd.md and edit it by hand"
        )
