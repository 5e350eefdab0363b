"""Without libwasmedge native containers work, and a Wasm one is refused when it is created."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from support.containers import cgroup_directories, skip_without_root


def hide(library: str) -> list[str]:
    """What goes before a command to run it without a library."""
    skip_without_root("to mount")
    listing = subprocess.run(["/sbin/ldconfig", "-p"], capture_output=True, text=True, check=True)
    paths = [line.split()[-1] for line in listing.stdout.splitlines() if library in line]
    if not paths:
        pytest.skip(f"{library} is not installed")
    # crunw-init opens libraries below a clone of the mount of "/", or of all, if /usr is another.
    script = 'mount --rbind /usr /usr && mount --bind /dev/null "$0" && exec "$@"'
    return ["unshare", "--mount", "sh", "-c", script, str(Path(paths[0]).resolve())]


def test_native_container(crunw, bundle):
    prefix = hide("libwasmedge.so.0")
    container = bundle("sh", "-c", "echo fine; exit 3")
    result = crunw.run(container, prefix=prefix)
    assert (result.status, result.out, result.err) == (3, "fine\n", "")


def test_wasm_container(crunw, wasm_bundle):
    prefix = hide("libwasmedge.so.0")
    container = wasm_bundle("hello")
    for verb in (crunw.create, crunw.run):
        error = verb(container, prefix=prefix).error()
        assert error.startswith("dlopen libwasmedge.so.0: ")
    assert crunw.status(container) == ""
    assert cgroup_directories() == []
    assert crunw.run(container).ok() == "Hello from WebAssembly\n"


def test_wasm_does_not_need_llvm(crunw, wasm_bundle):
    prefix = hide("libLLVM.so.19.1")
    assert crunw.run(wasm_bundle("hello"), prefix=prefix).ok() == "Hello from WebAssembly\n"


@pytest.mark.parametrize("words", [["--version"], ["--help"], ["list"], ["features"]])
def test_other_verbs(crunw, words):
    assert crunw(*words, prefix=hide("libwasmedge.so.0")).ok() != ""
