"""``crunw inspect``."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from crunw.aot.files import human
from crunw.cli.options import Option, Parsed
from crunw.cli.table import table
from crunw.errors import UsageError

if TYPE_CHECKING:
    from typing import Any

USAGE = "[--json] MODULE…"
ABOUT = "Say what WebAssembly modules are: kind, imports, exports, proposals used, sections."
INTERSPERSED = True
OPTIONS = (Option("json", "print JSON"),)


def run(parsed: Parsed, given: Parsed) -> int:
    """Inspect; print when all could be read."""
    if not parsed.arguments:
        raise UsageError("a module is missing; see crunw inspect --help")
    from crunw.aot.examine import examine  # which opens libwasmedge

    documents = [examine(path) for path in parsed.arguments]
    if parsed.flag("json"):
        import json

        one = documents[0] if len(documents) == 1 else documents
        sys.stdout.write(json.dumps(one, indent=2) + "\n")
    else:
        sys.stdout.write("\n".join(map(_text, documents)))
    return 0


def _text(document: dict[str, Any]) -> str:
    lines = [
        ("module", document["path"]),
        ("size", human(document["size"])),
        ("kind", document["kind"]),
        ("engine", document["engine"]),
        ("runs here", f"no: {obstacle}" if (obstacle := document["obstacle"]) else "yes"),
        ("compiled", "yes: native code that crunw does not run" if document["aot"] else "no"),
        ("proposals", ", ".join(document["proposals"]) or "none"),
    ]
    text = "".join(f"{name:<10} {value}\n" for name, value in lines)
    for name in ("imports", "exports"):
        rows = [
            [f"  {item['type']}", ".".join(filter(None, (item.get("module"), item["name"])))]
            for item in document[name]
        ]
        text += f"{name}\n" + (table(["  TYPE", "NAME"], rows) if rows else "  none\n")
    rows = [[f"  {item['name']}", str(item["offset"]), human(item["size"])]
            for item in document["sections"]]  # fmt: skip
    return text + "sections\n" + (table(["  NAME", "OFFSET", "SIZE"], rows) if rows else "  none\n")
