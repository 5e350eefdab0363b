"""``crunw restore``."""

from __future__ import annotations

from crunw.cli import create as create_verb
from crunw.cli.checkpoint import COMMON, criu_options
from crunw.cli.options import Option, Parsed
from crunw.lifecycle.restore import restore

USAGE = "[OPTION…] ID"
ABOUT = "Make a container of what `crunw checkpoint` has written, wait for its end and delete it."
INTERSPERSED = True
OPTIONS = (
    *(o for o in create_verb.OPTIONS if o.name in ("bundle", "console-socket", "pid-file")),
    *COMMON,
    Option("detach", "return when the container runs", short="d"),
    Option("tcp-close", "close the TCP connections that were open"),
    Option("lsm-profile", "another profile or label of the processes", "TYPE:NAME"),
    Option("lsm-mount-context", "another SELinux context of the mounts", "CONTEXT"),
    *(
        Option(name, "accepted for compatibility")
        for name in ("no-pivot", "no-subreaper", "no-new-keyring")
    ),
)


def run(parsed: Parsed, given: Parsed) -> int:
    """Restore the container; return its exit status."""
    options = criu_options(parsed)
    if parsed.flag("tcp-close"):
        options.settings["tcp_close"] = True
    for name in ("lsm-profile", "lsm-mount-context"):
        if parsed.text(name):
            options.settings[name.replace("-", "_")] = parsed.text(name)
    return restore(create_verb.request(parsed, given), options, detach=parsed.flag("detach"))
