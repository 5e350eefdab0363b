"""critest against a node: its images, its specs, what came of each."""

from __future__ import annotations

import json
import shutil
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path

from crio.node import HERE, Node

SKIPS = tomllib.loads((HERE / "critest" / "skips.toml").read_text())
E2E = "registry.k8s.io/e2e-test-images"
STAGING = "gcr.io/k8s-staging-cri-tools"
IMAGES = {  # and what `buildah build` is told to make it
    f"{E2E}/busybox:1.29-2": [],
    f"{E2E}/httpd:2.4.39-4": [],
    f"{E2E}/nginx:1.14-2": [],
    f"{E2E}/nonewprivs:1.3": ["--target=nnp"],
    f"{STAGING}/hostnet-nginx-amd64": ["--build-arg=PORT=12003"],
    f"{STAGING}/test-image-predefined-group": ["--build-arg=USER=1000"],
}


def make_images(node: Node) -> None:
    """Build what the specs would pull, under its name."""
    context = node.directory / "critest"
    shutil.copytree(HERE / "critest", context)
    subprocess.run(["gcc", "-static", "-o", context / "nnp", context / "nnp.c"], check=True)
    shutil.copy(shutil.which("busybox") or "", context / "ls")  # a spec hides it, and it alone
    for name, options in IMAGES.items():
        build = ["buildah", "build", "--quiet", "--isolation=chroot", f"--tag={name}", *options]
        subprocess.run(
            [*build, str(context)], env=node.environment, check=True, stdout=subprocess.DEVNULL
        )


def run(node: Node) -> dict[str, str]:
    """Run the specs but for the skipped; return ``passed``, ``failed``… by their names."""
    report = node.directory / "critest.json"
    endpoint = f"unix://{node.directory}/crio.sock"
    command = [str(node.engines / "critest"), f"--runtime-endpoint={endpoint}"]
    command += ["--ginkgo.no-color", f"--ginkgo.json-report={report}"]
    command += [f"--ginkgo.skip={pattern}" for pattern in SKIPS]
    with (node.directory / "critest.log").open("wb") as log:
        subprocess.run(
            node.within(*command), env=node.environment, stdout=log, stderr=log, check=False
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
