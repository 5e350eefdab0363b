"""The text of ``crunw --version``: first line name and version, as engines parse it."""

from __future__ import annotations

from crunw.lifecycle.state import OCI_VERSION


def version_text(version: str) -> str:
    """Return three lines: crunw, the runtime specification, what is there, in crun's words."""
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
    }
    words = " ".join(f"+{name}" for name, has in there.items() if has())
    return f"crunw version {version}\nspec: {OCI_VERSION}\n{words}\n"
