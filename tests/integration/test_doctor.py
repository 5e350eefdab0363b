"""``crunw doctor`` on the machine that the tests run on, which has everything."""

from __future__ import annotations

import json
import subprocess


def test_nothing_is_missing():
    done = subprocess.run(["crunw", "doctor"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "missing" not in done.stdout


def test_json():
    told = subprocess.check_output(["crunw", "doctor", "--json"])
    findings = {finding["check"]: finding for finding in json.loads(told)}
    assert findings["libwasmedge"]["status"] == "ok"
    assert findings["LLVM stub"]["found"] == "modules run without LLVM"
