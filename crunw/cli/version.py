"""The text of ``crunw --version``: first line name and version, as engines parse it."""

from __future__ import annotations

from crunw.files import exists
from crunw.lifecycle.state import OCI_VERSION
from crunw.paths import library_dir


def version_text(version: str) -> str:
    """Return crunw, its commit if known, the specification, what is there, in crun's words."""
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
    return f"crunw version {version}\n{_commit()}spec: {OCI_VERSION}\n{words}\n"


def _commit() -> str:
    """The line about what was built from a checkout; git describe(1) wrote it when it was."""
    path = f"{library_dir()}/commit"
    if not exists(path):
        return ""
    with open(path, encoding="utf-8") as file:
        return f"commit: {file.read()}\n"
