"""``crunw install``."""

from __future__ import annotations

import sys

from crunw import paths
from crunw.cli.options import Option, Parsed
from crunw.errors import CrunwError, UsageError
from crunw.notices import degraded
from crunw.setup.engines import DRAIN, ENGINES, NEXT_STEP, warnings
from crunw.setup.running import orphans

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crunw.setup.change import Change

USAGE = f"[OPTION…] {'|'.join(ENGINES)}"
ABOUT = "Make crunw a runtime of an engine: change the engine's configuration, print the changes."
INTERSPERSED = True
OPTIONS = (
    Option("default", "make it the runtime of all containers; it stays so until --uninstall"),
    Option("dry-run", "only print the changes"),
    Option("uninstall", "take the changes back"),
    Option("force", "even where running containers would be lost"),
    Option("etc", "directory of the configurations (default: /etc)", "DIR"),
)


def run(parsed: Parsed, given: Parsed) -> int:
    """Print the changes, make them, and say what is left to do."""
    if len(parsed.arguments) != 1 or parsed.arguments[0] not in ENGINES:
        raise UsageError(f"one engine is needed: {', '.join(ENGINES)}")
    engine = parsed.arguments[0]
    etc = parsed.text("etc", "/etc").rstrip("/")
    uninstall = parsed.flag("uninstall")
    default = parsed.flag("default")
    program = paths.program_path()
    if not program:
        raise CrunwError(f"no bin/crunw belongs to {paths.package_dir()} (install crunw again)")
    changes = [
        change
        for change in ENGINES[engine](etc, program, default=default, uninstall=uninstall)
        if change.before != change.after
    ]
    if changes and not parsed.flag("force"):
        _refuse_to_orphan(engine, program, default=default, uninstall=uninstall)
    for change in changes:
        sys.stdout.write(change.diff())
    if parsed.flag("dry-run"):
        return 0
    for change in changes:
        change.apply()
    _say_what_is_left(engine, changes, uninstall=uninstall, moves=default or uninstall)
    for what, why in [] if uninstall else warnings(engine, etc, default=default):
        degraded(what, why)
    return 0


def _refuse_to_orphan(engine: str, program: str, *, default: bool, uninstall: bool) -> None:
    """Raise :class:`CrunwError` where the engine would lose containers that run now."""
    found = orphans(engine, program, default=default, uninstall=uninstall)
    if not found:
        return
    runtimes = ", ".join(sorted({container.runtime for container in found}))
    count = f"{len(found)} container{'s' * (len(found) > 1)}"
    first = "drain the node" if engine == "crio" else "remove what runs"
    option = "--uninstall" if uninstall else "--default"
    raise CrunwError(
        f"{engine}: {option}: {count} created by {runtimes} could not be stopped any more "
        f"({first} first, or give --force)"
    )


def _say_what_is_left(engine: str, changes: list[Change], *, uninstall: bool, moves: bool) -> None:
    if not changes:
        sys.stderr.write(f"{engine}: nothing to change\n")
    elif engine in NEXT_STEP:
        step = NEXT_STEP[engine][uninstall].format(path=changes[0].path)
        note = f" ({DRAIN[engine]})" if moves and engine in DRAIN else ""
        sys.stderr.write(f"next: {step}{note}\n")
