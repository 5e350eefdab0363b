"""Whether a container's process is WebAssembly or native, and why.

Decided from the annotations, as crun reads them, and from the first bytes of the file that
``process.args[0]`` names inside the rootfs. Pure: ``crunw.effects.rootfs`` reads the bytes.
"""

from __future__ import annotations

from crunw.errors import SpecError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

WASM_MAGIC = b"\0asm"
_COMPONENT = b"\1\0"  # the layer, after the version (component-model, Binary.md)
_ELF_MAGIC = b"\x7fELF"
# A file of such a name that is something else is refused by the engine, which says what it is.
_NAMES = (".wasm", ".wat")

WASMEDGE = "wasmedge"
WASMTIME = "wasmtime"

HANDLER = "run.oci.handler"
VARIANT = "module.wasm.image/variant"
# Set by CRI implementations: an annotation of the pod reaches all of its containers.
_CRI_TYPES = ("io.kubernetes.cri.container-type", "io.kubernetes.cri-o.ContainerType")

_ALWAYS = ("wasm", "wasmedge", "wasmtime")
_SMART = ("wasm-smart", "wasmedge-smart", "wasmtime-smart")


class Workload:
    """The decision: ``kind`` is ``wasm`` or ``native``, ``path`` the file inside the container.

    ``component``: it is a component, no core module.
    """

    __slots__ = ("component", "kind", "path", "reason")

    def __init__(self, kind: str, path: str, reason: str, *, component: bool = False) -> None:
        self.component = component
        self.kind = kind
        self.path = path
        self.reason = reason


def is_component(head: bytes) -> bool:
    """Whether a file that starts so is a component, no core module."""
    return head.startswith(WASM_MAGIC) and head[6:8] == _COMPONENT


def decide(annotations: Mapping[str, str], path: str, head: bytes) -> Workload:
    """Decide what runs.

    ``path`` is ``args[0]`` as found in the rootfs (``""``: not found), ``head`` its first bytes.
    Raises :class:`SpecError` for a handler that is not ours.
    """
    asked, why = _asked(annotations)
    if head.startswith(WASM_MAGIC):
        why = why or f"{path} starts with \\0asm"
        return Workload("wasm", path, why, component=is_component(head))
    native = _native_format(head)
    if asked == "always" and native and any(key in annotations for key in _CRI_TYPES):
        return Workload("native", path, f"{why} is the pod's, {path} is {native}")
    if asked == "always":
        return Workload("wasm", path, why)
    if path.endswith(_NAMES) and not native:
        return Workload("wasm", path, why or f"{path} has the name of a module")
    if asked == "smart":
        return Workload("native", path, f"{why}, {path or 'args[0]'} is {native or 'no Wasm'}")
    return Workload("native", path, f"{path or 'args[0]'} is {native or 'no Wasm'}")


def choose_engine(
    workload: Workload, annotations: Mapping[str, str], asked: str
) -> tuple[str, str]:
    """The engine for a Wasm workload, and why. ``asked``: what ``run.oci.wasm.engine`` says."""
    if asked:
        return asked, f"run.oci.wasm.engine={asked}"
    handler = annotations.get(HANDLER, "")
    if handler.startswith(WASMTIME):
        return WASMTIME, f"{HANDLER}={handler}"
    if workload.component:
        return WASMTIME, "it is a component"
    return WASMEDGE, "it is a core module"


def _asked(annotations: Mapping[str, str]) -> tuple[str, str]:
    """Return ``always``, ``smart`` or ``""``, and the annotation that says so."""
    handler = annotations.get(HANDLER, "")
    if handler:
        why = f"{HANDLER}={handler}"
        if handler in _ALWAYS:
            return "always", why
        if handler in _SMART:
            return "smart", why
        known = ", ".join(_ALWAYS + _SMART)
        raise SpecError(
            f"annotations.{HANDLER}", f"unknown handler {handler!r}, must be one of {known}"
        )
    variant = annotations.get(VARIANT, "")
    if variant in ("compat", "compat-smart"):
        return ("smart" if variant == "compat-smart" else "always"), f"{VARIANT}={variant}"
    return "", ""


def _native_format(head: bytes) -> str:
    if head.startswith(_ELF_MAGIC):
        return "an ELF file"
    return "a script" if head.startswith(b"#!") else ""
