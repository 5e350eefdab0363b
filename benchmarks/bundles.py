"""OCI bundles, made from the config.json of ``crunw spec``."""

from __future__ import annotations

import copy
import json
import os
import shutil
import subprocess
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    Config = dict[str, Any]

ASK_FOR_WASM = {"run.oci.handler": "wasm"}  # what crun recognises a Wasm container by
PODMAN_CONFIG = "tests/data/configs/podman-default.json"


class Bundles:
    """Makes bundles below a directory. The modules in their rootfs are links to the originals."""

    def __init__(self, directory: Path, project: Path) -> None:
        self.directory = directory
        crunw = shutil.which("crunw")
        subprocess.run([str(crunw), "spec", "--bundle", str(directory)], check=True)
        self._template: Config = json.loads((directory / "config.json").read_text())
        self._template["process"]["terminal"] = False
        self._template["root"]["readonly"] = False
        self._podman: Config = json.loads((project / PODMAN_CONFIG).read_text())

    def native(self, name: str, program: Path, arguments: Sequence[str] = ()) -> Path:
        """A bundle that runs a static native program."""
        return self._make(name, program, arguments, {})

    def wasm(self, name: str, module: Path, arguments: Sequence[str] = (), aot: str = "") -> Path:
        """A bundle of a module without annotations, or with crunw's policy ``aot``."""
        annotations = {"run.oci.wasm.aot": aot} if aot else {}
        return self._make(name, module, arguments, annotations)

    def wasm_for_crun(self, name: str, module: Path, arguments: Sequence[str] = ()) -> Path:
        """The same for crun."""
        return self._make(f"{name}-crun", module, arguments, ASK_FOR_WASM)

    def as_podman(self, bundle: Path) -> Path:
        """The same bundle with the seccomp profile, capabilities and limits that podman sets."""
        config: Config = json.loads((bundle / "config.json").read_text())
        config["linux"]["seccomp"] = self._podman["linux"]["seccomp"]
        config["linux"]["resources"] = self._podman["linux"]["resources"]
        config["process"]["capabilities"] = self._podman["process"]["capabilities"]
        return self._copy(bundle, "podman", config)

    def without_walls(self, bundle: Path) -> Path:
        """The same bundle of a module without those walls that annotations take down."""
        config: Config = json.loads((bundle / "config.json").read_text())
        config["annotations"] |= {"run.oci.wasm.seccomp": "off", "run.oci.wasm.proc": "writable"}
        return self._copy(bundle, "without-walls", config)

    def _copy(self, bundle: Path, suffix: str, config: Config) -> Path:
        config["root"]["path"] = str(bundle / "rootfs")
        copied = bundle.with_name(f"{bundle.name}-{suffix}")
        copied.mkdir()
        (copied / "config.json").write_text(json.dumps(config))
        return copied

    def _make(
        self, name: str, program: Path, arguments: Sequence[str], annotations: dict[str, str]
    ) -> Path:
        bundle = self.directory / name
        rootfs = bundle / "rootfs"
        rootfs.mkdir(parents=True)
        target = rootfs / program.name
        try:
            os.link(program, target)
        except OSError:  # another filesystem
            shutil.copy(program, target)
        config = copy.deepcopy(self._template)
        config["process"]["args"] = [f"/{program.name}", *arguments]
        config["annotations"] = annotations
        (bundle / "config.json").write_text(json.dumps(config))
        return bundle
