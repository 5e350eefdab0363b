"""crunw beside its peers, in one run: ``ci/bench``. ``docs/benchmarks.md`` tells the whole."""
