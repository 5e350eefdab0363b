"""A dockerd of its own: network namespace, storage, cgroup, socket, all of its own name."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
from pathlib import Path

from support.commands import Result, run
from support.engines import IMAGES, Daemon, make_archives


class Docker(Daemon):
    """dockerd with the runtime ``crunw`` beside its default, runc, and ``docker`` to talk to it."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory, f"crunw-docker-{os.getpid()}")
        self.etc = directory / "etc"
        self.environment = {**os.environ, "DOCKER_HOST": f"unix://{directory}/docker.sock"}
        (self.etc / "docker").mkdir(parents=True)
        (self.etc / "docker" / "daemon.json").write_text("{}\n")
        self.install()

    def install(self, *options: str) -> None:
        """``crunw install docker``."""
        command = ["crunw", "install", "docker", "--etc", self.etc, *options]
        subprocess.run(command, check=True, capture_output=True)

    def start(self) -> None:
        """Make the network namespace, start dockerd; return when it answers."""
        self.make_network()
        self._launch()

    def _launch(self) -> None:
        self.spawn(
            lambda: self("version").status == 0,
            "dockerd",
            f"--config-file={self.etc}/docker/daemon.json",
            f"--data-root={self.directory}/data",
            f"--exec-root={self.directory}/exec",
            f"--pidfile={self.directory}/pid",
            f"--host={self.environment['DOCKER_HOST']}",
            f"--cgroup-parent=/{self.network}",
        )

    def load(self) -> None:
        """Build the example images and load them."""
        archives = make_archives(self.directory, "docker-archive")
        for image in IMAGES:
            self("load", "--input", str(archives / f"{image}.tar")).text()

    def __call__(self, *words: str) -> Result:
        """Run ``docker``."""
        return run(["docker", *words], self.environment)

    def run(self, *words: str) -> Result:
        """``docker run --rm`` with crunw."""
        return self("run", "--rm", "--runtime", "crunw", *words)

    def detach(self, name: str, *words: str) -> None:
        """``docker run --detach`` with crunw."""
        self("run", "--detach", "--runtime", "crunw", "--name", name, *words).text()

    def default_runtime(self) -> str:
        """The runtime of containers that name none."""
        return self("info", "--format", "{{.DefaultRuntime}}").text()

    def reload(self) -> None:
        """Have dockerd read its configuration again."""
        assert self.process
        self.process.send_signal(signal.SIGHUP)

    def restart(self) -> None:
        """End dockerd and start it again."""
        self.end()
        self._launch()

    def inspect(self, container: str, field: str):
        """A field of the container, such as ``.State.ExitCode``."""
        return json.loads(self("inspect", "--format", f"{{{{json {field}}}}}", container).text())

    def at_terminal(self, *words: str) -> tuple[int, str]:
        """``docker run`` with crunw at a terminal of its own; exit status, what it shows."""
        here, there = pty.openpty()
        with subprocess.Popen(
            ["docker", "run", "--rm", "--runtime", "crunw", *words],
            env=self.environment,
            stdin=there,
            stdout=there,
            stderr=there,
        ) as process:
            os.close(there)
            shown = b"".join(_read_all(here))
        os.close(here)
        return process.returncode, shown.decode().replace("\r", "")

    def clear(self) -> None:
        """Remove all containers."""
        containers = self("ps", "--all", "--quiet").text().split()
        if containers:
            self("rm", "--force", *containers).text()

    def stop(self) -> None:
        """End dockerd; take its network namespace and its cgroups down."""
        self.end()
        self.delete_network()
        for path in self.cgroups():
            path.rmdir()

    def cgroups(self) -> list[Path]:
        """The cgroup of all containers in each hierarchy."""
        return [path for path in Path("/sys/fs/cgroup").rglob(self.network) if path.is_dir()]

    def files(self, container: str, controller: str, name: str) -> list[Path]:
        """A file of the container's cgroup."""
        identity = self.inspect(container, ".Id")
        return list(Path(f"/sys/fs/cgroup/{controller}/{self.network}/{identity}").glob(name))

    def leftovers(self) -> list[str]:
        """What is left of containers: processes, mounts, cgroups, interfaces, state."""
        places = (f"{self.directory}/data/", f"{self.directory}/exec/")
        mounts = Path("/proc/self/mountinfo").read_text().splitlines()
        found = [f"mount {line}" for line in mounts if any(place in line for place in places)]
        shims = run(["pgrep", "--full", f"containerd-shim.*{self.directory}"]).out.split()
        found += [f"shim {pid}" for pid in shims]
        found += [
            str(child) for path in self.cgroups() for child in path.iterdir() if child.is_dir()
        ]
        links = json.loads(run(self.within("ip", "-json", "link")).text())
        found += [f"link {link['ifname']}" for link in links if "master" in link]
        found += [str(path) for path in (self.directory / "exec").glob("runtime-*/moby/*")]
        return found


def _read_all(terminal: int):
    """What is written to a terminal until nobody has it open."""
    try:
        while chunk := os.read(terminal, 4096):
            yield chunk
    except OSError:  # EIO: the other side is closed
        pass
