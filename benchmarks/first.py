"""The first deployment of an image on a node: what it waits for, and how it runs from then on."""

from __future__ import annotations

import itertools
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from support.commands import wait_for

from benchmarks import big_module, images
from benchmarks.bundles import ASK_FOR_WASM
from benchmarks.compilers import compilers, end_compilers, wait_for_best
from benchmarks.measure import Result, in_turn, reap_adopted, run, say, timed
from benchmarks.pods import node, remove_all

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.context import Context
    from benchmarks.measure import Task, Timing

_CLIENT = str(Path(__file__).with_name("client.py"))
_REPLIES = 200
_SETTLED = _REPLIES // 4  # the replies from here on are compared
# Bytes of functions that nobody calls, in addition. With some the better tier takes longer than the
# 30 s for which the first container of a pod waits.
_SERVERS = {"small": 0, "large": 600_000}
_COMPILED_MEANWHILE = 2_000_000  # bytes of a module that is compiled for minutes
_AGAIN = 0.02  # s, from when the compiler goes on until the start that it may slow down


def measure(context: Context) -> Iterator[Result]:
    """Yield the results."""
    yield _podman(context)
    yield _beside_a_compiler(context)
    with node(context.directory, "crunw") as crio:
        for name in _SERVERS:
            yield from _replicas(context, crio, name)


def _podman(context: Context) -> Result:
    """`podman run` of an image's first container under `auto`, the default, and under `off`."""
    original = (context.examples / "hello.wasm").read_bytes()
    podman = str(shutil.which("podman"))
    serial = itertools.count()

    def task(policy: str) -> Task:
        words = [podman, f"--runtime={context.crunw.program}", "run", "--rm", "--network=none"]
        words.append(f"--annotation=run.oci.wasm.aot={policy}")

        def first_run() -> Timing:
            module = context.directory / f"podman-{next(serial)}.wasm"
            module.write_bytes(big_module.with_custom_section(original, module.name.encode()))
            image = images.build(module)
            taken = timed(lambda: run([*words, image], context.crunw.errors))
            reap_adopted()  # the compiler in the background is left to this process
            run([podman, "rmi", image])
            return taken

        return first_run

    tasks = {"crunw": task("auto"), "off": task("off")}
    samples = in_turn(tasks, context.rounds, warmup=1)
    return Result.of_times("first/podman", "`podman run`, hello module, first start", samples)


def _beside_a_compiler(context: Context) -> Result:
    """A start from the cache while the node compiles another module, and while it does not."""
    bundle = context.bundles.wasm("beside", context.examples / "hello.wasm")
    context.warm(bundle)

    def task(signal_: int) -> Task:
        def start() -> Timing:
            for pid in compilers():
                os.kill(pid, signal_)
            time.sleep(_AGAIN)
            return timed(lambda: context.crunw.run(bundle))

        return start

    with _compiling(context):
        tasks = {"crunw": task(signal.SIGCONT), "alone": task(signal.SIGSTOP)}
        samples = in_turn(tasks, 2 * context.rounds)
        if not compilers():
            raise RuntimeError("the compiler ended before the starts beside it")
    title = "`run`, hello module, while another one is compiled / alone"
    return Result.of_times("first/beside-a-compiler", title, samples)


@contextmanager
def _compiling(context: Context) -> Iterator[None]:
    """The background compiler at work on a module that has just been started for the first time."""
    module = context.directory / "compiled-meanwhile.wasm"
    big_module.write(module, _COMPILED_MEANWHILE)
    context.crunw.run(context.bundles.wasm("compiled-meanwhile", module))
    try:
        wait_for(compilers, "the compiler")
        yield
    finally:
        end_compilers()


def _replicas(context: Context, crio: Any, name: str) -> Iterator[Result]:
    """A server's first replica, a later one with the best code, and crun's."""
    original = (context.programs / "server.wasm").read_bytes()
    server = big_module.with_functions(original, _SERVERS[name]) if _SERVERS[name] else original
    title = f"server of {len(server) / 1000:.0f} kB on CRI-O"
    first = Result(f"first/until-1-{name}", f"{title}, `create` to reply 1", "s")
    last = Result(f"first/until-{_REPLIES}-{name}", f"{title}, to reply {_REPLIES}", "s")
    each = Result(f"first/reply-{name}", f"{title}, each reply then", "s")
    for number in range(context.fewest):
        module = context.directory / f"server-{name}-{number}.wasm"
        module.write_bytes(big_module.with_custom_section(server, module.name.encode()))
        image = images.build(module, crio.environment)
        for subject in ("crunw", "second", "crun"):
            say(f"  {title}: {subject}")
            if subject == "second":
                wait_for_best(module)
            replies = _serve(crio, image, "crun" if subject == "crun" else "")
            first.samples.setdefault(subject, []).append(replies[0])
            last.samples.setdefault(subject, []).append(replies[-1])
            each.samples.setdefault(subject, []).append(each_of(replies[_SETTLED:]))
    yield from (first, last, each)


def each_of(replies: list[float]) -> float:
    """How long a reply takes where one comes after the other, by when they were there."""
    return (replies[-1] - replies[0]) / (len(replies) - 1)


def _serve(crio: Any, image: str, handler: str) -> list[float]:
    """Start a server; when its replies were there, in s from `create` on."""
    pod = crio.pod("server", ASK_FOR_WASM if handler else None, handler)
    words = [sys.executable, _CLIENT, pod.address(), str(_REPLIES)]
    client = subprocess.Popen(crio.within(*words), stdout=subprocess.PIPE, text=True)
    begin = time.monotonic()
    try:
        container = pod.start(image, images.PROGRAM)
        said, _ = client.communicate()
    finally:
        client.kill()
        client.wait()
    if client.returncode:
        raise RuntimeError(f"{image}: {crio.logs(container)}")
    remove_all(crio, [container])
    return [when - begin for when in json.loads(said)]
