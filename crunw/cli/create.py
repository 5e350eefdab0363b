"""``crunw create``."""

from __future__ import annotations

from crunw.cli.options import Option, Parsed
from crunw.effects.store import default_root
from crunw.errors import UsageError
from crunw.lifecycle.create import create
from crunw.lifecycle.request import Request

USAGE = "[OPTION…] ID"
ABOUT = "Create a container from a bundle. Its process waits until `crunw start`."
INTERSPERSED = True
OPTIONS = (
    Option("bundle", "directory of config.json (default: .)", "DIR", "b"),
    Option("console-socket", "unix socket that gets the terminal's master", "PATH"),
    Option("pid-file", "write the process id to FILE", "FILE"),
    Option("pidfd-socket", "unix socket that gets a pidfd of the process", "PATH"),
    Option("config", "another name than config.json in the bundle, or a path", "FILE", "f"),
    Option("preserve-fds", "pass N descriptors from 3 on", "N"),
    Option("no-subreaper", "accepted for compatibility: crunw is none"),
    Option("no-pivot", "change root with MS_MOVE and chroot"),
    Option("no-new-keyring", "keep the caller's session keyring"),
)


def request(parsed: Parsed, given: Parsed) -> Request:
    """Return what the options of ``create`` and ``run`` ask for."""
    if len(parsed.arguments) != 1:
        raise UsageError(f"one container id is needed, {len(parsed.arguments)} arguments given")
    asked = Request(
        given.text("root") or default_root(), parsed.arguments[0], parsed.text("bundle", ".")
    )
    asked.console_socket = parsed.text("console-socket")
    asked.pid_file = parsed.text("pid-file")
    asked.pidfd_socket = parsed.text("pidfd-socket")
    asked.config = parsed.text("config", "config.json")
    asked.preserve_fds = parsed.number("preserve-fds")
    asked.no_pivot = parsed.flag("no-pivot")
    asked.no_new_keyring = parsed.flag("no-new-keyring")
    asked.cgroup_manager = cgroup_manager(given)
    return asked


def cgroup_manager(given: Parsed) -> str:
    """``cgroupfs``, ``systemd`` or ``disabled``."""
    if given.flag("systemd-cgroup"):
        return "systemd"
    return given.text("cgroup-manager", "cgroupfs")


def run(parsed: Parsed, given: Parsed) -> int:
    """Create the container."""
    create(request(parsed, given))
    return 0
