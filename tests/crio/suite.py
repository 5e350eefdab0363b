"""critest against a node: its images, its specs, what came of each."""

from __future__ import annotations

import re
import subprocess
import tomllib
import xml.etree.ElementTree as ET
from pathlib import Path

from crio.node import HERE, Node

SKIPS = tomllib.loads((HERE / "critest" / "skips.toml").read_text())
STAGING = "gcr.io/k8s-staging-cri-tools"
PAUSE = "localhost/pause"
IMAGES = {
    PAUSE: [],
    "registry.k8s.io/e2e-test-images/busybox:1.29-2": [],
    "registry.k8s.io/e2e-test-images/nginx:1.14-2": [],
    f"{STAGING}/hostnet-nginx-amd64": ["PORT=12003"],
    f"{STAGING}/test-image-predefined-group": ["USER=1000"],
}


def make_images(node: Node) -> None:
    """Build what the specs would pull, under its name."""
    for name, arguments in IMAGES.items():
        build = ["buildah", "build", "--quiet", "--isolation=chroot", f"--tag={name}"]
        build += [f"--build-arg={argument}" for argument in arguments]
        subprocess.run(
            [*build, str(HERE / "critest")],
            env=node.environment,
            check=True,
            stdout=subprocess.DEVNULL,
        )


def run(node: Node, skip: list[str]) -> dict[str, str]:
    """Run all specs but those that match; return ``passed``, ``failed`` or ``skipped`` by name."""
    report = node.directory / "critest.xml"
    command = [
        str(node.engines / "critest"),
        "--runtime-endpoint",
        f"unix://{node.directory}/crio.sock",
    ]
    command += ["--ginkgo.no-color", f"--ginkgo.junit-report={report}"]
    command += [f"--ginkgo.skip={pattern}" for pattern in skip]
    with (node.directory / "critest.log").open("wb") as log:
        subprocess.run(
            node.within(*command), env=node.environment, stdout=log, stderr=log, check=False
        )
    return dict(_results(report))


def _results(report: Path):
    for case in ET.parse(report).iter("testcase"):
        name = case.get("name", "")
        if name.startswith("[It]"):
            status = case.get("status", "")
            if status == "skipped" and case.find("skipped").get("message", "") == "skipped":
                continue
            yield name.removeprefix("[It] "), status
