"""``crunw doctor``."""

from __future__ import annotations

import json
import sys

from crunw.cli.options import Option, Parsed
from crunw.errors import UsageError
from crunw.setup import configured, host, parts
from crunw.setup.finding import MISSING, Finding

USAGE = "[OPTION…]"
ABOUT = "Check what crunw needs of this host; exit status 1 when something is missing."
INTERSPERSED = True
OPTIONS = (Option("json", "print the findings as JSON"),)


def run(parsed: Parsed, given: Parsed) -> int:
    """Print the findings."""
    if parsed.arguments:
        raise UsageError(f"unexpected argument {parsed.arguments[0]!r}")
    findings = [check("") for check in host.CHECKS]
    findings += [*parts.programs(), parts.libseccomp(), *parts.libwasmedge(), parts.cache()]
    findings.append(parts.criu())
    findings += configured.engines("/etc")
    if parsed.flag("json"):
        text = json.dumps([finding._asdict() for finding in findings], indent=2) + "\n"
    else:
        text = _text(findings)
    sys.stdout.write(text)
    return int(any(finding.status == MISSING for finding in findings))


def _text(findings: list[Finding]) -> str:
    lines = []
    for finding in findings:
        lines.append(f"{finding.status:<8} {finding.check:<16} {finding.found}")
        if finding.advice:
            lines.append(f"{'':<25} → {finding.advice}")
    return "".join(f"{line}\n" for line in lines)
