"""docs/support.md: what the tests run on, from ``tests/support.toml`` and the machine's packages."""

from __future__ import annotations

import re
import subprocess
import tomllib
from typing import Any

from documents.page import PROJECT

PAGE = PROJECT / "docs/support.md"
TABLE = PROJECT / "tests/support.toml"
HEAD = """# What is tested where

This table is made from what `ci/test` runs (`tests/support.toml`); `ci/lint` fails when it is stale. A system that is
not here may work: nobody has seen it. `crunw doctor` tries what crunw needs of a host. crunw is built and tested on
x86-64, with Python {python}, libwasmedge {libwasmedge} and wasmtime {wasmtime}. It needs Linux 5.12, Python 3.11 and
libwasmedge 0.14 or later versions of them.

| what | version | system | cgroups | manager | tests | when |
|-|-|-|-|-|-|-|
"""
FOOT = """
*Machine*: a root directory with the host's kernel, without systemd. *Virtual machine*: with systemd and a kernel of
its own. *Bare*: the smallest Debian, into which the packages are installed. `ci/test --full` is not run for every
change. An ordinary user on cgroup v1 has no cgroups, so no limits.
"""


def installed(package: str) -> str:
    """The first two numbers of an installed package's version: updates of Debian change the rest."""
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


def render() -> str:
    """The page."""
    machine = dict(
        line.split("=", 1) for line in open("/etc/os-release").read().splitlines() if "=" in line
    )
    debian = f"Debian {machine['VERSION_ID'].strip(chr(34))}"
    systems = {"machine": debian, "vm": f"{debian}, virtual machine", "bare": f"{debian}, bare"}
    lines = [
        f"| {row['what']} | {row.get('prefix', '')}{version(row.get('version', ''))} | {systems[row['where']]} | {row['cgroups']}"
        f" | {row['manager']} | {row['tests']} | {'`--full`' if row.get('full') else 'always'} |\n"
        for row in rows()
    ]
    pinned = re.search(r"^pip:wasmtime==(\d+\.\d+)", (PROJECT / "ci/packages").read_text(), re.M)
    head = HEAD.format(
        python=installed("python3"),
        libwasmedge=installed("libwasmedge0"),
        wasmtime=pinned[1],  # type: ignore[index]
    )
    return head + "".join(lines) + FOOT


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
