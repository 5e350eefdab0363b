"""A CRI-O node of its own: network namespace, storage, sockets, all below one directory."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import subprocess
from fnmatch import fnmatch
from pathlib import Path
from string import Template

from support.commands import PROJECT, wait_for
from support.engines import Daemon, build_images
from support.modules import provide_modules

HERE = Path(__file__).parent
ADDRESSES = "10.88."
CONFIGURATION = (
    "etc/crio/crio.conf",
    "etc/crio/crio.conf.d/10-crio.conf",
    "crictl.yaml",
    "net.d/bridge.conflist",
    "policy.json",
    "registries.conf",
    "storage.conf",
)
DEFAULTS = {
    "runtime": "crunw",
    "drop_infra_ctr": "true",
    "pause_image": "docker.io/beststeve/wasm-pause",
    "pause_command": "pause.wasm",
    "cgroup_manager": "cgroupfs",
}
GUIDE_CGROUP = "/pod_123-456"
TAGS = {
    "localhost/wasm-pause": "docker.io/beststeve/wasm-pause",
    "localhost/wasi-main": "docker.io/hydai/wasm-wasi-example",
}


class CrictlError(Exception):
    """crictl failed; what it wrote to standard error."""


def guide(name: str):
    """A configuration of the guide, for today's CRI-O: see docs/crio.md."""
    return json.loads((HERE / "guide" / f"{name}.json").read_text())


def guide_files(directory: Path) -> tuple[Path, Path, Path]:
    """Write what the flow needs: the pod, the guide's container, and one that runs until stopped.

    The pod is the guide's but for its cgroup: the cgroupfs manager takes no slices.
    """
    sandbox = guide("sandbox_config")
    sandbox["linux"]["cgroup_parent"] = GUIDE_CGROUP
    sleeper = guide("container_wasi")
    sleeper["metadata"]["name"] = "sleeper"
    sleeper |= {"image": {"image": "localhost/mixed"}, "args": ["/sleep.wasm"]}
    texts = {
        "sandbox_config": json.dumps(sandbox, indent=2),
        "container_wasi": (HERE / "guide/container_wasi.json").read_text(),
        "sleeper": json.dumps(sleeper, indent=2),
    }
    for name, text in texts.items():
        (directory / f"{name}.json").write_text(text)
    pod, container, runs = (directory / f"{name}.json" for name in texts)
    return pod, container, runs


class Node(Daemon):
    """CRI-O with one runtime, and crictl to talk to it.

    It has the configuration of a package, with crun; ``crunw install crio --default`` puts crunw
    into it, unless ``runtime`` is ``crun``. ``options`` are those of ``DEFAULTS``; they stand in
    the templates.
    """

    def __init__(self, directory: Path, **options: str) -> None:
        super().__init__(directory, f"crunw-{os.getpid()}-{directory.name}")
        self.cgroup = self.network
        engines = subprocess.check_output([PROJECT / "ci/engines/build"], text=True)
        self.engines = Path(engines.strip())
        self.socket = directory / "crio.sock"
        self.environment = {
            **os.environ,
            "CONTAINERS_STORAGE_CONF": str(directory / "storage.conf"),
            "CONTAINER_REGISTRIES_CONF": str(directory / "registries.conf"),
            "CRI_CONFIG_FILE": str(directory / "crictl.yaml"),
        }
        self.etc = directory / "etc"
        for name in ("net.d", "etc/crio/crio.conf.d", "libexec"):
            (directory / name).mkdir(parents=True)
        (directory / "libexec" / "conmon").symlink_to(shutil.which("conmon") or "")
        self.options = DEFAULTS | {"runtime_path": shutil.which("crun") or ""} | options
        self.options |= {"directory": directory, "engines": self.engines}
        self.options["sockets"] = f"/run/{self.network}"  # a socket's path has 107 bytes at most
        for name in CONFIGURATION:
            self.write(name)
        if self.options["runtime"] == "crunw":
            self.install("--default")
        if self.options["drop_infra_ctr"] == "false" and not may_lower_oom_score_adj():
            self.wrap_runtime()

    def write(self, name: str) -> Path:
        """Write the configuration file of that name, made from its template."""
        template = Template((HERE / Path(name).name).read_text())
        path = self.directory / name
        path.write_text(template.substitute(self.options))
        return path

    def wrap_runtime(self, *, settle: bool = False) -> None:
        """Put a program before the runtime that takes a negative ``oomScoreAdj`` for 0.

        ``settle``: it also waits at the end of `start`, which crun does not until the program is
        executed. A container's first process misses a TERM before that, and a pause container has
        2 CPU shares; CRI-O asks it to end once, and then waits for a year.
        """
        runtime = self.options["runtime"]
        self.options["settle"] = "yes" if settle else ""
        self.options["runtime_path"] = shutil.which(runtime) or ""
        wrapper = self.write("runtime.template")
        wrapper.chmod(0o755)
        name = {"crun": "10-crio.conf", "crunw": "60-crunw.conf"}[runtime]
        configuration = self.etc / "crio" / "crio.conf.d" / name
        text = configuration.read_text()
        line = f'runtime_path = "{wrapper}"'
        configuration.write_text(re.sub("^runtime_path = .*$", line, text, flags=re.MULTILINE))

    def install(self, *options: str) -> subprocess.CompletedProcess[str]:
        """``crunw install crio``, into this node's configuration."""
        command = ["crunw", "install", "crio", f"--etc={self.etc}", *options]
        return subprocess.run(command, capture_output=True, text=True, check=True)

    def make_images(self) -> None:
        """Build the images into the node's storage; those of the guide get its names for them."""
        build_images(self.environment)
        modules = self.directory / "modules"
        provide_modules(modules)
        build = ["buildah", "build", "--quiet", "--isolation=chroot", "--tag=localhost/mixed"]
        build += ["--file", str(HERE / "Containerfile"), str(modules)]
        subprocess.run(build, env=self.environment, check=True, stdout=subprocess.DEVNULL)
        for image, name in TAGS.items():
            subprocess.run(["buildah", "tag", image, name], env=self.environment, check=True)

    def start(self) -> None:
        """Make the network namespace, start CRI-O; return when it is ready."""
        self.make_network()
        self.launch()

    def launch(self) -> None:
        """Start CRI-O on what its configuration is now; return when it is ready."""
        config = [f"--config={self.etc}/crio/crio.conf"]
        config += [f"--config-dir={self.etc}/crio/crio.conf.d"]
        command = [str(self.engines / "crio"), *config]
        self.spawn(self._answers, *command, environment=self.environment)

    def _answers(self) -> bool:
        try:
            conditions = self.json("info")["status"]["conditions"]
        except CrictlError:
            return False
        return all(condition["status"] for condition in conditions)

    def crictl(self, *arguments: str | Path) -> str:
        """What ``crictl`` prints, without the line's end. Raises :class:`CrictlError`."""
        result = self.try_crictl(*arguments)
        if result.returncode:
            raise CrictlError(result.stderr)
        return result.stdout.removesuffix("\n")

    def try_crictl(self, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        """Run ``crictl``, whatever comes of it."""
        return subprocess.run(
            self.within(str(self.engines / "crictl"), *map(str, arguments)),
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )

    def running(self) -> list[str]:
        """The ids of the containers that run."""
        return self.crictl("ps", "--quiet").split()

    def json(self, verb: str, *arguments: str | Path):
        """What ``crictl VERB -o json`` prints, parsed."""
        return json.loads(self.crictl(verb, "-o", "json", *arguments))

    def state(self, container: str) -> str:
        """``CONTAINER_CREATED``, ``CONTAINER_RUNNING`` or ``CONTAINER_EXITED``."""
        return self.status(container)["state"]

    def status(self, container: str):
        """The container's CRI status."""
        return self.json("inspect", container)["status"]

    def wait_exit(self, container: str) -> int:
        """Wait until the container has exited; return its exit code."""
        wait_for(lambda: self.state(container) == "CONTAINER_EXITED", "the container's end")
        return self.status(container)["exitCode"]

    def logs(self, container: str) -> str:
        """What the container has written to standard output and standard error."""
        result = self.try_crictl("logs", container)
        assert result.returncode == 0, result.stderr
        return result.stdout + result.stderr

    def pod(self, name: str, annotations: dict[str, str] | None = None, handler: str = "") -> Pod:
        """Run a pod: the guide's, with another name, more annotations, and a runtime's handler."""
        config = guide("sandbox_config")
        config["metadata"] |= {"name": name, "uid": f"{name}-{self.network}"}
        config["annotations"] |= annotations or {}
        config["linux"]["cgroup_parent"] = f"/{self.cgroup}/{name}"
        return Pod(self, name, config, handler)

    def stop(self) -> None:
        """Remove every pod, end CRI-O, take the network down."""
        try:
            if self.process and self.process.poll() is None:
                self.crictl("rmp", "--all", "--force")
        finally:
            self.end()
        storage = self.directory / "storage" / "overlay"
        if os.path.ismount(storage):
            subprocess.run(["umount", "--lazy", storage], check=True)

    def leftovers(self) -> list[str]:
        """What is left of pods and containers: processes, mounts, cgroups, interfaces, rules."""
        here = str(self.directory)
        found = [f"process {line}" for line in _command_lines() if here in line]
        mounts = Path("/proc/self/mountinfo").read_text().splitlines()
        found += [f"mount {line}" for line in mounts if here in line]
        known = self.log()
        found += [f"cgroup {path}" for path in cgroups("*/crio-*") if path.name[-64:] in known]
        states = Path("/run/crunw").glob("*")
        found += [f"state {path}" for path in states if path.name in known]
        links = subprocess.check_output(self.within("ip", "-o", "link"), text=True)
        names = set(re.findall(r"^\d+: ([^:@]+)", links, re.MULTILINE))
        found += [f"link {name}" for name in names - {"lo", "crunw0"}]
        rules = subprocess.check_output(self.within("nft", "list", "ruleset"), text=True)
        found += [f"rule {line}" for line in rules.splitlines() if ADDRESSES in line]
        return found

    def delete(self) -> None:
        """Delete the network namespace, and the pods' cgroups, which the kubelet would delete."""
        for path in cgroups(f"*/{self.cgroup}*"):
            path.rmdir()
        for path in cgroups("/sys/fs/cgroup/*/crio"):  # critest's pods name no parent: CRI-O's own
            with contextlib.suppress(OSError):  # another CRI-O has pods in it
                path.rmdir()
        self.delete_network()
        shutil.rmtree(self.options["sockets"], ignore_errors=True)


class Pod:
    """A running pod."""

    def __init__(self, node: Node, name: str, config, handler: str) -> None:
        self.node = node
        self.config = node.directory / f"{name}.json"
        self.config.write_text(json.dumps(config))
        self.id = node.crictl("runp", f"--runtime={handler}", self.config)

    def create(self, image: str, *args: str, name: str = "main", **changes) -> str:
        """Create a container: the guide's, with another name, image and arguments."""
        config = guide("container_wasi")
        config["metadata"]["name"] = name
        config["image"]["image"] = image
        config["args"] = list(args)
        config |= changes
        path = self.config.with_suffix(f".{name}.json")
        path.write_text(json.dumps(config))
        return self.node.crictl("create", self.id, path, self.config)

    def start(self, image: str, *args: str, name: str = "main", **changes) -> str:
        """Create and start a container."""
        return self.node.crictl("start", self.create(image, *args, name=name, **changes))

    def address(self) -> str:
        """The pod's IPv4 address."""
        return self.node.json("inspectp", self.id)["status"]["network"]["ip"]

    def remove(self) -> None:
        """Stop and remove the pod with its containers, of which native ones may ignore TERM."""
        running = self.node.crictl("ps", "-q", "--pod", self.id).split()
        if running:
            self.node.crictl("stop", "--timeout=1", *running)
        self.node.crictl("stopp", self.id)
        self.node.crictl("rmp", self.id)


def cgroups(pattern: str) -> list[Path]:
    """The cgroups whose path matches, in every hierarchy, children before their parents."""
    # Others come and go meanwhile: what has gone is passed over.
    found = (path for path, _, _ in os.walk("/sys/fs/cgroup", topdown=False))
    return [Path(path) for path in found if fnmatch(path, pattern)]


def may_lower_oom_score_adj() -> bool:
    """Whether a process may be protected from the OOM killer (CAP_SYS_RESOURCE)."""
    status = Path("/proc/self/status").read_text()
    effective = re.search(r"^CapEff:\s*([0-9a-f]+)", status, re.MULTILINE)
    assert effective
    return bool(int(effective[1], 16) >> 24 & 1)


def _command_lines() -> list[str]:
    """Those of the processes in this mount namespace: elsewhere a path is another's."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if (process / "ns/mnt").readlink() == Path("/proc/self/ns/mnt").readlink():
                found.append((process / "cmdline").read_text().replace("\0", " "))
        except OSError:
            pass  # it has ended meanwhile
    return found
