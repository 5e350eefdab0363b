"""``crunw spec``."""

from __future__ import annotations

import json
import os

from crunw.cli.options import Option, Parsed
from crunw.errors import CrunwError, KernelError, UsageError
from crunw.oci.example import example

USAGE = "[OPTION…]"
ABOUT = "Write an example config.json into the bundle directory."
INTERSPERSED = True
OPTIONS = (
    Option("bundle", "directory to write to (default: .)", "DIR", "b"),
    Option("rootless", "for an ordinary user"),
)


def run(parsed: Parsed, given: Parsed) -> int:
    """Write the file; an existing one is left alone."""
    if parsed.arguments:
        raise UsageError(f"unexpected argument {parsed.arguments[0]!r}")
    path = os.path.join(parsed.text("bundle", "."), "config.json")
    config = example(rootless=parsed.flag("rootless"), uid=os.geteuid(), gid=os.getegid())
    text = json.dumps(config, indent="\t") + "\n"
    try:
        with open(path, "x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise CrunwError(f"{path} already exists") from None
    except OSError as error:
        raise KernelError("write", path, error) from error
    return 0
