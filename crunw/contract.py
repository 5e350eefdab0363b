"""The files of a state directory, and what the launcher's record is made of.

Made by ci/contract of csrc/contract.toml.
"""

from __future__ import annotations

STATE_START = "start"
STATE_STARTED = "started"
STATE_CONFIG = "config.json"
STATE_RECORD = "state.json"
STATE_FAST = "fast"
STATE_EXEC = "exec"
STATE_EXEC_PROCESS = "exec.process"
STATE_COUNTERS = "counters"
STATE_NOTICES = "notices"
STATE_LATER = "later"
STATE_LOCK = "lock"

FAST_POSTSTART = 1
FAST_POSTSTOP = 2
FAST_SHARED_PIDS = 4

FAST_MAGIC = b"CRWF"
FAST_VERSION = 2
