"""A host of its own: a root directory with its mounts, into which commands are sent."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

PROJECT = Path(__file__).parents[2]


@dataclass
class Host:
    """What runs here has the mounts of the process ``pid``."""

    pid: int
    root: Path

    def run(self, script: str, *, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run a shell script that ends at its first error. Both streams are in ``stdout``."""
        command = ["nsenter", f"--target={self.pid}", "--mount", f"--wd={PROJECT}"]
        environment = {
            **{name: text for name, text in os.environ.items() if name.startswith("PIP_")},
            "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "HOME": "/root",
            "LC_ALL": "C.UTF-8",
            "DEBIAN_FRONTEND": "noninteractive",
        }
        done = subprocess.run(
            [*command, "bash", "-euo", "pipefail", "-c", script],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert not check or done.returncode == 0, f"{script}\n{done.stdout}"
        return done

    def says(self, script: str) -> str:
        """What a script prints."""
        return self.run(script).stdout


@contextlib.contextmanager
def running(lower: Path, scratch: Path) -> Iterator[Host]:
    """Start a host on a copy of ``lower``; what is written to it is gone afterwards."""
    root = scratch / "root"
    # Not below the project, which the host sees at the same path.
    layers = Path(tempfile.mkdtemp(prefix="packages-", dir="/var/cache"))
    for directory in (root, layers / "upper", layers / "work"):
        directory.mkdir()
    options = f"lowerdir={lower},upperdir={layers}/upper,workdir={layers}/work,volatile"
    layout = Path("/run/crunw-machine").read_text().strip()
    with contextlib.ExitStack() as stack:
        stack.callback(shutil.rmtree, layers)
        subprocess.run(["mount", "-t", "overlay", "-o", options, "host", root], check=True)
        stack.callback(subprocess.run, ["umount", root], check=True)
        enter = [PROJECT / "ci/enter", root, layout, PROJECT]
        script = "echo ready; exec sleep infinity"
        first = stack.enter_context(
            subprocess.Popen([*enter, "sh", "-c", script], stdout=subprocess.PIPE)
        )
        stack.callback(first.kill)
        assert first.stdout
        assert first.stdout.readline() == b"ready\n"
        yield Host(first.pid, root)
