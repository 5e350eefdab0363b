"""``crunw doctor`` on the machine that the tests run on, with everything and without parts."""

from __future__ import annotations

import glob
import json
import subprocess

import pytest
from support import aot
from support.containers import skip_without_root


def doctor(prefix: str = "", *options: str) -> tuple[int, dict[str, dict[str, str]]]:
    """The exit status, and the findings by their names. ``prefix``: shell, run before it."""
    command = ["sh", "-c", f'{prefix}\nexec crunw doctor --format json "$@"', "sh", *options]
    if prefix:
        skip_without_root("to mount")
        command = ["unshare", "--mount", *command]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stderr == ""
    return done.returncode, {finding["check"]: finding for finding in json.loads(done.stdout)}


def hide(pattern: str) -> str:
    """Shell that makes the files that match something that can't be loaded."""
    (path,) = glob.glob(pattern)
    return f"mount --bind /dev/null {path}"


def test_nothing_is_broken():
    done = subprocess.run(["crunw", "doctor"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    assert "broken" not in done.stdout
    assert "loaded and run" in done.stdout


@pytest.mark.parametrize(
    ("pattern", "broken", "advice"),
    [
        ("/usr/lib/*/libwasmedge.so.0", ["libwasmedge"], "libwasmedge0"),
        ("/usr/lib/*/libseccomp.so.2", ["seccomp filter"], "libseccomp2"),
        ("/usr/lib/*/libLLVM.so.19.1", ["compiled module"], "crunw cache warm"),
        (
            "/usr/lib/python3/dist-packages/_cffi_backend.*.so",
            ["seccomp filter", "libwasmedge"],
            "python3-cffi-backend",
        ),
    ],
)
def test_library_that_can_not_be_loaded(pattern, broken, advice):
    status, findings = doctor(hide(pattern))
    assert status == 1
    assert [name for name in findings if findings[name]["status"] == "broken"] == broken
    assert all(advice in findings[name]["advice"] for name in broken)


@pytest.mark.parametrize("name", ["AOT", "seccomp"])
def test_cache_that_the_runtime_does_not_use(name):
    """Not for want of a right to write to it: it belongs to somebody else."""
    cache = aot.CACHE.with_name(name.lower())
    status, findings = doctor(f"mkdir -p {cache}; mount -t tmpfs -o mode=755,uid=7 cache {cache}")
    assert status == 1
    assert findings[f"{name} cache"]["found"] == f"{cache}: belongs to user 7 (remove it): not used"
    assert (findings["compiled module"]["status"] == "broken") == (name == "AOT")


@pytest.mark.podman
def test_podman_that_has_been_told():
    """podman is asked what it has loaded; a later file takes the runtime away again."""
    etc = "/etc/containers"
    copy = f"mkdir /tmp/doctor && cp -a {etc}/. /tmp/doctor && mount --bind /tmp/doctor {etc}"
    prefix = (
        f"unset CONTAINERS_CONF_OVERRIDE; mount -t tmpfs tmp /tmp; {copy}"
        "; crunw install podman >/dev/null"
    )
    _, findings = doctor(prefix)
    assert findings["podman"]["status"] == "ok"
    assert findings["podman"]["found"].startswith("has loaded the runtime crunw, /")
    status, findings = doctor(f"{prefix}; echo = >{etc}/containers.conf")
    assert (status, findings["podman"]["status"]) == (1, "broken")
    assert findings["podman"]["found"].startswith(f"{etc}/containers.conf: is not valid TOML: ")
