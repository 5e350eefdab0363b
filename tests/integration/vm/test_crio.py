"""CRI-O with the systemd manager: the guide's two files as they are, its pod in their slice."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from crio.node import HERE, TAGS, Node, guide
from crio.test_guide import check_seven_tests
from support.commands import PROJECT, wait_for

SLICE = Path("/sys/fs/cgroup/pod_123.slice/pod_123-456.slice")
SANDBOX, CONTAINER = HERE / "guide/sandbox_config.json", HERE / "guide/container_wasi.json"
LIMITS = {
    "memory.max": "209715200",
    "cpu.weight": "59",
    "cpu.max": "20000 10000",
    "cpuset.cpus": "0",
    "cpuset.mems": "0",
}
PROPERTIES = {
    "MemoryMax": "209715200",
    "CPUWeight": "59",
    "CPUQuotaPerSecUSec": "2s",
    "CPUQuotaPeriodUSec": "10ms",
    "AllowedCPUs": "0",
    "AllowedMemoryNodes": "0",
    "Slice": "pod_123-456.slice",
    "Delegate": "yes",
}


@pytest.fixture(scope="module")
def node(modules: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    """CRI-O with the guide's images, and a Wasm pause container in each pod."""
    if not any(Path("/var/cache/crunw-ci").glob("engines-*/crio")):
        pytest.skip("CRI-O is not here: ci/vm --engines")
    made = Node(tmp_path_factory.mktemp("crio"), cgroup_manager="systemd", drop_infra_ctr="false")
    for image, name in TAGS.items():
        recipe = PROJECT / "examples" / image.removeprefix("localhost/") / "Containerfile"
        build = ["buildah", "build", "--quiet", "--isolation=chroot", f"--tag={name}"]
        build += [f"--file={recipe}", str(modules)]
        subprocess.run(build, env=made.environment, check=True, stdout=subprocess.DEVNULL)
    try:
        made.start()
        yield made
    finally:
        made.stop()
        left = made.leftovers()
        made.delete()
        assert left == []


@pytest.fixture
def pod(node: Node) -> Iterator[str]:
    """The guide's pod."""
    made = node.crictl("runp", SANDBOX)
    yield made
    node.crictl("stopp", made)
    node.crictl("rmp", made)
    wait_for(lambda: not list(SLICE.glob("crio-*")), "the end of the scopes")


def scope(container: str) -> str:
    return f"crio-{container}.scope"


def group(container: str) -> str:
    return f"/{SLICE.relative_to('/sys/fs/cgroup')}/{scope(container)}"


def limits(container: str) -> dict[str, str]:
    return {name: (SLICE / scope(container) / name).read_text().strip() for name in LIMITS}


def test_the_guides_container(node: Node, pod: str, properties) -> None:
    pause = node.json("inspectp", pod)["info"]["pid"]
    assert Path(f"/proc/{pause}/cgroup").read_text() == f"0::{group(pod)}\n"
    assert Path(f"/proc/{pause}/oom_score_adj").read_text() == "-998\n"
    container = node.crictl("create", pod, CONTAINER, SANDBOX)
    assert node.state(container) == "CONTAINER_CREATED"
    assert limits(container) == LIMITS
    assert properties(scope(container), *PROPERTIES) == PROPERTIES
    node.crictl("start", container)
    assert node.wait_exit(container) == 0
    check_seven_tests(node.logs(container))
    assert not (SLICE / scope(container)).exists()
    node.crictl("rm", container)
    assert properties(scope(container), "LoadState") == {"LoadState": "not-found"}


def test_update_and_stop(node: Node, pod: str, properties, tmp_path) -> None:
    config = guide("container_wasi")
    config["image"]["image"] = TAGS["localhost/wasm-pause"]
    config["args"] = ["/pause.wasm"]
    changed = tmp_path / "container.json"
    changed.write_text(json.dumps(config))
    container = node.crictl("start", node.crictl("create", pod, changed, SANDBOX))
    assert node.state(container) == "CONTAINER_RUNNING"
    node.crictl("update", "--memory", str(96 << 20), "--cpu-share", "1024", container)
    assert limits(container) == LIMITS | {"memory.max": str(96 << 20), "cpu.weight": "100"}
    wanted = {"MemoryMax": str(96 << 20), "CPUWeight": "100"}
    assert properties(scope(container), *wanted) == wanted
    (stats,) = node.json("stats", "--id", container)["stats"]
    assert 0 < int(stats["memory"]["workingSetBytes"]["value"]) < 96 << 20
    node.crictl("stop", "--timeout=30", container)
    assert node.wait_exit(container) == 143
    assert not (SLICE / scope(container)).exists()
