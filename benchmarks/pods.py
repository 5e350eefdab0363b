"""Pods on a CRI-O node: how long until all of them run, what each takes.

Two nodes, crunw below the first and crun below the second; the images, CRI-O and crictl are the
same. They start their pods in turn. A pod is one container with the pause module and no infra
container.
"""

from __future__ import annotations

import os
import signal
import tempfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crio.node import Node, cgroups

from benchmarks.bundles import ASK_FOR_WASM
from benchmarks.measure import Result, Timing, in_turn, timed

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from benchmarks.context import Context

_PODS = 100
_PARALLEL = 4  # requests at a time, as a kubelet that starts its pods makes


def measure(context: Context) -> Iterator[Result]:
    """Yield the results: seconds until all run, bytes of each pod's program."""
    memory = Result("pods/Pss", f"PSS of each of {_PODS} pods' programs", "B", paired=False)
    with ExitStack() as nodes:
        tasks = {
            runtime.name: partial(
                _start_and_remove,
                nodes.enter_context(node(context.directory, runtime.name)),
                memory.samples.setdefault(runtime.name, []),
            )
            for runtime in (context.crunw, context.crun)
        }
        timings = in_turn(tasks, context.few, warmup=1)
    walls = {name: [each.wall for each in all_] for name, all_ in timings.items()}
    yield Result("pods/running", f"{_PODS} pods on CRI-O until all run", "s", walls)
    yield memory


@contextmanager
def node(directory: Path, runtime: str) -> Iterator[Any]:
    """A node with CRI-O and the example images, whose default runtime is that one."""
    with tempfile.TemporaryDirectory(prefix=f"pods-{runtime}-", dir=directory) as name:
        made = Node(Path(name), runtime=runtime)
        made.make_images()
        made.start()
        try:
            yield made
        finally:
            made.stop()
            _remove_cgroups(made)
            made.delete()


def _start_and_remove(node: Any, sizes: list[float]) -> Timing:
    """Start the pods, and remove them; ``sizes`` gets what each takes."""
    containers: list[str] = []
    taken = timed(lambda: containers.extend(_start_all(node)))
    sizes += [_pss(pid_of(node, container)) for container in containers]
    remove_all(node, containers)
    return taken


def pid_of(node: Any, container: str) -> int:
    """The pid of a running container's program."""
    return int(node.json("inspect", container)["info"]["pid"])


def remove_all(node: Any, containers: Iterable[str]) -> None:
    """Remove all pods, of which these are the running containers.

    They are ended by SIGKILL, for crun's would miss TERM, and CRI-O wait for each.
    """
    for container in containers:
        os.kill(pid_of(node, container), signal.SIGKILL)
    node.crictl("rmp", "--all", "--force")
    _remove_cgroups(node)


def _remove_cgroups(node: Any) -> None:
    for path in cgroups(f"*/{node.cgroup}/*"):
        path.rmdir()


def _start_all(node: Any) -> list[str]:
    """Start the pods and their containers; return the containers when all of them run."""

    def start(number: int) -> str:
        pod = node.pod(f"pod{number}", ASK_FOR_WASM)
        return str(pod.start("localhost/wasm-pause", "/pause.wasm"))

    with ThreadPoolExecutor(_PARALLEL) as pool:
        containers = list(pool.map(start, range(_PODS)))
    listed = node.json("ps", "--state", "running")["containers"]
    missing = set(containers) - {container["id"] for container in listed}
    if missing:
        raise RuntimeError(f"{len(missing)} of {_PODS} containers do not run")
    return containers


def _pss(pid: int) -> float:
    """Proportional set size of a process in bytes (proc_pid_smaps(5))."""
    rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
    (line,) = (line for line in rollup.splitlines() if line.startswith("Pss:"))
    return float(line.split()[1]) * 1024
