"""Programs of others, in several languages, run by crunw: see ``ci/real-programs``."""
