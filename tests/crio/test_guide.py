"""The guide's flow: its two configurations, `crictl` from `runp` to `rmp`."""

from __future__ import annotations

import re
import subprocess
import tomllib
from pathlib import Path

import pytest
from crio.node import HERE, CrictlError, Node, cgroups

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
    config = tmp_path / "sandbox_config.json"
    config.write_text(SANDBOX.read_text().replace("pod_123-456.slice", "/pod_123-456"))

    pod = node.crictl("runp", config)
    if kind == "keeping_node":
        infra = node.json("inspectp", pod)["info"]["pid"]
        assert Path(f"/proc/{infra}/root/pause.wasm").exists()
    container = node.crictl("create", pod, CONTAINER, config)
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
    assert node.crictl("rm", container) == container
    node.crictl("stopp", pod)
    node.crictl("rmp", pod)
    assert node.crictl("ps", "-aq") == node.crictl("pods", "-q") == ""
    assert cgroups(f"*{pod}*") == cgroups(f"*{container}*") == []
    for path in cgroups("*/pod_123-456"):
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
