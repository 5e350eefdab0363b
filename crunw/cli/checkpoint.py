"""``crunw checkpoint``."""

from __future__ import annotations

from crunw.cli.options import Option, Parsed
from crunw.cli.start import one_id
from crunw.effects.store import default_root
from crunw.errors import UsageError
from crunw.lifecycle.checkpoint import Request, checkpoint
from crunw.lifecycle.images import CGROUP_MODES, NETWORK_LOCKS, Options

USAGE = "[OPTION…] ID"
ABOUT = "Write a running container to files, with CRIU, and end it; `crunw restore` continues it."
INTERSPERSED = True
COMMON = (
    Option("image-path", "directory of the images (default: ./checkpoint)", "DIR"),
    Option("work-path", "directory of CRIU's log (default: that of the images)", "DIR"),
    Option("tcp-established", "with open TCP connections"),
    Option("ext-unix-sk", "with unix sockets connected to outside"),
    Option("shell-job", "with the terminal of a shell outside"),
    Option("file-locks", "with file locks"),
    Option(
        "manage-cgroups-mode",
        "soft (default), full, strict or ignore",
        "MODE",
        choices=CGROUP_MODES,
    ),
    Option("network-lock", "iptables, nftables or skip", "METHOD", choices=NETWORK_LOCKS),
    Option(
        "empty-ns",
        "network: without the network's devices and addresses",
        "NAMESPACE",
        choices=("network",),
    ),
    Option("auto-dedup", "drop pages from images that later ones have"),
)
OPTIONS = (
    *COMMON,
    Option("leave-running", "do not end the container"),
    Option("pre-dump", "write the memory alone and leave the container running"),
    Option("parent-path", "images of an earlier pre-dump, relative to --image-path", "DIR"),
)
_SWITCHES = ("tcp-established", "ext-unix-sk", "shell-job", "file-locks", "auto-dedup")


def criu_options(parsed: Parsed) -> Options:
    """Return what the options of ``checkpoint`` and ``restore`` ask of CRIU."""
    options = Options(parsed.text("image-path", "checkpoint"), parsed.text("work-path"))
    for name in _SWITCHES:
        if parsed.flag(name):
            options.settings[name.replace("-", "_")] = True
    options.cgroups_mode = parsed.text("manage-cgroups-mode", "soft")
    if lock := parsed.text("network-lock"):
        options.settings["network_lock"] = NETWORK_LOCKS[lock]
    options.empty_network = bool(parsed.text("empty-ns"))
    return options


def run(parsed: Parsed, given: Parsed) -> int:
    """Checkpoint the container."""
    asked = Request(given.text("root") or default_root(), one_id(parsed), criu_options(parsed))
    asked.leave_running = parsed.flag("leave-running")
    asked.pre_dump = parsed.flag("pre-dump")
    asked.parent_path = parsed.text("parent-path")
    if asked.parent_path.startswith("/"):
        raise UsageError(f"--parent-path: {asked.parent_path!r} is not relative to --image-path")
    checkpoint(asked)
    return 0
