"""The archive itself: its size, its lists, and that it can be made again."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest
from archive.hosts import BUSYBOX, made, unpacked
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packages import smoke
from packages.deb import first_build, package
from packages.host import running

MEGABYTE = 1_000_000


def test_size(packed: Path) -> None:
    assert packed.stat().st_size <= 120 * MEGABYTE


def test_sums(packed: Path) -> None:
    """Of all packages in the directory; none has changed since."""
    sums = packed.parent / "SHA256SUMS"
    assert packed.name in sums.read_text()
    subprocess.run(["sha256sum", "--check", "--strict", sums], cwd=sums.parent, check=True)


def test_list_of_packages(archive: Path) -> None:
    """It is valid, has the packages that matter, and each has its licence beside it."""
    text = (archive / "sbom.cdx.json").read_text()
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    components = json.loads(text)["components"]
    names = {one["name"] for one in components if one.get("purl", "").startswith("pkg:deb/")}
    assert "wasmtime" in {one["name"] for one in components}
    wanted = {"libc6", "libwasmedge0", "libllvm19", "libseccomp2", "python3-jeepney"}
    assert wanted | {"python3-cffi-backend", "python3.13-minimal"} <= names
    licences = {path.name for path in (archive / "share/doc/crunw/licences").iterdir()}
    assert names | {"wasmtime"} <= licences


def test_list_of_files(archive: Path) -> None:
    """Each program and library has its sum."""
    components = json.loads((archive / "sbom.cdx.json").read_text())["components"]
    sums = {one["name"]: one["hashes"][0]["content"] for one in components if "hashes" in one}
    for path in ("bin/crunw", "lib/crunw/crunw/lib/crunw-init", "lib/crunw/lib/libc.so.6"):
        made = subprocess.run(["sha256sum", archive / path], capture_output=True, check=True)
        assert sums[path] == made.stdout.decode().split()[0]


@pytest.mark.parametrize("form", ["archive", "rpm"])
def test_two_builds_give_the_same_bytes(form: str, packages: Path, tmp_path: Path) -> None:
    """Of which one is a checkout's first, in another directory."""
    first = package(form, packages)
    again = first_build(form, tmp_path)
    assert again.name == first.name
    assert again.read_bytes() == first.read_bytes()


def test_without_llvm(packages: Path) -> None:
    """Modules are interpreted, and nobody complains; who asks for code is answered."""
    packed = package("archive-without-llvm", packages)
    assert packed.stat().st_size <= 40 * MEGABYTE
    archive = unpacked(packed, packages)
    with running(made(BUSYBOX), BUSYBOX.shell) as host:
        host.run(f"{archive}/install.sh")
        smoke.make_bundles(host)
        smoke.check(host)
        compiled = host.run(f"crunw compile {smoke.BUNDLES}/wasm/rootfs/app.wasm", check=False)
        assert compiled.returncode == 1
        assert "this installation has no LLVM" in compiled.stdout
    shutil.rmtree(archive)
