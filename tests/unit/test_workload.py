"""What runs: annotations and first bytes against each other."""

from __future__ import annotations

import pytest

from crunw.errors import SpecError
from crunw.workload import HANDLER, VARIANT, WASMEDGE, WASMTIME, choose_engine, decide

WASM, ELF, SCRIPT, OTHER, NONE = b"\0asm", b"\x7fELF", b"#!/b", b"(mod", b""
CRI = {"io.kubernetes.cri.container-type": "container"}
CRI_O = {"io.kubernetes.cri-o.ContainerType": "container"}


@pytest.mark.parametrize("pod", [{}, CRI, CRI_O])
@pytest.mark.parametrize(
    "asked",
    [
        {},
        *({HANDLER: handler} for handler in ("wasm", "wasmtime", "wasmedge-smart")),
        *({VARIANT: variant} for variant in ("compat", "compat-smart", "something")),
    ],
)
def test_module_is_wasm_whatever_is_asked(asked: dict[str, str], pod: dict[str, str]) -> None:
    assert decide({**asked, **pod}, "/a", WASM).kind == "wasm"


@pytest.mark.parametrize("head", [ELF, SCRIPT, OTHER, NONE])
@pytest.mark.parametrize(
    "asked",
    [{}, {HANDLER: "wasm-smart"}, {VARIANT: "compat-smart"}, {VARIANT: "something"}, {HANDLER: ""}],
)
def test_all_else_is_native_unless_wasm_is_demanded(asked: dict[str, str], head: bytes) -> None:
    assert decide(asked, "/a", head).kind == "native"


@pytest.mark.parametrize("asked", [{HANDLER: "wasm"}, {HANDLER: "wasmedge"}, {VARIANT: "compat"}])
@pytest.mark.parametrize(
    ("head", "pod", "kind"),
    [
        (ELF, {}, "wasm"),
        (OTHER, {}, "wasm"),
        (NONE, {}, "wasm"),
        (ELF, CRI, "native"),
        (SCRIPT, CRI_O, "native"),
        (OTHER, CRI, "wasm"),
        (NONE, CRI_O, "wasm"),
    ],
)
def test_demanded(asked: dict[str, str], head: bytes, pod: dict[str, str], kind: str) -> None:
    assert decide({**asked, **pod}, "/a", head).kind == kind


def test_handler_goes_before_variant() -> None:
    assert decide({HANDLER: "wasm-smart", VARIANT: "compat"}, "/a", ELF).kind == "native"
    assert decide({HANDLER: "wasm", VARIANT: "compat-smart"}, "/a", ELF).kind == "wasm"


def test_unknown_handler() -> None:
    with pytest.raises(SpecError, match="unknown handler 'krun', must be one of wasm, wasmedge, "):
        decide({HANDLER: "krun"}, "/a", ELF)


@pytest.mark.parametrize(
    ("annotations", "path", "head", "reason"),
    [
        ({}, "/a.wasm", WASM, "/a.wasm starts with \\0asm"),
        ({}, "/a", ELF, "/a is an ELF file"),
        ({}, "/a", SCRIPT, "/a is a script"),
        ({}, "", NONE, "args[0] is no Wasm"),
        ({HANDLER: "wasm"}, "/a", WASM, "run.oci.handler=wasm"),
        ({VARIANT: "compat-smart"}, "/a", ELF,
         "module.wasm.image/variant=compat-smart, /a is an ELF file"),
        ({VARIANT: "compat", **CRI}, "/a", ELF,
         "module.wasm.image/variant=compat is the pod's, /a is an ELF file"),
    ],
)  # fmt: skip
def test_reason(annotations: dict[str, str], path: str, head: bytes, reason: str) -> None:
    workload = decide(annotations, path, head)
    assert (workload.path, workload.reason) == (path, reason)


@pytest.mark.parametrize(
    ("head", "annotations", "asked", "engine"),
    [
        (b"\0asm\1\0\0\0", {}, "", WASMEDGE),
        (b"\0asm\x0d\0\1\0", {}, "", WASMTIME),
        (b"\0asm\1\0\0\0", {HANDLER: "wasmtime"}, "", WASMTIME),
        (b"\0asm\1\0\0\0", {HANDLER: "wasmtime"}, WASMEDGE, WASMEDGE),
        (b"\0asm\x0d\0\1\0", {HANDLER: "wasmedge"}, "", WASMTIME),
        (b"\0asm\x0d\0\1\0", {}, WASMEDGE, WASMEDGE),
        (WASM, {}, "", WASMEDGE),  # truncated
    ],
)
def test_engine(head: bytes, annotations: dict[str, str], asked: str, engine: str) -> None:
    workload = decide(annotations, "/a", head)
    assert choose_engine(workload, annotations, asked)[0] == engine
