"""``crunw doctor``."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

from crunw.cli.options import Option, Parsed
from crunw.errors import KernelError, UsageError
from crunw.setup import configured, host, parts
from crunw.setup.finding import BROKEN, WARNING, Finding

if TYPE_CHECKING:
    from collections.abc import Callable

USAGE = "[OPTION…]"
ABOUT = "Try what crunw needs of this host; exit status 1 when something is broken."
INTERSPERSED = True
OPTIONS = (
    Option("format", "text (default) or json", "FORMAT", choices=("text", "json")),
    Option("json", "the same as --format json"),
)


def run(parsed: Parsed, given: Parsed) -> int:
    """Print the findings."""
    if parsed.arguments:
        raise UsageError(f"unexpected argument {parsed.arguments[0]!r}")
    findings = [_checked(check) for check in host.CHECKS]
    findings += [parts.systemd(), *parts.programs(), parts.seccomp(), *parts.webassembly()]
    findings += [*parts.caches(), parts.criu()]
    findings += configured.engines("/etc")
    if parsed.text("format", "json" if parsed.flag("json") else "text") == "json":
        text = json.dumps([finding._asdict() for finding in findings], indent=2) + "\n"
    else:
        text = _text(findings)
    sys.stdout.write(text)
    return int(any(finding.status == BROKEN for finding in findings))


def _checked(check: Callable[[str], Finding]) -> Finding:
    try:
        return check("")
    except KernelError as error:
        return Finding(check.__name__.replace("_", " "), WARNING, str(error))


def _text(findings: list[Finding]) -> str:
    lines = []
    for finding in findings:
        lines.append(f"{finding.status:<8} {finding.check:<16} {finding.found}")
        if finding.advice:
            lines.append(f"{'':<25} → {finding.advice}")
    return "".join(f"{line}\n" for line in lines)
