"""``crunw exec``."""

from __future__ import annotations

from crunw.cli.options import Option, Parsed
from crunw.effects.store import default_root
from crunw.errors import CrunwError, UsageError
from crunw.lifecycle.exec import Request, execute
from crunw.oci.load import load_process

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crunw.oci.model import Capabilities, Process

USAGE = "[OPTION…] ID COMMAND [ARGUMENT…]"
ABOUT = "Run another process in a container; exits with its status."
INTERSPERSED = False
_FAILURE = 255  # as runc: a program's 1 is a program's 1
OPTIONS = (
    Option("process", "take the whole process from FILE (JSON)", "FILE", "p"),
    Option("tty", "with a terminal", short="t"),
    Option("user", "user and group id", "UID[:GID]", "u"),
    Option("additional-gids", "further group id", "GID", "g", many=True),
    Option("cwd", "working directory", "DIR"),
    Option("env", "set an environment variable", "NAME=VALUE", "e", many=True),
    Option("cap", "add a capability", "CAP", "c", many=True),
    Option("apparmor", "AppArmor profile", "PROFILE"),
    Option("process-label", "SELinux label", "LABEL"),
    Option("no-new-privs", "set no_new_privs"),
    Option("console-socket", "unix socket that gets the terminal's master", "PATH"),
    Option("pid-file", "write the process id to FILE", "FILE"),
    Option("pidfd-socket", "unix socket that gets a pidfd of the process", "PATH"),
    Option("cgroup", "run it in this cgroup below the container's", "[CONTROLLER:]PATH", many=True),
    Option("interactive", "accepted: standard input is always connected", short="i"),
    Option("preserve-fds", "pass N descriptors from 3 on", "N"),
    Option("ignore-paused", "also in a paused container"),
    Option("detach", "return when the process runs", short="d"),
)


def run(parsed: Parsed, given: Parsed) -> int:
    """Run the process; return its exit status."""
    if not parsed.arguments:
        raise UsageError("a container id is needed")
    try:
        return execute(_request(parsed, given))
    except CrunwError as error:
        error.exit_code = _FAILURE
        raise


def _request(parsed: Parsed, given: Parsed) -> Request:
    words = parsed.arguments
    path = parsed.text("process")
    if bool(path) == bool(words[1:]):
        raise UsageError("either a command or --process FILE is needed")
    asked = Request(
        given.text("root") or default_root(),
        words[0],
        lambda base: load_process(path) if path else derived(base, words[1:], parsed),
    )
    asked.console_socket = parsed.text("console-socket")
    asked.detach = parsed.flag("detach")
    asked.ignore_paused = parsed.flag("ignore-paused")
    asked.pid_file = parsed.text("pid-file")
    asked.preserve_fds = parsed.number("preserve-fds")
    asked.process_file = path if path != "-" else ""
    asked.cgroup = parsed.texts("cgroup")
    asked.pidfd_socket = parsed.text("pidfd-socket")
    return asked


def derived(base: Process, args: list[str], parsed: Parsed) -> Process:
    """The container's own process with another command and what the options change."""
    process: Process = {**base, "args": args, "terminal": parsed.flag("tty")}
    process["env"] = [*base.get("env", ()), *parsed.texts("env")]
    if parsed.text("cwd"):
        process["cwd"] = parsed.text("cwd")
    if parsed.text("user"):
        uid, _, gid = parsed.text("user").partition(":")
        process["user"] = {"uid": _id("user", uid), "gid": _id("user", gid or "0")}
    if parsed.texts("additional-gids"):
        groups = [_id("additional-gids", text) for text in parsed.texts("additional-gids")]
        process["user"] = {**process["user"], "additionalGids": groups}
    if parsed.texts("cap"):
        process["capabilities"] = _with(base.get("capabilities", {}), parsed.texts("cap"))
    if parsed.flag("no-new-privs"):
        process["noNewPrivileges"] = True
    if parsed.text("apparmor"):
        process["apparmorProfile"] = parsed.text("apparmor")
    if parsed.text("process-label"):
        process["selinuxLabel"] = parsed.text("process-label")
    return process


def _with(sets: Capabilities, names: list[str]) -> Capabilities:
    """Capabilities added to all sets but the ambient one, as runc does."""
    return {
        **sets,
        "bounding": [*sets.get("bounding", ()), *names],
        "effective": [*sets.get("effective", ()), *names],
        "permitted": [*sets.get("permitted", ()), *names],
    }


def _id(option: str, text: str) -> int:
    if not text.isdecimal():
        raise UsageError(f"--{option}: {text!r} is not a numeric id")
    return int(text)
