"""``features``: what this build supports (features.md of the runtime specification)."""

from __future__ import annotations

from crunw import __version__
from crunw.paths import enable_site_packages, engine_stub
from crunw.plan import flags
from crunw.plan.mounts import LINK_OPTIONS
from crunw.workload import WASMTIME

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
    """Return the features document. What can't be loaded here and now is not claimed."""
    engine = _engine()
    options = [
        *flags.MOUNT_FLAGS,
        *flags.PROPAGATION,
        *flags.RECURSIVE_ATTRIBUTES,
        "tmpcopyup",
        "idmap",
        "ridmap",
        *LINK_OPTIONS,
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
                "systemd": has_systemd(),
                "systemdUser": has_systemd(),
                "rdma": True,
            },
            "seccomp": _seccomp(),
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
            "run.oci.crun.wasm": _text("io.crunw.wasmedge.version" in engine),  # as crun says it
            "org.opencontainers.runc.checkpoint.enabled": _text(has_criu()),  # as runc says it
            **engine,
            **_wasmtime(),
        },
        "potentiallyUnsafeConfigAnnotations": [
            "module.wasm.image/variant",
            "run.oci.handler",
            "run.oci.wasm.",  # all that begin so
        ],
    }


def has_systemd() -> bool:
    """Whether the systemd cgroup manager can be asked for: it needs the package jeepney."""
    from importlib.util import find_spec

    enable_site_packages()
    return find_spec("jeepney") is not None


def has_seccomp() -> bool:
    """Whether filters can be compiled: that takes libseccomp, and cffi."""
    from crunw.effects.seccomp.compile import is_available

    return is_available()


def has_criu() -> bool:
    """Whether containers can be checkpointed now: CRIU may not be installed."""
    from crunw.effects.criu.service import find

    return bool(find())


def has_engine() -> bool:
    """Whether WebAssembly can be run: libwasmedge can be opened."""
    return "io.crunw.wasmedge.version" in _engine()


def has_wasmtime() -> bool:
    """Whether components can be run: libwasmtime can be opened."""
    return "io.crunw.wasmtime.version" in _wasmtime()


def _text(value: bool) -> str:
    return "true" if value else "false"


def _seccomp() -> dict[str, Any]:
    from crunw.effects import seccomp

    return seccomp.features() if has_seccomp() else {"enabled": False}


def _engine() -> dict[str, str]:
    """The engine as containers get it: its version, and whether it starts without LLVM."""
    from crunw.errors import CrunwError

    try:
        from crunw.engine import Engine

        with Engine(stub=engine_stub()) as engine:
            return {
                "io.crunw.wasmedge.version": engine.version,
                "io.crunw.wasmedge.wrong-exceptions": engine.wrong_exceptions,
                "io.crunw.wasmedge.llvm": "stub" if engine.uses_stub else "loaded",
            }
    except (CrunwError, ImportError) as error:
        return {"io.crunw.wasmedge.error": str(error)}


def _wasmtime() -> dict[str, str]:
    """The engine of components, where the node has it."""
    from crunw.errors import CrunwError

    try:
        from crunw.aot.engines import wasmtime_library
        from crunw.engine import Engine

        library = wasmtime_library()
        if not library:
            return {}
        with Engine(library, name=WASMTIME) as engine:
            return {"io.crunw.wasmtime.version": engine.version}
    except (CrunwError, ImportError) as error:
        return {"io.crunw.wasmtime.error": str(error)}
