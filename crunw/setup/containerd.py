"""containerd: a runtime in the one file that configures its CRI plugin.

The file is edited, not written anew, so that comments and layout stay. What is added or replaced is
marked, so that it can be found and taken back. A file beside it, read through ``imports``, would
replace all settings of the plugin before containerd 2.2.
"""

from __future__ import annotations

import glob
import os
import re
import tomllib
from typing import Any

from crunw.errors import CrunwError
from crunw.setup import tomltext
from crunw.setup.change import Change, read

# The name of the plugin that has the runtimes, by the version of the configuration.
_PLUGINS = {
    1: ("plugins", "cri"),
    2: ("plugins", "io.containerd.grpc.v1.cri"),
    3: ("plugins", "io.containerd.cri.v1.runtime"),
}
_BEGIN = "# >>> crunw install containerd"
_BEGIN_NEW = f"{_BEGIN}: this file is new"
_ANNOTATIONS = ["run.oci.*", "module.wasm.image/*"]
_SHIM = "io.containerd.runc.v2"
_RUNC = {"runtime_type": _SHIM}
_NEW_FILE = "version = 2\n"
_END = "# <<< crunw install containerd"
_DEFAULT = 'default_runtime_name = "crunw"'
_INSERTED = f"{_DEFAULT} # crunw install containerd"
_REPLACED = f"{_INSERTED}, before: "


def containerd(etc: str, program: str, *, default: bool, uninstall: bool) -> list[Change]:
    """Raises :class:`CrunwError` when the file can't be understood, or has a runtime ``crunw``."""
    path, plugin = _place(etc)
    before = read(path)
    runtime = (*plugin, "containerd", "runtimes", "crunw", "options")
    tomltext.check_tables(path, tomltext.parse(path, before or ""), runtime)
    text = _NEW_FILE if before is None else _without(before)
    fresh = before is None or _BEGIN_NEW in before
    if uninstall:
        return [Change(path, before, None if fresh and text == _NEW_FILE else text)]
    default = default or _is_default(path, before, plugin)
    runtimes = _runtimes(path, before, text, (plugin, program))
    begin = _BEGIN_NEW if fresh else _BEGIN
    block = _block(before or "")
    after = _with(text, plugin, runtimes, default=default, begin=begin, block=block)
    _check(path, text, after, plugin, runtimes, default=default)
    return [Change(path, before, after)]


def _place(etc: str) -> tuple[str, tomltext.Path]:
    """The file that configures the CRI plugin, and where in it the plugin's settings are.

    A file that config.toml imports replaces the plugin's settings if it has any.
    """
    path = f"{etc}/containerd/config.toml"
    settings = tomltext.parse(path, read(path) or "")
    version = settings.get("version", 1) if settings else 2
    if not isinstance(version, int) or version not in _PLUGINS:
        raise CrunwError(f"{path}: unknown version {version}")
    plugin = _PLUGINS[version]
    found = path
    for imported in imports(path, settings):
        if tomltext.lookup(tomltext.parse(imported, read(imported) or ""), plugin) is not None:
            found = imported
    return found, plugin


def disabled(etc: str) -> str:
    """The path of config.toml if it switches the CRI plugin off; else ``""``."""
    path = f"{etc}/containerd/config.toml"
    names = tomltext.parse(path, read(path) or "").get("disabled_plugins", [])
    known = names if isinstance(names, list) else []
    return path if any(".".join(plugin[1:]) in known for plugin in _PLUGINS.values()) else ""


def imports(path: str, settings: dict[str, Any]) -> list[str]:
    """The files that a configuration imports, in containerd's order."""
    listed = settings.get("imports")
    names = [name for name in listed if isinstance(name, str)] if isinstance(listed, list) else []
    directory = os.path.dirname(path)
    return [
        file
        for name in names
        for file in (
            sorted(glob.glob(os.path.join(directory, name)))
            if "*" in name
            else [os.path.join(directory, name)]
        )
    ]


def _is_default(path: str, before: str | None, plugin: tomltext.Path) -> bool:
    """Whether an earlier ``--default`` is in the file."""
    key = (*plugin, "containerd", "default_runtime_name")
    return bool(tomltext.lookup(tomltext.parse(path, before or ""), key) == "crunw")


def _runtimes(
    path: str, before: str | None, text: str, what: tuple[tomltext.Path, str]
) -> dict[str, Any]:
    """The runtime crunw: its settings, and what somebody has added to them.

    Whether systemd makes the cgroups is a matter of the node: as for the default runtime. A file
    that names no runtime has containerd's own, ``runc``, which one that names any must name, too:
    without its default runtime the plugin does not start.
    """
    plugin, program = what
    place = (*plugin, "containerd")
    table = tomltext.lookup(tomltext.parse(path, text), place) or {}
    name = table.get("default_runtime_name", "runc")
    systemd = tomltext.lookup(table, ("runtimes", name, "options", "SystemdCgroup"))
    options: dict[str, Any] = {} if systemd is None else {"SystemdCgroup": systemd}
    settings = tomltext.parse(path, before or "")
    earlier: dict[str, Any] = tomltext.lookup(settings, (*place, "runtimes", "crunw")) or {}
    options |= earlier.pop("options", {}) | {"BinaryName": program}
    for key in ("pod_annotations", "container_annotations"):
        given = earlier.get(key)
        more = [one for one in given if one not in _ANNOTATIONS] if isinstance(given, list) else []
        earlier[key] = [*_ANNOTATIONS, *more]
    crunw = earlier | {"runtime_type": _SHIM, "options": options}
    return {"crunw": crunw} if table.get("runtimes") else {"runc": _RUNC, "crunw": crunw}


def _block(text: str) -> str:
    """The lines between the marks of an earlier installation."""
    found = re.search(f"^{_BEGIN}.*?\n(.*?)^{_END}", text, re.DOTALL | re.MULTILINE)
    return found[1] if found else ""


def _without(text: str) -> str:
    """The text as it was before crunw was put into it."""
    block = re.compile(f"^{_BEGIN}.*?^{_END}(?:\n|\\Z)", re.DOTALL | re.MULTILINE)
    if found := block.search(text):
        # The block ends without the line's end when the text before it did.
        cut = found.start() - (not found[0].endswith("\n"))
        text = text[: max(cut, 0)] + text[found.end() :]
    text = re.sub(rf"^([ \t]*){re.escape(_REPLACED)}(.*)$", r"\1\2", text, flags=re.MULTILINE)
    return re.sub(rf"^[ \t]*{re.escape(_INSERTED)}\n", "", text, flags=re.MULTILINE)


def _with(
    text: str,
    plugin: tomltext.Path,
    runtimes: dict[str, Any],
    *,
    default: bool,
    begin: str,
    block: str,
) -> str:
    """The text with the default's name set and a block at its end, made of an earlier ``block``."""
    table = (*plugin, "containerd")
    tree: dict[str, Any] = {"runtimes": runtimes}
    if default:
        edited = _make_default(text, table)
        if edited == text:
            tree = {"default_runtime_name": "crunw"} | tree
        else:
            block = tomltext.remove(block, (*table, "default_runtime_name"))
        text = edited
    for name in reversed(table):
        tree = {name: tree}
    if tomllib.loads(text):
        block = tomltext.remove(block, ("version",))
    elif not block:
        block = "version = 2\n"
    block = f"{begin}\n{tomltext.merge(block, tree)}{_END}"
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


def _check(
    path: str,
    original: str,
    after: str,
    plugin: tomltext.Path,
    runtimes: dict[str, Any],
    *,
    default: bool,
) -> None:
    """The edited text must mean what it should: the old settings, and crunw."""
    table = settings = tomllib.loads(original) or {"version": 2}
    for name in (*plugin, "containerd"):
        table = table.setdefault(name, {})
    if "crunw" in table.setdefault("runtimes", {}):
        raise CrunwError(f"{path}: already defines a runtime crunw, not made by crunw install")
    table["runtimes"] |= runtimes
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
