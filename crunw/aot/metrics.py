"""The cache in numbers, in Prometheus' text format (``node_exporter``'s textfile collector)."""

from __future__ import annotations

from crunw.aot import config, failures, places, queue, store


def text() -> str:
    """All metrics."""
    entries = store.entries()
    failed = failures.all_of_them()
    return "".join(
        (
            _metric(
                "entries", "Compiled modules in the cache.", "gauge",
                *_by_tier([(entry.meta.options, 1) for entry in entries]),
            ),
            _metric(
                "bytes", "Size of the compiled code in the cache.", "gauge",
                *_by_tier([(entry.meta.options, entry.meta.size) for entry in entries]),
            ),
            _metric("max_bytes", "aot.max-size.", "gauge", ("", config.load().max_size)),
            _metric(
                "compile_seconds", "Processor time that compiling the entries took.", "gauge",
                *_by_tier([(entry.meta.options, entry.meta.seconds) for entry in entries]),
            ),
            _metric(
                "hits_total", "Starts that found compiled code, since the node was started.",
                "counter",
                *_by_tier([(e.meta.options, places.counted("hits", e.key)) for e in entries]),
            ),
            _metric(
                "waiting", "Modules that wait for the background compiler.", "gauge",
                ("", len(queue.items())),
            ),
            _metric("waiting_bytes", "Size of these modules.", "gauge", ("", store.queue_size())),
            _metric(
                "failed", "Modules that could not be compiled at a level.", "gauge",
                ('{lasting="true"}', sum(failure.lasting for failure in failed)),
                ('{lasting="false"}', sum(not failure.lasting for failure in failed)),
            ),
        )
    )  # fmt: skip


def _by_tier(values: list[tuple[str, float]]) -> list[tuple[str, float]]:
    sums: dict[str, float] = {}
    for options, value in values:
        tier = options.partition("+")[0].rpartition("-")[2]
        sums[tier] = sums.get(tier, 0) + value
    return [(f'{{tier="{tier}"}}', sums[tier]) for tier in sorted(sums)]


def _metric(name: str, text: str, kind: str, *samples: tuple[str, float]) -> str:
    full = f"crunw_aot_{name}"
    lines = [f"# HELP {full} {text}", f"# TYPE {full} {kind}"]
    lines += [f"{full}{labels} {value:.10g}" for labels, value in samples]
    return "".join(f"{line}\n" for line in lines)
