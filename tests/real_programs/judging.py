"""Whether a run went as it must."""

from __future__ import annotations

from typing import Any

from crunw.workload import WASMEDGE
from real_programs import table
from real_programs.running import Outcome


def judge(entry: dict[str, Any], name: str, outcome: Outcome, reference: Outcome) -> str:
    """What is wrong with a run; ``""``: nothing."""
    if refused := entry.get("refused"):
        if outcome.status == 1 and refused in outcome.says and not outcome.files[""]:
            return ""
        return f"not refused, status {outcome.status}: {outcome.says}"
    if problem := _judge_execution(entry, name, outcome.how):
        return f"{problem}, it was {outcome.how}: {outcome.says}"
    if name == "interpreted" and table.is_too_slow(outcome.summary()):
        return ""
    if outcome.is_like(reference):
        return ""
    differ = [
        path or "standard output"
        for path in sorted({*outcome.files, *reference.files})
        if outcome.files.get(path) != reference.files.get(path)
    ]
    return f"status {outcome.status}, other {', '.join(differ) or 'status'}: {outcome.says}"


def _judge_execution(entry: dict[str, Any], name: str, how: dict[str, str]) -> str:
    """What is wrong with how it was executed; ``""``: nothing."""
    if how.get("engine", WASMEDGE) != entry.get("engine", WASMEDGE):
        return "by another engine"
    if name != "interpreted":
        return "" if how.get("execution") == "compiled" else "there is code, which was not used"
    if how.get("execution") == "compiled":
        return "there was no code for it"
    return "" if how.get("reason") else "without a reason"
