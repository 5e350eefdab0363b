"""critest against a node: its images, its specs, what came of each."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path

from crio.node import HERE, Node

SKIPS = tomllib.loads((HERE / "critest" / "skips.toml").read_text())
E2E = "registry.k8s.io/e2e-test-images"
STAGING = "gcr.io/k8s-staging-cri-tools"
NATIVE_PAUSE = {"pause_image": "localhost/pause", "pause_command": "/pause"}
SPEC_SECONDS = 40.0  # the slowest takes a quarter of it
IMAGES = {  # and what `buildah build` is told to make it
    f"{E2E}/busybox:1.29-2": [],
    f"{E2E}/httpd:2.4.39-4": [],
    f"{E2E}/nginx:1.14-2": [],
    f"{E2E}/nonewprivs:1.3": ["--target=nnp"],
    NATIVE_PAUSE["pause_image"]: ["--target=pause"],
    f"{STAGING}/hostnet-nginx-amd64": ["--build-arg=PORT=12003"],
    f"{STAGING}/test-image-predefined-group": ["--build-arg=USER=1000"],
}


def make_images(node: Node) -> None:
    """Build what the specs would pull, under its name."""
    context = node.directory / "critest"
    shutil.copytree(HERE / "critest", context)
    for program in ("nnp", "pause"):
        source = context / f"{program}.c"
        subprocess.run(["gcc", "-static", "-o", context / program, source], check=True)
    shutil.copy(shutil.which("busybox") or "", context / "ls")  # a spec hides it, and it alone
    for name, options in IMAGES.items():
        build = ["buildah", "build", "--quiet", "--isolation=chroot", f"--tag={name}", *options]
        subprocess.run(
            [*build, str(context)], env=node.environment, check=True, stdout=subprocess.DEVNULL
        )


def run(node: Node) -> dict[str, str]:
    """Run the specs but for the skipped; return ``passed``, ``failed``… by their names."""
    return _critest(node, *(f"--ginkgo.skip={pattern}" for pattern in SKIPS))


def names(node: Node) -> list[str]:
    """The names of all specs that are tests."""
    return list(_critest(node, "--ginkgo.dry-run", "--ginkgo.skip=benchmark"))


def run_alone(node: Node, name: str) -> str:
    """Run one spec; ``passed``, ``failed``, ``skipped`` by its own decision, or ``timeout``."""
    focus = f"--ginkgo.focus={re.escape(name)}$"  # behind the name of the suite
    try:
        return _critest(node, focus, seconds=SPEC_SECONDS).get(name, "skipped")
    except subprocess.TimeoutExpired:
        _kill_containers(node)
        node.crictl("rmp", "--all", "--force")
        return "timeout"


def _kill_containers(node: Node) -> None:
    conmons = ["pgrep", "--delimiter=,", "--full", f"conmon.*{node.directory}/"]
    parents = subprocess.check_output(conmons, text=True).strip()
    subprocess.run(["pkill", "--signal=KILL", "--parent", parents], check=False)


def _critest(node: Node, *options: str, seconds: float | None = None) -> dict[str, str]:
    report = node.directory / "critest.json"
    endpoint = f"--runtime-endpoint=unix://{node.socket}"
    command = [str(node.engines / "critest"), endpoint]
    command += ["--ginkgo.no-color", f"--ginkgo.json-report={report}", *options]
    with (node.directory / "critest.log").open("wb") as log:
        subprocess.run(
            node.within(*command),
            env=node.environment,
            stdout=log,
            stderr=log,
            check=False,
            timeout=seconds,
        )
    return dict(_results(report))


def _results(report: Path) -> Iterator[tuple[str, str]]:
    for tests in json.loads(report.read_text()):
        for spec in tests["SpecReports"]:
            if spec["LeafNodeType"] == "It" and spec["State"] not in ("skipped", "pending"):
                yield (
                    " ".join([*spec["ContainerHierarchyTexts"], spec["LeafNodeText"]]),
                    spec["State"],
                )
