"""Exceptions that libwasmedge executes wrongly: run by wasmtime, refused, or run with a notice."""

from __future__ import annotations

import json

import pytest

from crunw.engine import Engine

WASMEDGE = {"run.oci.wasm.engine": "wasmedge"}
INSIST = {"run.oci.wasm.insist": "exceptions"}
CASES = {
    "exceptions_catch_all": "catch_all",
    "exceptions_catch_all_ref": "catch_all_ref",
    "exceptions_legacy_catch_all": "the old catch_all",
}


@pytest.fixture(scope="module")
def engine():
    """Of this host. Its self-test says what is to be expected."""
    with Engine() as opened:
        return opened.version, opened.wrong_exceptions.split(", ")


def is_wrong(engine, handler):
    """Where the library is right, the module ends as it must: nothing else is to be tested."""
    return handler in engine[1]


@pytest.mark.parametrize(("module", "handler"), CASES.items())
def test_by_wasmtime(crunw, wasm_bundle, engine, module, handler):
    """The old form is what wasmtime does not execute: it is refused."""
    container = wasm_bundle(module)
    result = crunw.run(container)
    if is_wrong(engine, handler) and "legacy" in module:
        assert "executes wrongly" in result.error()
        return
    assert (result.status, result.err) == (56, "")
    plan = json.loads(crunw("plan", "--format", "json", "--bundle", container.path).ok())
    if is_wrong(engine, handler):
        assert plan["workload"]["engine"] == "wasmtime"
        assert plan["workload"]["engineReason"].endswith(f"exceptions wrongly: {handler}")


def test_by_wasmtime_in_exec(crunw, wasm_bundle, modules):
    container = wasm_bundle("sleep")
    name = "exceptions_catch_all.wasm"
    (container.rootfs / name).write_bytes((modules / name).read_bytes())
    crunw.start(container)
    assert crunw("exec", container.id, f"/{name}").status == 56


def test_wasmtime_that_is_not_where_it_is_said(crunw, wasm_bundle, modules, engine, configuration):
    """What it alone executes rightly fails for that cause; what WasmEdge does as well goes on."""
    if not is_wrong(engine, "catch_all"):
        return
    configuration.write_text('[engine]\nwasmtime = "/no/libwasmtime.so"\n')
    cause = "/etc/crunw/crunw.toml: engine.wasmtime: no file /no/libwasmtime.so"
    assert crunw.run(wasm_bundle("exceptions_catch_all")).error() == cause
    assert crunw("cache", "warm", modules / "exceptions_catch_all.wasm").error() == cause
    found = crunw("inspect", "--json", modules / "exceptions_catch_all.wasm").ok()
    assert json.loads(found)["obstacle"] == cause
    assert "executes wrongly" in crunw.run(wasm_bundle("exceptions_legacy_catch_all")).error()
    assert crunw.run(wasm_bundle("exceptions")).status == 0


def test_wasmtime_that_is_something_else(crunw, wasm_bundle, modules, engine, configuration):
    if not is_wrong(engine, "catch_all"):
        return
    library = modules / "libwasmedgePluginArithmetic.so"
    configuration.write_text(f'[engine]\nwasmtime = "{library}"\n')
    error = crunw.run(wasm_bundle("exceptions_catch_all")).error()
    assert "wasmtime of an unknown version is another version than crunw is made for" in error


@pytest.mark.parametrize(("module", "handler"), CASES.items())
def test_refused_at_create(crunw, wasm_bundle, engine, module, handler):
    container = wasm_bundle(module, annotations=WASMEDGE)
    if not is_wrong(engine, handler):
        assert crunw.run(container).status == 56
        return
    for verb in ("create", "run"):
        error = crunw(verb, "--bundle", container.path, container.id).error()
        assert error == (
            f"load /{module}.wasm: the module uses exception handling ({handler}), which "
            f"libwasmedge {engine[0]} executes wrongly: its results would be wrong (build it "
            "without exceptions, or have it run nevertheless by the annotation "
            "run.oci.wasm.insist=exceptions)"
        )
    assert crunw.status(container) == ""


@pytest.mark.parametrize(("module", "handler"), CASES.items())
def test_run_nevertheless(crunw, wasm_bundle, engine, module, handler):
    result = crunw.run(wasm_bundle(module, annotations=INSIST))
    if not is_wrong(engine, handler):
        assert (result.status, result.err) == (56, "")
        return
    assert result.status not in (0, 1, 126, 127)  # the program's own, whatever it is
    assert result.err == (
        f"crunw: warning: /{module}.wasm: exception handling ({handler}) is executed wrongly by "
        f"libwasmedge {engine[0]}: the results may be wrong (run.oci.wasm.insist asks for it)\n"
    )


@pytest.mark.parametrize("module", ["exceptions", "exceptions_legacy"])
def test_what_works_is_not_refused(crunw, wasm_bundle, module):
    result = crunw.run(wasm_bundle(module))
    assert (result.status, result.err) == (0, "")


def test_exec(crunw, wasm_bundle, modules, engine):
    """As the container's program: refused, and with the annotation run."""
    [module, handler] = next(iter(CASES.items()))
    if not is_wrong(engine, handler):
        return
    for asked, words in ((WASMEDGE, "executes wrongly"), (INSIST, "is executed wrongly")):
        container = wasm_bundle("sleep", annotations=asked)
        source = modules / f"{module}.wasm"
        (container.rootfs / source.name).write_bytes(source.read_bytes())
        crunw.create(container).ok()
        crunw("start", container.id).ok()
        result = crunw("exec", container.id, f"/{source.name}")
        assert words in result.err
        crunw("delete", "--force", container.id).ok()


def test_another_value(crunw, wasm_bundle):
    error = crunw.run(wasm_bundle("exit3", annotations={"run.oci.wasm.insist": "all"})).error()
    assert error == "annotations.run.oci.wasm.insist: 'all' is not exceptions"


def test_features(crunw, engine):
    found = json.loads(crunw("features").ok())["annotations"]
    assert found["io.crunw.wasmedge.wrong-exceptions"].split(", ") == engine[1]


@pytest.mark.parametrize("level", ["0", "2"])
def test_compile(crunw, modules, tmp_path, engine, level):
    """0.14 ends its process with an assertion, 0.17 compiles a trap: said in a sentence instead."""
    result = crunw("compile", "-O", level, "-o", tmp_path / "out", modules / "exceptions.wasm")
    if engine[0].startswith(("0.14.", "0.17.")):
        assert result.error() == (
            f"{modules}/exceptions.wasm: exception handling can't be compiled by libwasmedge "
            f"{engine[0]}"
        )
    else:
        result.ok()
