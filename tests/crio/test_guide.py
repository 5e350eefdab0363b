"""The guide's flow: its two configurations, `crictl` from `runp` to `rmp`."""

from __future__ import annotations

import re
import subprocess
import tomllib
from pathlib import Path

import pytest
from crio.node import GUIDE_CGROUP, HERE, CrictlError, Node, cgroups, guide_files

CONTAINER = HERE / "guide" / "container_wasi.json"
SANDBOX = HERE / "guide" / "sandbox_config.json"


def columns(node: Node, container: str) -> list[str]:
    """The container's line of ``crictl ps -a``."""
    table = node.crictl("ps", "-a").splitlines()
    (line,) = [line for line in table if line.startswith(container[:13])]
    return re.split(r" {2,}", line)


def test_slice_needs_the_systemd_manager(node: Node) -> None:
    with pytest.raises(CrictlError, match=r"systemd slice as parent: pod_123-456\.slice"):
        node.crictl("runp", SANDBOX)


@pytest.mark.parametrize("kind", ["node", "keeping_node"])
def test_guide(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    node: Node = request.getfixturevalue(kind)
    sandbox, container_wasi, sleeper = guide_files(tmp_path)
    assert container_wasi.read_text() == CONTAINER.read_text()

    pod = node.crictl("runp", sandbox)
    if kind == "keeping_node":
        infra = node.json("inspectp", pod)["info"]["pid"]
        assert Path(f"/proc/{infra}/root/pause.wasm").exists()
    container = node.crictl("create", pod, container_wasi, sandbox)
    _id, image, _age, state, name, attempt, pod_id, *_ = columns(node, container)
    assert (image, name, attempt) == (
        "hydai/wasm-wasi-example:latest",
        "podsandbox1-wasm-wasi",
        "0",
    )
    assert pod.startswith(pod_id)
    assert state == "Created"
    assert node.crictl("start", container) == container
    assert columns(node, container)[3] in ("Running", "Exited")
    assert node.wait_exit(container) == 0
    assert columns(node, container)[3] == "Exited"
    check_seven_tests(node.logs(container))
    status = node.json("inspect", container)["status"]
    assert (status["state"], status["reason"]) == ("CONTAINER_EXITED", "Completed")

    running = node.crictl("create", pod, sleeper, sandbox)
    assert columns(node, running)[3] == "Created"
    node.crictl("start", running)
    assert columns(node, running)[3] == "Running"
    assert node.json("inspect", running)["info"]["pid"] > 0
    assert node.crictl("exec", running, "/hello.wasm") == "Hello from WebAssembly"
    (stats,) = node.json("stats", "--id", running)["stats"]
    assert stats["attributes"]["metadata"]["name"] == "sleeper"
    node.crictl("stop", "--timeout=30", running)
    assert columns(node, running)[3] == "Exited"
    assert node.status(running)["exitCode"] == 143

    for each in (container, running):
        assert node.crictl("rm", each) == each
    assert node.crictl("stopp", pod) == f"Stopped sandbox {pod}"
    assert node.crictl("pods", "-q", "--state", "NotReady") == pod
    assert node.crictl("rmp", pod) == f"Removed sandbox {pod}"
    assert node.crictl("ps", "-aq") == node.crictl("pods", "-q") == ""
    assert [cgroups(f"*{each}*") for each in (pod, container, running)] == [[], [], []]
    for path in cgroups(f"*{GUIDE_CGROUP}"):
        path.rmdir()


def check_seven_tests(output: str) -> None:
    """The program's output, as the guide shows it but for what is random."""
    headings = re.findall(r"^Test (\d): ", output, re.MULTILINE)
    assert headings == list("1234567")
    assert re.search(r"^Random number: -?\d+$", output, re.MULTILINE)
    assert re.search(r"^Random bytes: \[(\d+, ){127}\d+\]$", output, re.MULTILINE)
    assert "Printed from wasi: This is from a main function" in output
    assert "\nHOSTNAME: crictl_host\n" in output
    assert "The args are as follows.\nwasi_example_main.wasm\n50000000\n" in output
    assert "\nFile content is This is in a file\n" in output


OLD_CONFIGURATION = """
[crio.runtime]
default_runtime = "runc"
[crio.runtime.runtimes.runc]
runtime_path = ""
[crio.image]
pause_image = "k8s.gcr.io/pause:3.2"
pause_command = "/pause"
"""
SUBSTITUTIONS = (
    's@default_runtime = "runc"@default_runtime = "crunw"@',
    's@pause_image = "k8s.gcr.io/pause:3.2"@pause_image = "docker.io/beststeve/wasm-pause"@',
    's@pause_command = "/pause"@pause_command = "pause.wasm"@',
)
DROP_IN = """
[crio.runtime.runtimes.crunw]
runtime_path = "/usr/lib/cri-o-runc/sbin/crunw"
runtime_type = "oci"
runtime_root = "/run/crunw"
"""


def test_installation_by_hand(node: Node, tmp_path: Path) -> None:
    config = tmp_path / "crio.conf"
    config.write_text(OLD_CONFIGURATION)
    for substitution in SUBSTITUTIONS:
        subprocess.run(["sed", "-i", "-e", substitution, config], check=True)
    drop_ins = tmp_path / "crio.conf.d"
    drop_ins.mkdir()
    (drop_ins / "01-crio-runc.conf").write_text(DROP_IN)
    crio = [node.engines / "crio", "--config", config, "--config-dir", drop_ins, "config"]
    merged = tomllib.loads(subprocess.check_output(crio, text=True))["crio"]
    assert merged["runtime"]["default_runtime"] == "crunw"
    assert merged["runtime"]["runtimes"]["crunw"]["runtime_root"] == "/run/crunw"
    assert merged["image"]["pause_image"] == "docker.io/beststeve/wasm-pause"
    assert merged["image"]["pause_command"] == "pause.wasm"
