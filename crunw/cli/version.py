"""The text of ``crunw --version``: first line name and version, as engines parse it."""

from __future__ import annotations

from crunw.lifecycle.state import OCI_VERSION


def version_text(version: str) -> str:
    """Return three lines: crunw, the runtime specification, the features compiled in."""
    return f"crunw version {version}\nspec: {OCI_VERSION}\n+CAP +SECCOMP +EBPF +WASM:wasmedge\n"
