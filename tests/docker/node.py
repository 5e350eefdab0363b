"""A dockerd of its own: network namespace, storage, cgroup, socket, all of its own name."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
from pathlib import Path

from containerd.node import IMAGES, PROJECT, WAIT, Result, run, wait_for


class Docker:
    """dockerd with the runtime ``crunw`` beside its default, runc, and ``docker`` to talk to it."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.etc = directory / "etc"
        self.network = f"crunw-docker-{os.getpid()}"
        self.environment = {**os.environ, "DOCKER_HOST": f"unix://{directory}/docker.sock"}
        self.process: subprocess.Popen[bytes] | None = None
        (self.etc / "docker").mkdir(parents=True)
        (self.etc / "docker" / "daemon.json").write_text("{}\n")
        self.install()

    def install(self, *options: str) -> None:
        """``crunw install docker``."""
        command = ["crunw", "install", "docker", "--etc", self.etc, *options]
        subprocess.run(command, check=True, capture_output=True)

    def start(self) -> None:
        """Make the network namespace, start dockerd; return when it answers."""
        subprocess.run(["ip", "netns", "add", self.network], check=True)
        subprocess.run(self._within("ip", "link", "set", "lo", "up"), check=True)
        self._launch()

    def _launch(self) -> None:
        command = [
            "dockerd",
            f"--config-file={self.etc}/docker/daemon.json",
            f"--data-root={self.directory}/data",
            f"--exec-root={self.directory}/exec",
            f"--pidfile={self.directory}/pid",
            f"--host={self.environment['DOCKER_HOST']}",
            f"--cgroup-parent=/{self.network}",
        ]
        with (self.directory / "log").open("wb") as log:
            self.process = subprocess.Popen(
                self._within(*command), stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        wait_for(self._ready, "dockerd is ready")

    def _ready(self) -> bool:
        assert self.process
        assert self.process.poll() is None, (self.directory / "log").read_text()[-3000:]
        return self("version").status == 0

    def _within(self, *command: str) -> list[str]:
        return ["nsenter", f"--net=/run/netns/{self.network}", *command]

    def load(self) -> None:
        """Build the example images and load them."""
        environment = self.environment | {
            "CONTAINERS_STORAGE_CONF": str(self.directory / "storage.conf"),
        }
        (self.directory / "storage.conf").write_text(
            f'[storage]\ndriver = "overlay"\ngraphroot = "{self.directory}/images"\n'
            f'runroot = "{self.directory}/run"\n'
        )
        images = [PROJECT / "examples" / "images", "--test-images"]
        subprocess.run(images, env=environment, check=True)
        for image in IMAGES:
            name = f"localhost/{image}:latest"
            archive = self.directory / f"{image}.tar"
            push = ["buildah", "push", "--quiet", name, f"docker-archive:{archive}:{name}"]
            subprocess.run(push, env=environment, check=True, stdout=subprocess.DEVNULL)
            self("load", "--input", str(archive)).ok()

    def __call__(self, *words: str) -> Result:
        """Run ``docker``."""
        return run(["docker", *words], self.environment)

    def run(self, *words: str) -> Result:
        """``docker run --rm`` with crunw."""
        return self("run", "--rm", "--runtime", "crunw", *words)

    def detach(self, name: str, *words: str) -> None:
        """``docker run --detach`` with crunw."""
        self("run", "--detach", "--runtime", "crunw", "--name", name, *words).ok()

    def default_runtime(self) -> str:
        """The runtime of containers that name none."""
        return self("info", "--format", "{{.DefaultRuntime}}").ok()

    def reload(self) -> None:
        """Have dockerd read its configuration again."""
        assert self.process
        self.process.send_signal(signal.SIGHUP)

    def restart(self) -> None:
        """End dockerd and start it again."""
        self._end()
        self._launch()

    def inspect(self, container: str, field: str):
        """A field of the container, such as ``.State.ExitCode``."""
        return json.loads(self("inspect", "--format", f"{{{{json {field}}}}}", container).ok())

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
        containers = self("ps", "--all", "--quiet").ok().split()
        if containers:
            self("rm", "--force", *containers).ok()

    def stop(self) -> None:
        """End dockerd; take its network namespace and its cgroups down."""
        if self.process:
            self._end()
        subprocess.run(["ip", "netns", "delete", self.network], check=True)
        for path in self.cgroups():
            path.rmdir()

    def _end(self) -> None:
        assert self.process
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(WAIT)

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
        links = json.loads(run(self._within("ip", "-json", "link")).ok())
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
