"""Engines whose first Wasm container finds nothing of crunw's: no cache, no state, no notes."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest
from containerd.node import Containerd
from containerd.test_cri import Pod
from crio.node import Node, guide
from dockerd.node import Docker
from support import aot
from support.commands import PROJECT, run, wait_for
from support.engines import make_archives

OF_THE_PACKAGE = ("/var/cache/crunw", "/run/crunw")  # which leaves them empty
LEFT_BY_STARTS = ("/run/crunw-aot", "/etc/crunw")
IMAGE = "localhost/http-server"
PROFILE = {"seccomp": {"profile_type": 0}}  # the engine's default; podman and Docker use theirs


class Engine(NamedTuple):
    """``restart`` the engine, ``run`` a container and return its first process, ``clear`` them."""

    restart: Callable[[], None]
    run: Callable[[], int]
    clear: Callable[[], None]


@contextmanager
def crio(directory: Path) -> Iterator[Engine]:
    node = Node(directory)
    node.make_images()
    node.start()

    def restart() -> None:
        node.end()
        node.launch()

    def clear() -> None:
        node.crictl("rmp", "--all", "--force")

    def in_pod() -> int:
        linux = guide("container_wasi")["linux"]
        linux["security_context"] |= PROFILE
        container = node.pod("pod").start(IMAGE, "/http_server.wasm", linux=linux)
        pid: int = node.json("inspect", container)["info"]["pid"]
        return pid

    try:
        yield Engine(restart, in_pod, clear)
    finally:
        node.stop()
        left = node.leftovers()
        node.delete()
        assert left == []


@contextmanager
def containerd(directory: Path) -> Iterator[Engine]:
    for name in ("images", "node"):
        (directory / name).mkdir()
    archives = make_archives(directory / "images")
    node = Containerd(directory / "node")
    node.start()
    node.load(archives)

    def restart() -> None:
        node.end()
        node.launch()

    def in_pod() -> int:
        pod = Pod(node, directory / "node")
        config = pod.write(
            "server",
            metadata={"name": "server", "attempt": 0},
            image={"image": f"{IMAGE}:latest"},
            log_path="server.log",
            linux={"security_context": PROFILE},
        )
        container = pod.crictl("start", pod.crictl("create", pod.id, config, pod.config))
        pid: int = pod.inspect(container)["info"]["pid"]
        return pid

    try:
        yield Engine(restart, in_pod, node.clear)
        wait_for(lambda: not node.leftovers(), "nothing is left")
    finally:
        node.stop()


@contextmanager
def docker(directory: Path) -> Iterator[Engine]:
    node = Docker(directory)
    node.start()
    node.load()

    def container() -> int:
        node.detach("server", IMAGE)
        pid: int = node.inspect("server", ".State.Pid")
        return pid

    try:
        yield Engine(node.restart, container, node.clear)
        wait_for(lambda: not node.leftovers(), "nothing is left")
    finally:
        node.stop()


@contextmanager
def podman(directory: Path) -> Iterator[Engine]:
    """podman, which has no daemon, with the file that ``crunw install podman`` writes."""
    etc = directory / "etc"
    run(["crunw", "install", "podman", "--default", f"--etc={etc}"]).text()
    storage = f'graphroot = "{directory}/root"\nrunroot = "{directory}/run"\n'
    (directory / "storage.conf").write_text(f'[storage]\ndriver = "overlay"\n{storage}')
    environment = os.environ | {
        "CONTAINERS_CONF_OVERRIDE": str(etc / "containers/containers.conf.d/crunw.conf"),
        "CONTAINERS_STORAGE_CONF": str(directory / "storage.conf"),
        "PODMAN_IGNORE_CGROUPSV1_WARNING": "1",
    }
    images = [PROJECT / "examples" / "images", "--test-images"]
    subprocess.run(images, env=environment, check=True)

    def call(*words: str) -> str:
        command = ["podman", "--cgroup-manager=cgroupfs", f"--tmpdir={directory}/tmp", *words]
        return run(command, environment).text()

    def clear() -> None:
        call("rm", "--all", "--force", "--time=0")

    def container() -> int:
        call("run", "--detach", "--network=none", "--name=server", IMAGE)
        return int(call("inspect", "--format={{.State.Pid}}", "server"))

    try:
        yield Engine(lambda: None, container, clear)
    finally:
        if os.path.ismount(directory / "root" / "overlay"):
            subprocess.run(["umount", "--lazy", directory / "root" / "overlay"], check=True)


ALL = (podman, crio, containerd, docker)


@pytest.fixture(scope="module", params=ALL, ids=[make.__name__ for make in ALL])
def engine(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Engine]:
    """An engine with its images."""
    if os.geteuid() != 0:
        pytest.skip("needs root")
    with request.param(tmp_path_factory.mktemp(request.param.__name__)) as made:
        yield made


@pytest.fixture
def pristine() -> Iterator[None]:
    """Nothing of crunw's is there but what its package has brought."""
    for directory in OF_THE_PACKAGE:
        for path in Path(directory).glob("*"):
            shutil.rmtree(path)
    for directory in LEFT_BY_STARTS:
        shutil.rmtree(directory, ignore_errors=True)
    yield
    aot.settle()


@pytest.fixture(params=[0o022, 0o027, 0o077], ids="umask-{:03o}".format)
def start(
    request: pytest.FixtureRequest, engine: Engine, pristine: None
) -> Iterator[Callable[[], int]]:
    """Start the container anew, by an engine that was itself started with a umask."""
    before = os.umask(request.param)
    try:
        engine.restart()

        def again() -> int:
            engine.clear()
            return engine.run()

        yield again
        engine.clear()
    finally:
        os.umask(before)
