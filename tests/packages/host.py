"""A host of its own: a root directory with its mounts, into which commands are sent."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

PROJECT = Path(__file__).parents[2]


@dataclass
class Host:
    """What runs here has the mounts of the process ``pid``."""

    pid: int
    shell: str = "bash"  # or another that knows pipefail

    @property
    def root(self) -> Path:
        """Its root directory, from outside."""
        return Path(f"/proc/{self.pid}/root")

    def run(self, script: str, *, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run a shell script that ends at its first error. Both streams are in ``stdout``."""
        enter = ["nsenter", f"--target={self.pid}", "--mount"]
        shell = [self.shell, "-euo", "pipefail", "-c", f"cd {PROJECT}\n{script}"]
        environment = {
            **{name: text for name, text in os.environ.items() if name.startswith("PIP_")},
            "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "HOME": "/root",
            "LC_ALL": "C.UTF-8",
            "DEBIAN_FRONTEND": "noninteractive",
        }
        done = subprocess.run(
            [*enter, *shell],
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
def running(lower: Path, shell: str = "bash") -> Iterator[Host]:
    """Start a host that begins as ``lower`` is; what is written to it is gone afterwards."""
    layout = Path("/run/crunw-machine").read_text().strip()
    enter = [PROJECT / "ci/enter", lower, layout, PROJECT]
    script = "echo ready; exec sleep infinity"
    with subprocess.Popen([*enter, "sh", "-c", script], stdout=subprocess.PIPE) as first:
        try:
            assert first.stdout
            assert first.stdout.readline() == b"ready\n"
            yield Host(first.pid, shell)
        finally:
            first.kill()
