"""``deploy/install``, the node's installer, on nodes of other distributions."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from packages.host import PROJECT, Host

SYSTEMCTL = """#!/bin/sh
[ "$1" != cat ] || [ "$2" = containerd ]
"""


def install(host: Host, archive: Path, *options: str) -> subprocess.CompletedProcess[str]:
    environment = {
        **os.environ,
        "ENGINE": "containerd",
        "ARCHIVE": str(archive),
        "NODE_PID": str(host.pid),
    }
    return subprocess.run(
        [PROJECT / "deploy/install", *options],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_node(host: Host, archive: Path) -> None:
    """It needs nothing of the node but a shell, tar and systemd, for which a script stands."""
    program = host.root / "usr/local/bin/systemctl"
    program.parent.mkdir(parents=True, exist_ok=True)
    program.write_text(SYSTEMCTL)
    program.chmod(0o755)
    done = install(host, archive)
    assert done.returncode == 0, done
    assert 'BinaryName = "/opt/crunw/bin/crunw"' in host.says("cat /etc/containerd/config.toml")
    assert host.says("crunw --version").startswith("crunw version ")
    again = install(host, archive)
    assert again.stderr == "containerd: nothing to change\n"
    host.run("/opt/crunw/current/install.sh --uninstall; rm -f /etc/containerd/config.toml")
