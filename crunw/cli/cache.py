"""``crunw cache``."""

from __future__ import annotations

import os
import sys
import time
from typing import TYPE_CHECKING

from crunw.aot import config, events, failures, places, queue, store
from crunw.aot.files import human
from crunw.cli.options import Option, Parsed
from crunw.cli.table import table
from crunw.errors import CrunwError, UsageError
from crunw.workload import WASMEDGE, WASMTIME

if TYPE_CHECKING:
    from typing import Any

USAGE = "[OPTION…] ls|prune|verify|retry|metrics|warm [ARGUMENT…]"
ABOUT = """\
The node's cache of compiled modules.

  ls       list the modules: compiled, the one used last first, then those that wait to be
           compiled, and those that could not be, with the reason
  prune    remove what was used longest ago, down to --max-size, or --all
  verify   read every entry, remove what is damaged; status 1 if there was any
  retry    have the modules that could not be compiled, or those of the given keys, tried again
           when they are started next
  metrics  print numbers for Prometheus, in the format of its textfile collector
  warm     compile now what is not in the cache: a module's file, the directory of
           a bundle or of a root file system, or an image as an engine names it"""
INTERSPERSED = True
_ENGINES = ("podman", "crio", "containerd", "docker")
OPTIONS = (
    Option("all", "prune: everything"),
    Option(
        "engine",
        "warm: what has the image: podman, crio, containerd, docker",
        "NAME",
        choices=_ENGINES,
    ),
    Option("max-size", "prune: what may stay, as 512M (default: aot.max-size)", "SIZE"),
    Option("format", "table (default) or json", "FORMAT", "f", choices=("table", "json")),
    Option("json", "as --format json"),
)


def run(parsed: Parsed, given: Parsed) -> int:
    """Do what the first argument says."""
    verb, words = parsed.arguments[:1], parsed.arguments[1:]
    jobs = {"build": _build, "enqueue": _enqueue}  # what a start of a container runs
    if verb and verb[0] in jobs and len(words) >= 3:
        return jobs[verb[0]](words)
    if verb == ["warm"] and words:
        return _warm(words, parsed)
    places.check()  # an unusable one is not an empty one
    if verb == ["retry"]:
        return _retry(words)
    actions = {"ls": _list, "prune": _prune, "verify": _verify, "metrics": _metrics}
    if len(verb) != 1 or words or verb[0] not in actions:
        raise UsageError(f"cache: expected {USAGE.split()[1]}; see crunw cache --help")
    return actions[verb[0]](parsed)


def _is_json(parsed: Parsed) -> bool:
    return parsed.flag("json") or parsed.text("format") == "json"


def _list(parsed: Parsed) -> int:
    documents = [
        *map(_compiled, store.entries()),
        *map(_waiting, queue.items()),
        *map(_failed, failures.all_of_them()),
    ]
    _print(documents, parsed)
    if not _is_json(parsed):
        for line in events.warnings()[-_SHOWN:]:
            sys.stderr.write(f"crunw: warning: {line}\n")
    return 0


_SHOWN = 5  # of the background compiler's warnings


def _print(documents: list[dict[str, Any]], parsed: Parsed) -> None:
    if _is_json(parsed):
        import json

        sys.stdout.write(json.dumps(documents, indent=2) + "\n")
        return
    header = ["KEY", "MODULE", "STATUS", "TIER", "SIZE", "COMPILED", "TOOK", "HITS", "LAST USED"]
    rows = [[*_row(document)] for document in documents]
    if any("reason" in document for document in documents):
        header.append("REASON")
        rows = [
            [*row, document.get("reason", "")]
            for row, document in zip(rows, documents, strict=True)
        ]
    sys.stdout.write(table(header, rows))


def _row(document: dict[str, Any]) -> list[str]:
    used = document.get("lastUsed")
    return [
        document["key"][:12],
        document["name"],
        document["status"],
        document["tier"],
        human(document["moduleSize"]),
        human(document["size"]) if "size" in document else "",
        f"{document['seconds']:.1f} s" if "seconds" in document else "",
        str(document["hits"]) if "hits" in document else "",
        time.strftime("%Y-%m-%d %H:%M", time.localtime(used)) if used else "",
    ]


def _compiled(entry: store.Entry) -> dict[str, Any]:
    return {
        "key": entry.key,
        "name": entry.meta.name,
        "status": "compiled",
        "tier": _tier(entry.meta.options),
        "module": f"sha256:{entry.meta.module}",
        "moduleSize": entry.meta.module_size,
        "size": entry.meta.size,
        "platform": entry.meta.platform,
        "options": entry.meta.options,
        "created": round(entry.meta.created, 3),
        "seconds": round(entry.meta.seconds, 3),
        "hits": places.counted("hits", entry.key),
        "lastUsed": round(entry.used, 3),
    }


def _waiting(item: queue.Item) -> dict[str, Any]:
    return {
        "key": item.key,
        "name": item.order.name,
        "status": "waiting",
        "tier": "",
        "moduleSize": item.size,
        "image": item.order.origin,
        "since": round(item.since, 3),
        "reason": "waits for a better tier" if item.better else "waits for the compiler",
    }


def _failed(failure: failures.Failure) -> dict[str, Any]:
    return {
        "key": failure.key,
        "name": failure.name,
        "status": "failed" if failure.lasting else "waiting",
        "tier": _tier(failure.options),
        "moduleSize": failure.size,
        "options": failure.options,
        "seconds": round(failure.seconds, 3),
        "failed": round(failure.when, 3),
        "reason": failure.reason + ("" if failure.lasting else " (a later start tries again)"),
    }


def _tier(options: str) -> str:
    """``O1`` of ``native-O1+statistics``."""
    return options.partition("+")[0].rpartition("-")[2]


def _prune(parsed: Parsed) -> int:
    text = parsed.text("max-size")
    try:
        limit = config.size(text) if text else config.load().max_size
    except ValueError:
        raise UsageError(f"--max-size: {text!r} is not a size such as 512M") from None
    _print(list(map(_compiled, store.prune(0 if parsed.flag("all") else limit))), parsed)
    return 0


def _verify(parsed: Parsed) -> int:
    damaged = []
    keys = store.keys()
    for key in keys:
        problem = store.damage(key)
        if problem:
            store.drop(key)
            damaged.append({"key": key, "problem": problem})
    if _is_json(parsed):
        import json

        sys.stdout.write(json.dumps({"entries": len(keys), "damaged": damaged}, indent=2) + "\n")
    else:
        removed = "".join(f"{item['key'][:12]}: removed: {item['problem']}\n" for item in damaged)
        sys.stdout.write(f"{removed}{len(keys)} entries, {len(damaged)} damaged\n")
    return 1 if damaged else 0


def _retry(prefixes: list[str]) -> int:
    """Forget failures; the module itself is not at hand before it is started again."""
    found = failures.all_of_them()
    for prefix in prefixes:
        if not any(failure.key.startswith(prefix) for failure in found):
            raise CrunwError(f"{prefix}: no failed module has a key like that (crunw cache ls)")
    for failure in found:
        if not prefixes or failure.key.startswith(tuple(prefixes)):
            failures.forget(failure.key)
            sys.stdout.write(f"{failure.key[:12]} {failure.name}\n")
    return 0


def _metrics(parsed: Parsed) -> int:
    from crunw.aot import metrics

    sys.stdout.write(metrics.text())
    return 0


def _warm(names: list[str], parsed: Parsed) -> int:
    from crunw.aot.warm import warm

    engine = parsed.text("engine")
    engines = (engine,) if engine else _ENGINES
    for name in names:
        for path in warm(name, engines, is_image=bool(engine)):
            sys.stdout.write(f"{path}\n" * (not _is_json(parsed)))
    if _is_json(parsed):
        _list(parsed)
    return 0


def _order(words: list[str]) -> Any:
    from crunw.aot.build import Order

    name, image, *flags = words
    engine = WASMTIME if WASMTIME in flags else WASMEDGE
    return Order(name, image, "statistics" in flags, "plugins" in flags, engine)


def _build(words: list[str]) -> int:
    """Compile standard input, at the first of the levels that works: ``build LEVELS NAME …``."""
    from crunw.aot.build import build
    from crunw.lifecycle.compiler_cgroup import entered

    with entered():
        build(os.dup(0), _order(words[1:]), words[0])  # the compiler gets another standard input
    return 0


def _enqueue(words: list[str]) -> int:
    """Have standard input compiled in its turn: ``enqueue KEY NAME IMAGE …``."""
    from crunw.lifecycle.compiler_cgroup import entered

    with entered():
        try:
            queue.enqueue(0, words[0], _order(words[1:]))
        except CrunwError as error:
            events.report("warning", f"not compiled: {error} (a later start tries again)")
        queue.work()
    return 0
