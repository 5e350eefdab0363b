"""The text of ``crunw --version``: first line name and version, as engines parse it."""

from __future__ import annotations

from crunw.files import exists
from crunw.lifecycle.state import OCI_VERSION
from crunw.paths import library_dir


def version_text(version: str) -> str:
    """Return crunw, its commit if known, the specification, what is there, in crun's words.

    ``version`` is that of the release, for an installation without a more exact one.
    """
    from crunw.lifecycle import features

    there = {
        "SYSTEMD": features.has_systemd,
        "SELINUX": lambda: True,
        "APPARMOR": lambda: True,
        "CAP": lambda: True,
        "SECCOMP": features.has_seccomp,
        "EBPF": lambda: True,
        "CRIU": features.has_criu,
        "WASM:wasmedge": features.has_engine,
        "WASM:wasmtime": features.has_wasmtime,
    }
    words = " ".join(f"+{name}" for name, has in there.items() if has())
    commit = _built("commit")
    lines = [
        f"crunw version {_built('version') or version}",
        *([f"commit: {commit}"] if commit else []),
        f"spec: {OCI_VERSION}",
        words,
    ]
    return "\n".join(lines) + "\n"


def _built(what: str) -> str:
    """What ``deploy/packaging/version`` said of the sources that were built, or ""."""
    path = f"{library_dir()}/{what}"
    if not exists(path):
        return ""
    with open(path, encoding="utf-8") as file:
        return file.read()
