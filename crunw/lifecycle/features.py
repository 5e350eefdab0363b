"""``features``: what this build supports (features.md of the runtime specification)."""

from __future__ import annotations

from crunw import __version__
from crunw.paths import engine_stub
from crunw.plan import flags

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_HOOKS = (
    "prestart",
    "createRuntime",
    "createContainer",
    "startContainer",
    "poststart",
    "poststop",
)


def features() -> dict[str, Any]:
    """Return the features document."""
    from crunw.effects import seccomp

    options = [
        *flags.MOUNT_FLAGS,
        *flags.PROPAGATION,
        *flags.RECURSIVE_ATTRIBUTES,
        "tmpcopyup",
        "idmap",
        "ridmap",
    ]
    return {
        "ociVersionMin": "1.0.0",
        "ociVersionMax": "1.2.1",
        "hooks": list(_HOOKS),
        "mountOptions": sorted(options),
        "linux": {
            "namespaces": sorted(flags.NAMESPACES),
            "capabilities": list(flags.CAPABILITIES),
            "cgroup": {
                "v1": True,
                "v2": True,
                "systemd": True,
                "systemdUser": True,
                "rdma": True,
            },
            "seccomp": seccomp.features(),
            "apparmor": {"enabled": True},
            "selinux": {"enabled": True},
            "intelRdt": {"enabled": True, "schemata": True, "monitoring": True},
            "memoryPolicy": {
                "modes": sorted(flags.MEMORY_POLICIES),
                "flags": sorted(flags.MEMORY_POLICY_FLAGS),
            },
            "netDevices": {"enabled": True},
            "mountExtensions": {"idmap": {"enabled": True}},
        },
        "annotations": {
            "io.crunw.version": __version__,
            "run.oci.crun.wasm": "true",  # what engines ask crun's features for
            "org.opencontainers.runc.checkpoint.enabled": _checkpoints(),  # and runc's
            **_engine(),
        },
        "potentiallyUnsafeConfigAnnotations": [
            "module.wasm.image/variant",
            "run.oci.handler",
            "run.oci.wasm.",  # all that begin so
        ],
    }


def _checkpoints() -> str:
    """Whether containers can be checkpointed now: CRIU may not be installed."""
    from crunw.effects.criu.service import find

    return "true" if find() else "false"


def _engine() -> dict[str, str]:
    """The engine as containers get it: its version, and whether it starts without LLVM."""
    from crunw.engine import Engine
    from crunw.errors import CrunwError

    try:
        with Engine(stub=engine_stub()) as engine:
            return {
                "io.crunw.wasmedge.version": engine.version,
                "io.crunw.wasmedge.llvm": "stub" if engine.uses_stub else "loaded",
            }
    except CrunwError as error:
        return {"io.crunw.wasmedge.error": str(error)}
