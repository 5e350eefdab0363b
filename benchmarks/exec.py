"""`exec` in a running container, as a probe calls it every few seconds."""

from __future__ import annotations

import json
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING

from benchmarks.measure import Result, in_turn, timed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.context import Context
    from benchmarks.measure import Task
    from benchmarks.runtimes import Container


def measure(context: Context) -> Iterator[Result]:
    """Yield the results."""
    program = context.programs / "exit0"
    native = context.bundles.native("exec", program)
    path = context.directory / "process.json"
    config = json.loads((native / "config.json").read_text())
    path.write_text(json.dumps(config["process"], separators=(",", ":")))
    command = config["process"]["args"]
    with ExitStack() as stack:
        containers = {}
        for runtime in (context.crunw, context.crun, context.runc):
            # A created container is one to exec in, and needs no program that goes on.
            container = runtime.create(native)
            stack.callback(container.remove)
            containers[runtime.name] = container
        for key, title, words in (
            ("command", "`exec ID true`", lambda container: (container.id, *command)),
            (
                "process",
                "`exec --process FILE ID`, `true`",
                lambda container: ("--process", str(path), container.id),
            ),
        ):
            tasks = {
                name: _task(container, words(container)) for name, container in containers.items()
            }
            for task in tasks.values():
                task()  # the first leaves what later ones use
            samples = in_turn(tasks, 4 * context.rounds)
            yield Result.of_times(f"exec/{key}", title, samples)
        yield _module(context, containers["crun"], command, stack)


def _module(context: Context, crun: Container, command: list[str], stack: ExitStack) -> Result:
    """A module beside crun's native program: crun refuses to run a module so."""
    module = context.examples / "hello.wasm"
    bundle = context.bundles.wasm("exec-module", module)
    context.warm(bundle)
    container = context.crunw.create(bundle)
    stack.callback(container.remove)
    time.sleep(2)  # until a file counts as one that is not changed any more
    tasks = {
        "crunw": _task(container, (container.id, f"/{module.name}")),
        "crun": _task(crun, (crun.id, *command)),
    }
    for _ in range(2):
        tasks["crunw"]()
    samples = in_turn(tasks, 4 * context.rounds)
    return Result.of_times("exec/module", "`exec ID hello.wasm`; crun: `exec ID true`", samples)


def _task(container: Container, words: tuple[str, ...]) -> Task:
    return lambda: timed(lambda: container.runtime.call("exec", *words))
