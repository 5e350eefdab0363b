"""A sample of the faults that ``ci/faults`` injects: into each verb, each kind of call of it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from faults.inject import KINDS, PROCESSES, VERBS, Laboratory, Verb, tried
from support.containers import skip_without_root

pytestmark = pytest.mark.skipif(not shutil.which("strace"), reason="strace is not installed")
EVERY = 97


@pytest.mark.parametrize("who", PROCESSES)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("verb", VERBS, ids=lambda verb: verb.name.replace(" ", ""))
def test_sample(leaks: None, modules: Path, tmp_path: Path, verb: Verb, kind: str, who: str):
    skip_without_root("to have cgroups")
    count, wrong = tried(Laboratory(tmp_path, modules), verb, kind, who, EVERY)
    if count:  # not each verb starts a crunw-init
        assert wrong == []
