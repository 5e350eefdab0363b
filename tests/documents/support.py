"""docs/support.md: what tests run on, from ``tests/support.toml`` and the machine's packages."""

from __future__ import annotations

import re
import subprocess
import tomllib
from pathlib import Path
from typing import Any

from archive.hosts import HOSTS, RPM_HOST

from documents.page import PROJECT

PAGE = PROJECT / "docs/support.md"
TABLE = PROJECT / "tests/support.toml"
HEAD = """# What is tested where

This table is made from what `ci/test` runs (`tests/support.toml`); `ci/lint` fails when it is
stale. A system that is not in the table can work, but is not tested: `crunw doctor` tries what
crunw needs of a host. crunw is built and tested on x86-64, the portable archive also on arm64; with
Python {python}, libwasmedge {libwasmedge} and wasmtime {wasmtime}. It needs Linux 5.12, Python 3.11
and libwasmedge 0.14, or later versions.

| what | version | system | cgroups | manager | tests | when |
|-|-|-|-|-|-|-|
"""
FOOT = """
- *Virtual machine*: with systemd and Debian's kernel. The others are root directories, without
  systemd, on the kernel of the computer that runs `ci/test`.
- *Bare*: Debian's smallest system, into which the packages are installed.
- *When*: `ci/test` runs for every change, `ci/test --full` from time to time.
- An ordinary user on cgroup v1 has no cgroups, and so no limits.
"""


def installed(package: str) -> str:
    """The first two numbers of a package's version: updates of Debian change the rest."""
    command = ["dpkg-query", "--show", "--showformat=${Version}", package]
    version = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout
    return re.match(r"(?:\d+:)?(\d+\.\d+)", version)[1]  # type: ignore[index]


def version(source: str) -> str:
    """What ``version`` of a row means."""
    kind, _, name = source.partition(":")
    if kind == "package":
        return installed(name)
    if kind == "file":
        path, _, pattern = name.partition(":")
        return re.search(pattern, (PROJECT / path).read_text())[1]  # type: ignore[index]
    return ""


def rows() -> list[dict[str, Any]]:
    """Those of the table."""
    found: list[dict[str, Any]] = tomllib.loads(TABLE.read_text())["row"]
    return found


def line(row: dict[str, Any], systems: dict[str, str]) -> str:
    """A row of the page's table."""
    cells = (
        row["what"],
        row.get("prefix", "") + version(row.get("version", "")),
        systems[row["where"]],
        row["cgroups"],
        row["manager"],
        row["tests"],
        "`--full`" if row.get("full") else "always",
    )
    return f"| {' | '.join(cells)} |\n"


def render() -> str:
    """The page."""
    release = Path("/etc/os-release").read_text()
    number = re.search('^VERSION_ID="(.*)"', release, re.MULTILINE)
    debian = f"Debian {number[1]}" if number else ""
    systems = {
        "machine": debian,
        "vm": f"{debian}, virtual machine",
        "bare": f"{debian}, bare",
        "hosts": ", ".join(kind.name for kind in HOSTS),
        "rpm": RPM_HOST.name,
        "arm64": f"emulated arm64, the kernel of {debian} and busybox",
    }
    pinned = version(r"file:ci/packages:wasmtime==(\d+\.\d+)")
    head = HEAD.format(
        python=installed("python3"), libwasmedge=installed("libwasmedge0"), wasmtime=pinned
    )
    return head + "".join(line(row, systems) for row in rows()) + FOOT


def check() -> list[str]:
    """What is stale: a row that nothing runs, the page."""
    faults = []
    for row in rows():
        file, _, line = row["by"].partition(": ")
        if line not in (PROJECT / file).read_text():
            faults.append(f"tests/support.toml: {row['what']}: {file} has no line {line}")
    if PAGE.read_text() != render():
        faults.append(f"{PAGE.relative_to(PROJECT)}: stale (ci/docs --tables)")
    return faults


def write() -> None:
    """Make the page anew."""
    PAGE.write_text(render())
