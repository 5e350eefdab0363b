"""Pods on a CRI-O node: how long until all of them run, what each takes.

Two nodes, crunw below the first and crun below the second; the images, CRI-O and crictl are the
same. They start their pods in turn. A pod is one container with the pause module and no infra
container.
"""

from __future__ import annotations

import os
import signal
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.measure import Result, Timing, in_turn, timed

sys.path.append(str(Path(__file__).parent.parent / "tests"))
from crio.node import Node, cgroups

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.context import Context

_PODS = 100
_PARALLEL = 4  # requests at a time, as a kubelet that starts its pods makes
_ASK_FOR_WASM = {"run.oci.handler": "wasm"}  # crun needs it


def measure(context: Context) -> Iterator[Result]:
    """Yield the results: seconds until all run, bytes of each pod's program."""
    memory = Result("pods/Pss", f"PSS of each of {_PODS} pods' programs", "B", paired=False)
    with ExitStack() as nodes:
        tasks = {
            runtime.name: partial(
                _start_and_remove,
                nodes.enter_context(_node(context.directory, runtime.name)),
                memory.samples.setdefault(runtime.name, []),
            )
            for runtime in (context.crunw, context.crun)
        }
        timings = in_turn(tasks, context.few, warmup=1)
    walls = {name: [each.wall for each in all_] for name, all_ in timings.items()}
    yield Result("pods/running", f"{_PODS} pods on CRI-O until all run", "s", walls)
    yield memory


@contextmanager
def _node(directory: Path, runtime: str) -> Iterator[Any]:
    with tempfile.TemporaryDirectory(prefix=f"pods-{runtime}-", dir=directory) as name:
        node = Node(Path(name), runtime=runtime)
        node.make_images()
        node.start()
        try:
            yield node
        finally:
            node.stop()
            _remove_cgroups(node)
            node.delete()


def _start_and_remove(node: Any, sizes: list[float]) -> Timing:
    """Start the pods, and remove them; ``sizes`` gets what each takes.

    They are ended by SIGKILL, for crun's would miss TERM, and CRI-O wait for each.
    """
    containers: list[str] = []
    taken = timed(lambda: containers.extend(_start_all(node)))
    for container in containers:
        pid = node.json("inspect", container)["info"]["pid"]
        sizes.append(_pss(pid))
        os.kill(pid, signal.SIGKILL)
    node.crictl("rmp", "--all", "--force")
    _remove_cgroups(node)
    return taken


def _remove_cgroups(node: Any) -> None:
    for path in cgroups(f"*/{node.cgroup}/*"):
        path.rmdir()


def _start_all(node: Any) -> list[str]:
    """Start the pods and their containers; return the containers when all of them run."""

    def start(number: int) -> str:
        pod = node.pod(f"pod{number}", _ASK_FOR_WASM)
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
