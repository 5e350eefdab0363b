"""The list of what is in the archive, for programs: CycloneDX, from dpkg's database."""

from __future__ import annotations

import hashlib
import os
import subprocess
import uuid
from datetime import UTC, datetime
from importlib import metadata
from typing import TYPE_CHECKING, NamedTuple

from cyclonedx.model import HashAlgorithm, HashType
from cyclonedx.model.bom import Bom, BomMetaData
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path


class Package(NamedTuple):
    """A Debian package that files of the archive are from."""

    version: str
    architecture: str
    source: str


def packages(files: Iterable[Path], root: Path) -> dict[str, Package]:
    """The packages below ``root`` that own these files, by name; a file of pip's has none."""
    database = root / "var/lib/dpkg"
    # dpkg knows a file below /usr by the name that its package gave it, maybe /lib.
    real = {f"/{file.resolve().relative_to(root.resolve())}" for file in files}
    real |= {path.removeprefix("/usr") for path in real}
    names = {
        listed.name.removesuffix(".list").split(":")[0]
        for listed in (database / "info").glob("*.list")
        if not real.isdisjoint(listed.read_text().splitlines())
    }
    form = "${Package}\t${Version}\t${Architecture}\t${source:Package}@${source:Version}\n"
    shown = subprocess.run(
        ["dpkg-query", f"--admindir={database}", "--show", f"--showformat={form}", *sorted(names)],
        capture_output=True,
        text=True,
        check=True,
    )
    rows = [line.split("\t") for line in shown.stdout.splitlines()]
    return {name: Package(*rest) for name, *rest in rows}


def document(version: str, found: dict[str, Package], tree: Path) -> str:
    """The list, as JSON; the same tree gives the same text."""
    bom = Bom(components=[*map(_debian, found, found.values()), *_files(tree)])
    bom.serial_number = uuid.uuid5(uuid.NAMESPACE_URL, f"crunw-{version}")
    moment = datetime.fromtimestamp(int(os.environ["SOURCE_DATE_EPOCH"]), UTC)
    own = Component(name="crunw", version=version, type=ComponentType.APPLICATION, bom_ref="crunw")
    bom.metadata = BomMetaData(component=own, timestamp=moment)
    bom.register_dependency(own, bom.components)
    return JsonV1Dot6(bom).output_as_string(indent=1) + "\n"


def _debian(name: str, package: Package) -> Component:
    url = PackageURL(
        "deb",
        "debian",
        name,
        package.version,
        {"arch": package.architecture, "distro": "debian-13", "upstream": package.source},
    )
    return Component(
        name=name,
        version=package.version,
        type=ComponentType.LIBRARY,
        purl=url,
        bom_ref=str(url),
    )


def _files(tree: Path) -> Iterable[Component]:
    """The programs and shared objects, with their sums as the archive has them."""
    if (tree / "lib/crunw/wasmtime").exists():
        version = metadata.version("wasmtime")
        url = PackageURL("pypi", None, "wasmtime", version)
        yield Component(
            name="wasmtime",
            version=version,
            type=ComponentType.LIBRARY,
            purl=url,
            bom_ref=str(url),
        )
    for path in sorted(tree.rglob("*")):
        if (
            path.is_file()
            and not path.is_symlink()
            and (".so" in path.name or os.access(path, os.X_OK))
        ):
            name = str(path.relative_to(tree))
            digest = hashlib.sha256(path.read_bytes()).hexdigest()
            yield Component(
                name=name,
                type=ComponentType.FILE,
                bom_ref=name,
                hashes=[HashType(alg=HashAlgorithm.SHA_256, content=digest)],
            )
