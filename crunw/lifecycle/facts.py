"""Facts: what a plan depends on besides the specification, as it is found on this host."""

from __future__ import annotations

from crunw import notices
from crunw.aot.estimate import has_tags
from crunw.effects.rootfs import Root
from crunw.effects.store import Container
from crunw.errors import CrunwError, SpecError
from crunw.files import environment, is_directory
from crunw.lifecycle.compiled import Compiled
from crunw.paths import cache_dir, engine_library, engine_stub, is_ordinary_user
from crunw.plan.annotations import KEEP_GROUPS
from crunw.plan.host import Host
from crunw.plan.mounts import LINK_OPTIONS, clean, overlay_layers
from crunw.plan.wasm import settings
from crunw.spec.queries import allows, is_bind
from crunw.workload import WASMEDGE, WASMTIME, choose_engine, decide

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crunw.lifecycle.request import Request
    from crunw.spec.model import Spec


def gather_host(spec: Spec, request: Request) -> Host:
    """Collect what the plan needs to know of this host; changes nothing."""
    host = find_host(spec, request)
    complete_host(host, spec)
    return host


def find_host(spec: Spec, request: Request) -> Host:
    """Collect what the plan's first steps need to know."""
    rootfs = rootfs_of(spec, request.bundle)
    if not is_directory(rootfs):
        raise SpecError("root.path", f"{rootfs} is not a directory")
    process = spec["process"]
    root = Root(rootfs, _binds(spec, request.bundle))
    path, head = root.find_program(process["args"][0], process["cwd"], process.get("env", ()))
    workload = decide(spec.get("annotations", {}), path, head)
    host = Host(id=request.id, bundle=request.bundle, rootfs=rootfs, workload=workload)
    host.preserve_fds = request.preserve_fds + request.listen_fds
    host.listen_fds = request.listen_fds
    host.listen_names = environment("LISTEN_FDNAMES") if request.listen_fds else ""
    host.no_pivot = request.no_pivot
    host.no_new_keyring = request.no_new_keyring
    host.rootless = is_ordinary_user()
    host.keep_groups = KEEP_GROUPS in spec.get("annotations", {})
    use_engine(host, root, process["cwd"], spec)
    if workload.kind == "wasm" and host.wasm.statistics:
        host.wasm.counters = Container(request.root, request.id).counters()
    return host


def complete_host(host: Host, spec: Spec) -> None:
    """Collect what only the later steps need, and takes longer."""
    seccomp_filter(host, spec)
    notices.stage("seccomp filter")
    devices = spec["linux"].get("netDevices", {})
    if devices:
        from crunw.effects.netdevices import addresses

        host.net_devices = {d.get("name") or name: addresses(name) for name, d in devices.items()}


def find_compiled(host: Host, spec: Spec) -> Compiled:
    """For a Wasm workload: its compiled code, as the policy for the container says."""
    compiled = Compiled()
    if host.workload.kind == "wasm":
        compiled.find(host, spec.get("annotations", {}), host.rootfs)
        notices.stage("compiled code")
    return compiled


def use_engine(host: Host, root: Root, cwd: str, spec: Spec) -> None:
    """For a Wasm workload: the engine's library, what is asked of it, the directories in "/".

    Raises :class:`SpecError`.
    """
    if host.workload.kind != "wasm":
        return
    host.wasm = settings(spec)
    if host.wasm.plugins:
        from crunw.lifecycle.plugins import find_plugins

        host.wasm.plugin_directory = find_plugins(host.wasm.plugins)
    if host.workload.path:
        try:
            host.module = root.open_file(host.workload.path)
        except (CrunwError, OSError):
            pass  # crunw-init says why
    _find_engine(host, spec)
    if cwd != "/":
        host.root_entries = root.directories()


def _find_engine(host: Host, spec: Spec) -> None:
    """The engine that the module is for; wasmtime is looked for only where it is wanted."""
    annotations = spec.get("annotations", {})
    host.engine, why = choose_engine(host.workload, annotations, host.wasm.engine)
    if host.engine == WASMEDGE and not (host.wasm.engine or host.wasm.insist or host.wasm.plugins):
        wrong = _executed_wrongly(host.module)
        if wrong:
            host.engine, why = WASMTIME, f"libwasmedge executes its exceptions wrongly: {wrong}"
    host.engine_reason = why
    if host.engine == WASMEDGE:
        host.engine_library = engine_library()
        host.engine_stub = engine_stub()
        return
    from crunw.aot.engines import ADVICE, wasmtime_library

    host.engine_library = wasmtime_library()
    if not host.engine_library:
        missing = f"wasmtime runs this ({why}), and is not on this node ({ADVICE})"
        raise SpecError("process.args[0]", missing)


def _executed_wrongly(module: int) -> str:
    """What WasmEdge would execute wrongly of a module, and wasmtime would not; ``""``: nothing."""
    if module < 0 or not has_tags(module):  # hardly any has: the others are spared the import
        return ""
    from crunw.aot.exceptions import better_by_wasmtime

    return better_by_wasmtime(module)


def seccomp_filter(host: Host, spec: Spec) -> None:
    """``linux.seccomp`` as a compiled filter."""
    filters = spec.get("linux", {}).get("seccomp")
    if filters:
        from crunw.effects import seccomp

        host.seccomp_program, host.seccomp_flags = seccomp.program(filters, cache_dir("seccomp"))
        host.seccomp_closed = not allows(filters, "seccomp")


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
