"""The engines that crunw can be made a runtime of."""

from __future__ import annotations

from crunw.setup.containerd import containerd
from crunw.setup.docker import docker
from crunw.setup.dropins import crio, kubernetes, podman

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
