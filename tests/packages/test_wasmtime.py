"""The package of wasmtime's library beside crunw's."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from packages import smoke
from packages.deb import field, lint, package
from packages.host import PROJECT, Host

RUN = f"crunw run --bundle {smoke.BUNDLES}/component c1"


@pytest.fixture(scope="module")
def wasmtime(packages: Path) -> Path:
    return package("wasmtime", packages)


@pytest.fixture(scope="module")
def prepared(host: Host, deb: Path) -> Host:
    """A host with crunw, and a bundle whose program is a component."""
    host.run(f"apt-get install --yes {deb}")
    bundle = host.root / f"{smoke.BUNDLES[1:]}/component"
    (bundle / "rootfs").mkdir(parents=True)
    host.run(f"crunw spec --bundle {smoke.BUNDLES}/component")
    document = json.loads((bundle / "config.json").read_text())
    document["process"].update(args=["/app.wasm"], terminal=False)
    (bundle / "config.json").write_text(json.dumps(document))
    source = PROJECT / "tests/modules/components/returns.wat"
    subprocess.run(["wasm-tools", "parse", source, "-o", bundle / "rootfs/app.wasm"], check=True)
    return host


def test_lintian_has_nothing_to_say(wasmtime: Path) -> None:
    assert lint(wasmtime) == ""


def test_both_packages_stay(deb: Path, wasmtime: Path) -> None:
    """In the directory that ci/package puts them into."""
    assert deb.exists()
    assert wasmtime.exists()


def test_component(prepared: Host, wasmtime: Path) -> None:
    missing = prepared.run(RUN, check=False)
    assert (missing.returncode, "is not on this node" in missing.stdout) == (1, True)
    prepared.run(f"apt-get install --yes {wasmtime}")
    assert prepared.says(RUN) == ""
    annotations = json.loads(prepared.says("crunw features"))["annotations"]
    version = annotations["io.crunw.wasmtime.version"]
    # The Python package may be a later patch than the library in it.
    assert version.split(".")[:2] == field(wasmtime, "Version").split(".")[:2]
    assert f"{version}, /usr/lib/crunw-wasmtime/libwasmtime.so" in prepared.says("crunw doctor")
    licence = prepared.says("zcat /usr/share/doc/crunw-wasmtime/LICENSE.gz")
    assert "LLVM Exceptions to the Apache 2.0 License" in licence
    prepared.run("apt-get purge --yes crunw-wasmtime; test ! -e /usr/lib/crunw-wasmtime")
