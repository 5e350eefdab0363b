"""Cold start: `run`, and the whole lifecycle as CRI-O calls it, of a module and of a program."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.measure import Result, in_turn, timed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from benchmarks.context import Context
    from benchmarks.measure import Task
    from benchmarks.runtimes import Runtime

# Moving a process into a v1 cgroup waits for a grace period of RCU unless another move has just
# done so: back to back and apart are two figures.
_APART = 0.15  # s


def measure(context: Context) -> Iterator[Result]:
    """Yield the results."""
    bundles = context.bundles
    hello, true = context.examples / "hello.wasm", context.programs / "exit0"
    native = bundles.native("native", true)
    wasm = {
        context.crunw: bundles.wasm("hello", hello),
        context.crun: bundles.wasm_for_crun("hello", hello),
    }
    context.warm(wasm[context.crunw])
    wasm_as_podman = {runtime: bundles.as_podman(bundle) for runtime, bundle in wasm.items()}
    natives = dict.fromkeys((context.crunw, context.crun, context.runc), native)
    natives_as_podman = dict.fromkeys(natives, bundles.as_podman(native))

    for kind, title, subjects in (
        ("wasm", "hello module", wasm),
        ("native", "static native `true`", natives),
    ):
        for call in ("run", "lifecycle"):
            yield _compare(context, f"{call}-{kind}", f"`{call}`, {title}", subjects, call)
            yield _compare(
                context, f"{call}-{kind}-apart", f"`{call}`, {title}, 150 ms apart", subjects, call,
                _APART,
            )  # fmt: skip
    example = context.examples / "wasi_example_main.wasm"
    examples = {
        context.crunw: bundles.wasm("example", example, ["50000000"]),
        context.crun: bundles.wasm_for_crun("example", example, ["50000000"]),
    }
    context.warm(examples[context.crunw])
    yield _compare(context, "run-example", "`run`, the example with 50000000", examples, "run")
    yield _compare(
        context, "lifecycle-wasm-podman", "`lifecycle`, hello module, podman's config.json",
        wasm_as_podman, "lifecycle",
    )  # fmt: skip
    yield _compare(
        context, "lifecycle-native-podman", "`lifecycle`, native `true`, podman's config.json",
        natives_as_podman, "lifecycle",
    )  # fmt: skip


def _compare(
    context: Context,
    key: str,
    title: str,
    subjects: dict[Runtime, Path],
    call: str,
    pause: float = 0.0,
) -> Result:
    tasks = {
        runtime.name: _task(getattr(runtime, call), bundle) for runtime, bundle in subjects.items()
    }
    samples = in_turn(tasks, context.rounds, pause=pause)
    return Result.of_times(f"start/{key}", title, samples)


def _task(call: Callable[[Path], None], bundle: Path) -> Task:
    return lambda: timed(lambda: call(bundle))
