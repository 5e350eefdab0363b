"""``crunw cache``."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

from crunw.aot import config, store
from crunw.aot.files import human
from crunw.cli.options import Option, Parsed
from crunw.cli.table import table
from crunw.errors import UsageError

if TYPE_CHECKING:
    from typing import Any

USAGE = "ls | prune | verify | warm MODULE, BUNDLE or IMAGE…"
ABOUT = """\
The node's cache of compiled modules.

  ls       list the modules, the one used last first
  prune    remove what was used longest ago, down to --max-size, or --all
  verify   read every entry, remove what is damaged; status 1 if there was any
  warm     compile now what is not in the cache: a module's file, the directory of
           a bundle or of a root file system, or an image as podman names it"""
INTERSPERSED = True
OPTIONS = (
    Option("all", "prune: everything"),
    Option("max-size", "prune: what may stay, as 512M (default: aot.max-size)", "SIZE"),
    Option("json", "print JSON"),
)


def run(parsed: Parsed, given: Parsed) -> int:
    """Do what the first argument says."""
    words = parsed.arguments
    if words[:1] == ["enqueue"] and len(words) in (3, 4):  # what a start of a container runs
        return _enqueue(*words[1:])
    if words[:1] == ["warm"] and len(words) > 1:
        return _warm(words[1:], parsed)
    actions = {"ls": _list, "prune": _prune, "verify": _verify}
    if len(words) != 1 or words[0] not in actions:
        raise UsageError("ls, prune, verify or warm with what to compile; see crunw cache --help")
    return actions[words[0]](parsed)


def _list(parsed: Parsed) -> int:
    _print(store.entries(), parsed)
    return 0


def _print(entries: list[store.Entry], parsed: Parsed) -> None:
    if parsed.flag("json"):
        import json

        sys.stdout.write(json.dumps([_document(entry) for entry in entries], indent=2) + "\n")
        return
    rows = [
        [
            entry.key[:12],
            entry.meta.name,
            human(entry.meta.module_size),
            human(entry.meta.size),
            entry.meta.options,
            f"{entry.meta.seconds:.1f} s",
            time.strftime("%Y-%m-%d %H:%M", time.localtime(entry.used)),
        ]
        for entry in entries
    ]
    header = ["KEY", "MODULE", "SIZE", "COMPILED", "OPTIONS", "TOOK", "LAST USED"]
    sys.stdout.write(table(header, rows))


def _document(entry: store.Entry) -> dict[str, Any]:
    return {
        "key": entry.key,
        "name": entry.meta.name,
        "module": f"sha256:{entry.meta.module}",
        "moduleSize": entry.meta.module_size,
        "size": entry.meta.size,
        "platform": entry.meta.platform,
        "options": entry.meta.options,
        "created": round(entry.meta.created, 3),
        "seconds": round(entry.meta.seconds, 3),
        "lastUsed": round(entry.used, 3),
    }


def _prune(parsed: Parsed) -> int:
    text = parsed.text("max-size")
    try:
        limit = config.size(text) if text else config.load().max_size
    except ValueError:
        raise UsageError(f"--max-size: {text!r} is not a size, as 512M") from None
    _print(store.prune(0 if parsed.flag("all") else limit), parsed)
    return 0


def _verify(parsed: Parsed) -> int:
    damaged = []
    keys = store.keys()
    for key in keys:
        problem = store.damage(key)
        if problem:
            store.drop(key)
            damaged.append({"key": key, "problem": problem})
    if parsed.flag("json"):
        import json

        sys.stdout.write(json.dumps({"entries": len(keys), "damaged": damaged}, indent=2) + "\n")
    else:
        removed = "".join(f"{item['key'][:12]}: removed: {item['problem']}\n" for item in damaged)
        sys.stdout.write(f"{removed}{len(keys)} entries, {len(damaged)} damaged\n")
    return 1 if damaged else 0


def _warm(names: list[str], parsed: Parsed) -> int:
    from crunw.aot.warm import warm

    for name in names:
        for path in warm(name):
            sys.stdout.write(f"{path}\n" * (not parsed.flag("json")))
    if parsed.flag("json"):
        _list(parsed)
    return 0


def _enqueue(key: str, name: str, counters: str = "") -> int:
    from crunw.aot import build

    build.enqueue(0, name, key, statistics=counters == "statistics")
    build.work()
    return 0
