"""Facts: what a plan depends on besides the specification, as it is found on this host."""

from __future__ import annotations

from crunw import notices
from crunw.aot.estimate import has_tags
from crunw.effects.rootfs import Root
from crunw.errors import CrunwError, SpecError
from crunw.files import is_directory
from crunw.lifecycle.compiled import Compiled
from crunw.oci.queries import allows, is_bind
from crunw.paths import cache_dir, engine_library, engine_stub, is_ordinary_user
from crunw.plan.inputs import Filter, Module, Target
from crunw.plan.mounts import LINK_OPTIONS, clean, overlay_layers
from crunw.plan.wasm import settings
from crunw.workload import WASMEDGE, WASMTIME, choose_engine, decide

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from crunw.lifecycle.request import Request
    from crunw.oci.model import Spec
    from crunw.plan.inputs import Address
    from crunw.plan.wasm_settings import Settings
    from crunw.workload import Workload


def find_target(spec: Spec, request: Request) -> Target:
    """The container that ``request`` asks for. Raises :class:`SpecError`."""
    rootfs = rootfs_of(spec, request.bundle)
    if not is_directory(rootfs):
        raise SpecError("root.path", f"{rootfs} is not a directory")
    return Target(
        request.id,
        request.bundle,
        rootfs,
        rootless=is_ordinary_user(),
        no_pivot=request.no_pivot,
        no_new_keyring=request.no_new_keyring,
    )


def find_program(spec: Spec, target: Target, counters: str) -> tuple[Workload, Module | None]:
    """What the container runs, and the module if that is one. Raises :class:`CrunwError`.

    ``counters``: the file in which those of a module are published.
    """
    process = spec["process"]
    root = Root(target.rootfs, _binds(spec, target.bundle))
    path, head = root.find_program(process["args"][0], process["cwd"], process.get("env", ()))
    annotations = spec.get("annotations", {})
    workload = decide(annotations, path, head)
    if workload.kind != "wasm":
        return workload, None
    wanted = settings(spec)
    if wanted.statistics:
        wanted.counters = counters
    return workload, find_module(workload, wanted, annotations, root, process["cwd"])


def find_module(
    workload: Workload, wanted: Settings, annotations: Mapping[str, str], root: Root, cwd: str
) -> Module:
    """The module's file below ``root``, and the engine for it. Raises :class:`SpecError`."""
    if wanted.plugins:
        from crunw.lifecycle.plugins import find_plugins

        wanted.plugin_directory = find_plugins(wanted.plugins)
    descriptor = -1
    if workload.path:
        try:
            descriptor = root.open_file(workload.path)
        except (CrunwError, OSError):
            pass  # crunw-init says why
    engine, why = _choose_engine(workload, wanted, annotations, descriptor)
    return Module(
        workload.path,
        descriptor,
        engine=engine,
        reason=why,
        library=engine_library() if engine == WASMEDGE else _wasmtime_library(why),
        stub=engine_stub() if engine == WASMEDGE else "",
        settings=wanted,
        directories=root.directories() if cwd != "/" else (),
    )


def _choose_engine(
    workload: Workload, wanted: Settings, annotations: Mapping[str, str], descriptor: int
) -> tuple[str, str]:
    """The engine that the module is for, and why."""
    engine, why = choose_engine(workload, annotations, wanted.engine)
    if engine == WASMEDGE and not (wanted.engine or wanted.insist or wanted.plugins):
        wrong = _executed_wrongly(descriptor)
        if wrong:
            return WASMTIME, f"libwasmedge executes its exceptions wrongly: {wrong}"
    return engine, why


def _wasmtime_library(why: str) -> str:
    """Its path; it is looked for only where it is wanted, as ``why`` says."""
    from crunw.aot.engines import ADVICE, wasmtime_library

    library = wasmtime_library()
    if not library:
        missing = f"wasmtime runs this ({why}), and is not on this node ({ADVICE})"
        raise SpecError("process.args[0]", missing)
    return library


def _executed_wrongly(module: int) -> str:
    """What WasmEdge would execute wrongly of a module, and wasmtime would not; ``""``: nothing."""
    if module < 0 or not has_tags(module):  # hardly any has: the others are spared the import
        return ""
    from crunw.aot.exceptions import better_by_wasmtime

    return better_by_wasmtime(module)


def find_compiled(
    module: Module | None, spec: Spec, trusted: str, *, may_wait: bool = True
) -> Compiled:
    """A module's compiled code, as the policy for the container says; of a native program nothing.

    ``trusted``, ``may_wait``: as :meth:`Compiled.find` has them.
    """
    compiled = Compiled()
    if module:
        compiled.find(module, spec.get("annotations", {}), trusted, may_wait=may_wait)
        notices.stage("compiled code")
    return compiled


def compile_filter(spec: Spec, listener: int = -1, state: Sequence[str] = ()) -> Filter:
    """``linux.seccomp``; ``listener`` and ``state`` as :class:`Filter` has them."""
    wanted = spec.get("linux", {}).get("seccomp")
    if not wanted:
        return Filter(listener=listener)
    from crunw.effects import seccomp

    program, flags = seccomp.program(wanted, cache_dir("seccomp"))
    closed = not allows(wanted, "seccomp")
    notices.stage("seccomp filter")
    return Filter(program, flags, closed=closed, listener=listener, state=state)


def find_net_devices(spec: Spec) -> dict[str, list[Address]]:
    """The addresses of the devices that move in, by their name there."""
    devices = spec["linux"].get("netDevices", {})
    if not devices:
        return {}
    from crunw.effects.netdevices import addresses

    return {device.get("name") or name: addresses(name) for name, device in devices.items()}


def rootfs_of(spec: Spec, bundle: str) -> str:
    """The absolute path of ``root.path``."""
    path = spec["root"]["path"]
    return path if path.startswith("/") else clean(f"{bundle}/{path}")


def _binds(spec: Spec, bundle: str) -> list[tuple[str, list[str], int]]:
    """(destination, sources, MOUNT_*_LINK) of the mounts that show the host's directories, for
    finding the program: bind mounts, and overlays, which images as volumes of Kubernetes are.
    """
    found = []
    for mount in spec.get("mounts", ()):
        if is_bind(mount):
            source = mount.get("source", "")
            sources = [source if source.startswith("/") else f"{bundle}/{source}"]
        else:
            sources = overlay_layers(mount)
        if sources:
            links = sum({LINK_OPTIONS.get(option, 0) for option in mount.get("options", ())})
            found.append((clean(mount["destination"]), sources, links))
    return found
