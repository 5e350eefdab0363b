"""Docker: a runtime in daemon.json.

JSON has no comments to mark what was changed, so what was there stays in a file beside it, from
which it is restored.
"""

from __future__ import annotations

import json
from typing import Any

from crunw.errors import CrunwError
from crunw.setup.change import Change, parse_json, read


def docker(etc: str, program: str, *, default: bool, uninstall: bool) -> list[Change]:
    """Raises :class:`CrunwError` when the file is not a JSON object."""
    path = f"{etc}/docker/daemon.json"
    saved_path = f"{path}.before-crunw"
    before, saved = read(path), read(saved_path)
    settings = _parse(path, before)
    earlier = _parse(saved_path, saved)
    runtime = settings.get("runtimes", {}).get("crunw")
    installed = runtime is not None
    added = runtime if isinstance(runtime, dict) else {}
    is_default = settings.get("default-runtime") == "crunw"
    if uninstall and saved is None and not installed and not is_default:
        return []
    default = default or is_default
    _remove(settings, earlier)
    if uninstall:
        after = _text(settings) if settings else None
        after = saved if settings == earlier else after
        return [Change(path, before, after), Change(saved_path, saved, None)]
    keep = Change(saved_path, saved, saved if installed else before, like=path)
    settings.setdefault("runtimes", {})["crunw"] = added | {"path": program}
    if default:
        settings["default-runtime"] = "crunw"
    return [keep, Change(path, before, _text(settings))]


def _remove(settings: dict[str, Any], earlier: dict[str, Any]) -> None:
    """Take crunw out, put back what it has replaced."""
    runtimes = settings.get("runtimes", {})
    runtimes.pop("crunw", None)
    if "crunw" in earlier.get("runtimes", {}):
        runtimes["crunw"] = earlier["runtimes"]["crunw"]
    if not runtimes and "runtimes" not in earlier:
        settings.pop("runtimes", None)
    if settings.get("default-runtime") == "crunw":
        del settings["default-runtime"]
        if "default-runtime" in earlier:
            settings["default-runtime"] = earlier["default-runtime"]


def _text(settings: dict[str, Any]) -> str:
    return json.dumps(settings, indent=2, ensure_ascii=False) + "\n"


def _parse(path: str, text: str | None) -> dict[str, Any]:
    settings = parse_json(path, text)
    if not isinstance(settings, dict) or not isinstance(settings.get("runtimes", {}), dict):
        raise CrunwError(f"{path}: is not a JSON object of settings")
    return settings
