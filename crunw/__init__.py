"""crunw: an OCI runtime for WebAssembly and Linux containers."""

__version__ = "0.2.0"
