"""A containerd of its own: network namespace, storage, sockets, all below one directory."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from functools import cache
from pathlib import Path
from string import Template

from support.commands import PATIENCE, PROJECT, Result, run
from support.engines import IMAGES, Daemon

HERE = Path(__file__).parent
NAMESPACES = ("default", "k8s.io")


class Containerd(Daemon):
    """containerd of its own, with config.toml of this directory; ``ctr`` and ``crictl`` talk to it.

    ``crunw install containerd`` puts crunw into its configuration, as the default runtime.
    """

    def __init__(self, directory: Path) -> None:
        super().__init__(directory, f"crunw-containerd-{os.getpid()}")
        self.runtime = shutil.which("crunw") or ""
        self.socket = directory / "containerd.sock"
        self.etc = directory / "etc"
        self.config = self.etc / "containerd" / "config.toml"
        for path in (self.config, directory / "net.d" / "bridge.conflist"):
            path.parent.mkdir(parents=True)
            text = Template((HERE / path.name).read_text())
            path.write_text(text.substitute(directory=directory))
        self.install("--default")
        client = f"runtime-endpoint: unix://{self.socket}\ntimeout: {PATIENCE:.0f}\n"
        (directory / "crictl.yaml").write_text(client)

    def start(self) -> None:
        """Start containerd; return when it answers."""
        self.make_network()
        self.launch()

    def install(self, *options: str) -> Result:
        """``crunw install containerd``, into this containerd's configuration."""
        return run(["crunw", "install", "containerd", f"--etc={self.etc}", *options])

    def launch(self) -> None:
        """Start containerd on what its configuration is now; return when it answers."""
        self.spawn(self._answers, "containerd", "--config", str(self.config))

    def _answers(self) -> bool:
        plugins = self.ctr("plugins", "ls").out.splitlines()
        return any(line.split()[1::2] == ["cri", "ok"] for line in plugins)

    def load(self, archives: Path) -> None:
        """Import the images of :func:`make_archives`, for ctr and for the CRI plugin."""
        for image in IMAGES:
            for namespace in NAMESPACES:
                archive = str(archives / f"{image}.tar")
                self.ctr("--namespace", namespace, "images", "import", archive).text()

    def ctr_command(self, *words: str) -> list[str]:
        return ["ctr", "--address", str(self.socket), *words]

    def ctr(self, *words: str) -> Result:
        """Run ``ctr``."""
        return run(self.ctr_command(*words))

    def crictl(self, *words: str) -> Result:
        """Run ``crictl``."""
        crictl = str(_engines() / "crictl")
        return run(self.within(crictl, f"--config={self.directory}/crictl.yaml", *words))

    def running(self) -> list[str]:
        """The ids of the CRI plugin's containers that run."""
        return self.crictl("ps", "--quiet").text().split()

    def run_options(self) -> list[str]:
        """The options of ``ctr run`` that name the runtime."""
        return ["--runc-binary", self.runtime, "--runc-root", str(self.directory / "crunw")]

    def run(self, image: str, container: str, *words: str, options: tuple[str, ...] = ()) -> Result:
        """``ctr run --rm`` with crunw."""
        name = f"localhost/{image}:latest"
        return self.ctr("run", "--rm", *self.run_options(), *options, name, container, *words)

    def detach(
        self, image: str, container: str, *words: str, options: tuple[str, ...] = ()
    ) -> None:
        """``ctr run --detach`` with crunw."""
        name = f"localhost/{image}:latest"
        self.ctr("run", "--detach", *self.run_options(), *options, name, container, *words).text()

    def status(self, container: str) -> str:
        """RUNNING, STOPPED, PAUSED …; "" without a task."""
        rows = [line.split() for line in self.ctr("task", "ls").text().splitlines()[1:]]
        return next((status for name, _pid, status in rows if name == container), "")

    def remove(self, container: str) -> None:
        """Remove a container of ``ctr`` and its task."""
        self.ctr("task", "delete", "--force", container).text()
        self.ctr("container", "delete", container).text()

    def clear(self) -> None:
        """Remove what a failed test has left."""
        self.crictl("rmp", "--all", "--force").text()
        for container in self.ctr("containers", "ls", "--quiet").text().split():
            self.ctr("task", "delete", "--force", container)
            self.ctr("container", "delete", container)

    def stop(self) -> None:
        """End containerd; take the network namespace down."""
        self.end()
        self.delete_network()
        for path in cgroups():
            os.rmdir(path)

    def leftovers(self) -> list[str]:
        """What is left of containers: processes, mounts, cgroups, interfaces, state."""
        here = f"{self.directory}/"
        found = [line for line in _commands() if here in line and "containerd --config" not in line]
        mounts = Path("/proc/self/mountinfo").read_text().splitlines()
        found += [f"mount {line}" for line in mounts if here in line]
        found += [f"cgroup {name}" for path in cgroups() for name in _directories(path)]
        links = json.loads(run(self.within("ip", "-json", "link")).text())
        found += [f"link {link['ifname']}" for link in links if "master" in link]
        for states in (self.directory / "crunw", Path("/run/containerd/runc/k8s.io")):
            found += [str(path) for path in states.glob("*/*")]
        return found


@cache
def _engines() -> Path:
    """The directory of crictl."""
    build = [PROJECT / "ci" / "engines" / "build"]
    return Path(subprocess.run(build, check=True, stdout=subprocess.PIPE, text=True).stdout.strip())


def cgroups() -> list[str]:
    """The cgroups that containerd puts containers into, one a namespace and hierarchy."""
    tops = ["/sys/fs/cgroup", *(str(path) for path in Path("/sys/fs/cgroup").glob("*/"))]
    paths = [f"{top}/{namespace}" for top in tops for namespace in NAMESPACES]
    return [path for path in paths if os.path.isdir(path)]


def _directories(path: str) -> list[str]:
    return [entry.path for entry in os.scandir(path) if entry.is_dir()]


def _commands() -> list[str]:
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            found.append(path.read_text().replace("\0", " "))
        except OSError:
            pass  # it has ended meanwhile
    return found
