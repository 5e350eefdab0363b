"""The engines that crunw can be made a runtime of."""

from __future__ import annotations

from crunw.setup.containerd import containerd, disabled
from crunw.setup.docker import docker
from crunw.setup.dropins import LATER_DEFAULT, crio, kubernetes, later_default, podman

# Each: (etc, program, default=, uninstall=) → the changes of files below etc.
ENGINES = {
    "crio": crio,
    "containerd": containerd,
    "podman": podman,
    "docker": docker,
    "kubernetes": kubernetes,
}
# What makes an engine see that crunw has been installed, and that it has been uninstalled.
NEXT_STEP = {
    "crio": ("systemctl restart crio", "systemctl restart crio"),
    "containerd": ("systemctl restart containerd", "systemctl restart containerd"),
    "docker": ("systemctl reload docker", "systemctl restart docker"),
    "kubernetes": ("kubectl apply -f {path}", "kubectl delete runtimeclass crunw"),
}
# Added where another runtime than before answers for containers.
DRAIN = {
    "crio": "drain the node first: CRI-O loses containers that run under another runtime",
}


def warnings(engine: str, etc: str, *, default: bool) -> list[tuple[str, str]]:
    """The files that keep the engine from doing as its settings say now, and why."""
    found = []
    if default and engine in LATER_DEFAULT and (path := later_default(engine, etc)):
        found.append((path, "is read later and sets another default runtime (remove that line)"))
    if engine == "containerd" and (path := disabled(etc)):
        why = "disabled_plugins has the CRI plugin: only ctr can use crunw (remove it from there)"
        found.append((path, why))
    return found
