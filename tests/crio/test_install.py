"""CRI-O, configured as its packages do it, before, with and after ``crunw install crio``."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from crio.conftest import running
from crio.node import Node, Pod, guide

GREETING = "Hello from WebAssembly"
MEMORY = 4 << 20  # bytes; less than the 12 MiB that CRI-O asks for by default


@pytest.fixture
def packaged(tmp_path: Path) -> Iterator[Node]:
    """CRI-O with crun."""
    node = Node(tmp_path, runtime="crun")
    node.make_images()
    yield from running(node)


def try_install(node: Node, *options: str) -> subprocess.CompletedProcess[str]:
    command = ["crunw", "install", "crio", f"--etc={node.etc}", *options]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def restart(node: Node) -> None:
    node.end()
    node.launch()


def drop_in(node: Node) -> Path:
    return node.etc / "crio/crio.conf.d/60-crunw.conf"


def check_both_kinds(node: Node, pod: Pod) -> None:
    wasm = pod.start("localhost/hello-c", "/hello.wasm", name="wasm")
    native = pod.start("localhost/busybox", "echo", "native", name="native")
    assert [node.wait_exit(container) for container in (wasm, native)] == [0, 0]
    assert node.logs(wasm).strip() == GREETING
    assert node.logs(native) == "native\n"


def test_handler(packaged: Node) -> None:
    """Without --default: pods that name crunw get it; others, also those that run, keep crun."""
    node = packaged
    other = node.pod("other")
    container = other.start("localhost/busybox", "sleep", "1000")
    installed = node.install()
    assert installed.stderr == "next: systemctl restart crio\n"
    restart(node)
    assert node.crictl("exec", container, "echo", "native").strip() == "native"
    pod = node.pod("wasm", handler="crunw")
    check_both_kinds(node, pod)
    monitors = subprocess.check_output(["pgrep", "-af", str(node.directory)], text=True)
    assert f"{node.directory}/libexec/conmon -b" in monitors
    pod.remove()
    other.remove()
    node.install("--uninstall")
    restart(node)
    with pytest.raises(Exception, match="crunw"):
        node.pod("gone", handler="crunw")


def test_default(packaged: Node) -> None:
    node = packaged
    pod = node.pod("crun")
    pod.start("localhost/busybox", "sleep", "1000")
    refused = try_install(node, "--default")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr == (
        "crunw: crio: --default: 1 container created by /usr/bin/crun could not be stopped any "
        "more (drain the node first, or give --force)\n"
    )
    assert not drop_in(node).exists()
    assert try_install(node, "--default", "--dry-run", "--force").returncode == 0
    pod.remove()

    installed = node.install("--default")
    assert "drain the node first" in installed.stderr
    restart(node)
    pod = node.pod("default")
    check_both_kinds(node, pod)
    linux = guide("container_wasi")["linux"] | {"resources": {"memory_limit_in_bytes": MEMORY}}
    small = pod.start("localhost/busybox", "true", name="small", linux=linux)
    assert node.wait_exit(small) == 0
    container = pod.start("localhost/mixed", "/sleep.wasm", name="sleeper")
    again = try_install(node)
    assert (again.returncode, again.stdout, again.stderr) == (0, "", "crio: nothing to change\n")
    refused = try_install(node, "--uninstall")
    assert "1 container created by" in refused.stderr
    assert node.crictl("exec", container, "/hello.wasm") == GREETING
    pod.remove()

    node.install("--uninstall")
    assert not drop_in(node).exists()
    restart(node)
    pod = node.pod("after")
    native = pod.start("localhost/busybox", "echo", "native")
    assert node.wait_exit(native) == 0
    pod.remove()


def test_what_an_administrator_adds(packaged: Node) -> None:
    """Keys of others stay, also where crunw install runs again, and CRI-O takes the file."""
    node = packaged
    node.install()
    text = drop_in(node).read_text()
    text = text.replace('"run.oci."', '"run.oci.", "devices.crio.io"')
    image = '[crio.image]\nimage_volumes = "ignore"\n'
    drop_in(node).write_text(f"{text}privileged_without_host_devices = true\n\n{image}")
    node.install("--default")
    settings = tomllib.loads(drop_in(node).read_text())["crio"]
    runtime = settings["runtime"]["runtimes"]["crunw"]
    assert settings["runtime"]["default_runtime"] == "crunw"
    assert settings["image"] == {"image_volumes": "ignore"}
    assert runtime["privileged_without_host_devices"]
    assert "devices.crio.io" in runtime["allowed_annotations"]
    restart(node)
    pod = node.pod("pod")
    check_both_kinds(node, pod)
    pod.remove()
    node.install("--uninstall")
    assert tomllib.loads(drop_in(node).read_text()) == {
        "crio": {"image": {"image_volumes": "ignore"}}
    }


def test_doctor_asks_the_running_engine(packaged: Node) -> None:
    """crunw doctor says whether CRI-O has read what was installed."""
    node = packaged
    socket = Path("/run/crio/crio.sock")  # where CRI-O listens by default
    socket.parent.mkdir(exist_ok=True)
    socket.symlink_to(node.socket)
    try:
        assert doctor(node) == ("info", "not set up for crunw")
        node.install()
        status, found = doctor(node)
        assert (status, found.endswith("; crio has not read it")) == ("warning", True), found
        restart(node)
        program = shutil.which("crunw")
        assert doctor(node) == ("ok", f"has loaded the runtime crunw, {program}")
        node.end()
        status, found = doctor(node)
        assert (status, "; crio status config: " in found) == ("info", True), found
        node.launch()
    finally:
        socket.unlink()


def doctor(node: Node) -> tuple[str, str]:
    """What ``crunw doctor`` says of a CRI-O that has its configuration in /etc."""
    script = 'mkdir -p /etc/crio && mount --bind "$1" /etc/crio && exec crunw doctor --format json'
    told = subprocess.check_output(
        ["unshare", "--mount", "sh", "-c", script, "sh", node.etc / "crio"],
        env=os.environ | {"PATH": f"{node.engines}:{os.environ['PATH']}"},
    )
    (finding,) = [finding for finding in json.loads(told) if finding["check"] == "crio"]
    return finding["status"], finding["found"]
