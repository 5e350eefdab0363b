"""Containers for the tests: bundles, modules, the runtime, and the check that nothing is left."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from support import aot
from support.commands import PATIENCE
from support.containers import (
    LIBC,
    OPTIONS,
    PR_SET_CHILD_SUBREAPER,
    Bundle,
    Runtime,
    cgroup_directories,
    empty_bundle,
    mounts,
    reap_orphans,
    remove_cgroups,
    skip_without_root,
)
from support.network import namespace
from support.weakened import install, program

BUSYBOX = shutil.which("busybox") or ""
APPLETS = (
    "cat chmod cut date dd echo env false find grep head hostname id kill ln ls mkdir mknod mount "
    "ps pwd readlink rm seq sh sleep sort stat stty test touch tr true tty umount uname wc"
).split()


@pytest.fixture(scope="session")
def busybox(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the program beside the bundles, to be hard-linked into them."""
    if not BUSYBOX:
        pytest.skip("busybox (Debian: busybox-static) is not installed")
    path = tmp_path_factory.mktemp("busybox") / "busybox"
    shutil.copy(BUSYBOX, path)
    return path


def left_cgroups() -> list[str]:
    """Cgroups that are left. systemd can make one anew while its scope ends, and removes it."""
    deadline = time.monotonic() + (PATIENCE if "--cgroup-manager=systemd" in OPTIONS else 0)
    while (left := cgroup_directories()) and time.monotonic() < deadline:
        time.sleep(0.1)
    return left


@pytest.fixture
def leaks(tmp_path: Path) -> Iterator[None]:
    """After the test no process, mount, cgroup or descriptor of it is left."""
    LIBC.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    reap_orphans()
    descriptors = os.listdir("/proc/self/fd")
    yield
    processes = reap_orphans()
    cgroups = left_cgroups()
    remove_cgroups(cgroups)
    reap_orphans()
    LIBC.prctl(PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0)
    assert processes == []
    assert mounts(tmp_path) == []
    assert cgroups == []
    assert len(os.listdir("/proc/self/fd")) <= len(descriptors)


@pytest.fixture
def crunw(tmp_path: Path, leaks: None) -> Iterator[Runtime]:
    """The runtime; its containers are deleted with the test."""
    root = tmp_path / "state"
    runtime = Runtime(root)
    yield runtime
    runtime.close()
    assert not root.exists() or os.listdir(root) == []


@pytest.fixture
def weakened(tmp_path_factory: pytest.TempPathFactory, crunw: Runtime) -> Callable[[str], Runtime]:
    """``weakened(DEFENCE)``: the runtime without it, on the same containers as ``crunw``."""

    def make(defence: str) -> Runtime:
        prefix = tmp_path_factory.mktemp(f"without-{defence}")
        return Runtime(crunw.root, install(program(defence), prefix))

    return make


@pytest.fixture
def cache(crunw: Runtime) -> Iterator[Path]:
    """An empty cache of compiled modules, for this test alone."""
    aot.begin_empty()
    yield aot.CACHE
    aot.end_empty()


@pytest.fixture
def configuration() -> Iterator[Path]:
    """The node's configuration file, for this test alone."""
    target = Path("/etc/crunw")
    skip_without_root("to mount")
    target.mkdir(exist_ok=True)  # ordinary users read it, too
    aot.mount(target, "mode=755")
    yield target / "crunw.toml"
    subprocess.run(["umount", target], check=True)


@pytest.fixture
def network() -> Iterator[str]:
    """The name of a network namespace with loopback, for this test alone."""
    skip_without_root("to make a network namespace")
    with namespace() as name:
        yield name


MakeBundle = Callable[..., Bundle]


@pytest.fixture
def bundle(tmp_path: Path, busybox: Path) -> MakeBundle:
    """Make a bundle with busybox: ``bundle(*args, **changes)``, see :meth:`Bundle.change`."""

    def make(*args: str, **changes: Any) -> Bundle:
        made = next_bundle(tmp_path)
        binaries = made.rootfs / "bin"
        binaries.mkdir()
        os.link(busybox, binaries / "busybox")
        for applet in APPLETS:
            (binaries / applet).symlink_to("busybox")
        made.process["args"] = list(args or ("true",))
        return made.change(**changes)

    return make


@pytest.fixture
def wasm_bundle(tmp_path: Path, modules: Path) -> MakeBundle:
    """Make a bundle of one module, ``/NAME.wasm``: ``wasm_bundle(name, *args, **changes)``.

    Annotations are added to those it has.
    """

    def make(module: str, *args: str, **changes: Any) -> Bundle:
        made = next_bundle(tmp_path)
        os.link(modules / f"{module}.wasm", made.rootfs / f"{module}.wasm")
        made.process["args"] = [f"/{module}.wasm", *args]
        made.config["annotations"] |= changes.pop("annotations", {})
        return made.change(**changes)

    return make


def next_bundle(directory: Path) -> Bundle:
    """An empty one, in a directory of its own."""
    return empty_bundle(directory / f"bundle-{len(os.listdir(directory))}")
