"""The program ``crunw``: global options, then the verb's module, then its errors, printed once."""

from __future__ import annotations

import sys

from crunw import __version__, notices
from crunw.cli.options import Option, Parsed, check, help_text, parse, suggestion
from crunw.errors import CrunwError, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import CodeType

VERBS = {
    "cache": "list, check, fill and prune the cache of compiled modules",
    "checkpoint": "write a running container to files and end it",
    "compile": "compile WebAssembly modules ahead of time",
    "create": "create a container from a bundle",
    "delete": "delete a container",
    "doctor": "check what crunw needs of this host",
    "events": "print statistics and out-of-memory events of a container",
    "exec": "run another process in a container",
    "features": "print what this build supports",
    "install": "make crunw a runtime of an engine",
    "inspect": "describe a WebAssembly module",
    "kill": "send a signal to a container",
    "list": "list containers",
    "mounts": "add mounts to a running container, or remove them",
    "pause": "stop the processes of a container",
    "plan": "print what `create` would do, step by step",
    "ps": "list the processes of a container",
    "restore": "make a container of the files that checkpoint wrote",
    "resume": "resume a paused container",
    "run": "create and start a container, wait for its end",
    "spec": "write an example config.json",
    "start": "start a created container",
    "state": "print the state of a container",
    "top": "show what the containers of this host use",
    "update": "change the resource limits of a container",
}

# Called by the launcher only: the error report of a process that could not be started.
_INTERNAL = ("report",)

GLOBALS = (
    Option("root", "directory of the containers' states (default: /run/crunw)", "DIR"),
    Option("log", "write errors and warnings to FILE, syslog:ID or journald:ID too", "FILE"),
    Option("log-format", "text (default) or json", "FORMAT", choices=("text", "json")),
    Option(
        "log-level",
        "error, warning (default), info or debug",
        "LEVEL",
        choices=(*notices.LEVELS, "warn"),  # as logrus has it
    ),
    Option("debug", "report each stage with its duration: --log-level=debug"),
    Option("systemd-cgroup", "let systemd manage the cgroups"),
    Option(
        "cgroup-manager",
        "cgroupfs (default), systemd or disabled",
        "MANAGER",
        choices=("cgroupfs", "systemd", "disabled"),
    ),
    Option("rootless", "accepted for compatibility: decided by the user id", "MODE"),
    Option("version", "print the version", short="v"),
    Option("help", "print this help", short="h"),
)
USAGE = "crunw [OPTION…] VERB [ARGUMENT…]"


def main() -> int:
    """Run the command line in ``sys.argv``; return the exit status."""
    given = Parsed()
    try:
        given = parse(GLOBALS, sys.argv[1:], interspersed=False)
        check(GLOBALS, given)
        notices.show_by(lambda kind, text: _show(kind, text, given), _level(given))
        status = _dispatch(given)
        sys.stdout.flush()
        if given.text("log"):
            from crunw.effects.log import create

            create(given.text("log"))
        return status
    except BrokenPipeError:
        return 1
    except KeyboardInterrupt:
        return 130
    except Exception as error:  # noqa: BLE001 - one line for the engine, whatever it is
        status = error.exit_code if isinstance(error, CrunwError) else 1
        return _report(_text(error), status, given)


def _level(given: Parsed) -> str:
    """The least urgent level that is reported."""
    name = given.text("log-level", notices.WARNING)
    level = notices.WARNING if name == "warn" else name
    return notices.DEBUG if given.flag("debug") else level


def _dispatch(given: Parsed) -> int:
    if given.flag("version"):
        from crunw.cli.version import version_text

        sys.stdout.write(version_text(__version__))
        return 0
    words = given.arguments
    if words[:1] == ["help"] and words[1:]:
        words = [words[1], "--help"]
    if given.flag("help") or not words or words[0] == "help":
        sys.stdout.write(_overview())
        return 0 if given.flag("help") or words else 1
    verb = words[0]
    if verb not in VERBS and verb not in _INTERNAL:
        raise UsageError(f"unknown verb {verb!r}; {suggestion(verb, VERBS)}see crunw --help")
    # "exec" is a fine name for a verb and for a module, "list" shadows nothing that is used here
    module = __import__(f"crunw.cli.{verb}", fromlist=("run",))
    options = (*module.OPTIONS, Option("help", "print this help", short="h"))
    parsed = parse(options, words[1:], interspersed=module.INTERSPERSED)
    if parsed.flag("help"):
        sys.stdout.write(help_text(f"crunw {verb} {module.USAGE}", module.ABOUT, options))
        return 0
    check(options, parsed)
    status: int = module.run(parsed, given)
    return status


def _overview() -> str:
    text = help_text(USAGE, "An OCI runtime for WebAssembly and Linux containers.", GLOBALS)
    width = max(map(len, VERBS))
    verbs = "".join(f"  {verb:<{width}}  {about}\n" for verb, about in VERBS.items())
    return f"{text}\nverbs (crunw VERB --help says more):\n{verbs}"


def _text(error: Exception) -> str:
    """Return the one line that reports an error."""
    if isinstance(error, CrunwError):
        return str(error)
    if isinstance(error, MemoryError):
        return "out of memory; is there a limit of the address space (ulimit -v)?"
    if isinstance(error, ImportError):
        return f"{error}: a part of crunw or of Python can't be loaded (install it again?)"
    return _refused(error) if isinstance(error, OSError) else _defect(error)


def _refused(error: OSError) -> str:
    """What a system call, which nothing else has named, was refused."""
    from errno import ENOENT

    if error.errno == ENOENT and error.filename is None:  # of getcwd(2) alone
        return "the working directory has been removed; name directories by absolute paths"
    cause = error.strerror or str(error)
    if error.filename:
        return f"{error.filename}: {cause}"
    code, _ = _place(error)
    # All that this layer itself does is print.
    return f"write standard output: {cause}" if code and "/cli/" in code.co_filename else cause


def _defect(error: Exception) -> str:
    """Name the error and the place that raised it."""
    code, line = _place(error)
    where = f" ({code.co_filename}:{line})" if code else ""
    return f"internal error: {type(error).__name__}: {error}{where}"


def _place(error: Exception) -> tuple[CodeType | None, int]:
    """The code that raised an error, and the line."""
    place = error.__traceback__
    while place and place.tb_next:
        place = place.tb_next
    return (place.tb_frame.f_code, place.tb_lineno) if place else (None, 0)


def _report(message: str, status: int, given: Parsed) -> int:
    """Print the error to the caller, and to ``--log`` where engines look for it."""
    line = notices.one_line(message)
    _print(f"crunw: {line}\n")
    _log("error", line, given)
    return status


def _show(level: str, text: str, given: Parsed) -> None:
    """Print a notice (:mod:`crunw.notices`) where an error would be printed.

    Details go to the log alone, if there is one: standard error may be the container's.
    """
    if level == notices.WARNING or not given.text("log"):
        _print(f"crunw: {level}: {text}\n")
    _log(level, text, given)


def _print(line: str) -> None:
    """Write to standard error. Where that fails, the exit status and the log say so."""
    for stream, text in ((sys.stdout, ""), (sys.stderr, line)):
        try:
            stream.write(text)
            stream.flush()
        except OSError:
            pass


def _log(level: str, text: str, given: Parsed) -> None:
    path = given.text("log")
    if path:
        from crunw.effects.log import append

        append(path, given.text("log-format", "text"), level, text)
