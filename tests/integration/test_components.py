"""Components of WASI 0.2 and other programs that wasmtime executes, through the real program."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest
from support.aot import mapped, settle
from support.commands import wait_for
from support.containers import assert_ended_at_once, skip_without_root

ENGINE = "run.oci.wasm.engine"
MIB = 1 << 20


@pytest.fixture
def component(wasm_bundle):
    """Make a bundle of the test program: ``component(*args, **changes)``."""
    return lambda *args, **changes: wasm_bundle("component_program", *args, **changes)


def replace(made, content):
    """Put other content in the program's place; the file."""
    program = made.rootfs / "component_program.wasm"
    program.unlink()  # it is a link to the file of all tests
    program.write_bytes(content)
    return program


# A component around a core module; {0}: the type of its run, {1}: the core module's fields.
LIFTED = """(component
  (import "wasi:cli/exit@0.2.0" (instance $wasi (export "exit" (func (param "status" (result))))))
  (core func $exit (canon lower (func $wasi "exit")))
  (core instance $given (export "exit" (func $exit)))
  (core module $program (import "wasi" "exit" (func $exit (param i32))) {1})
  (core instance $instance (instantiate $program (with "wasi" (instance $given))))
  (func $run {0} (canon lift (core func $instance "run")))
  (instance $interface (export "run" (func $run)))
  (export "wasi:cli/run@0.2.0" (instance $interface)))"""
RESULT = "(result (result))"
RETURNS = '(func (export "run") (result i32) (i32.const 0))'
ENDLESS = f"(func $start (loop (br 0))) (start $start) {RETURNS}"
RECURSIVE = '(func $run (export "run") (result i32) (call $run))'


@pytest.fixture
def assembled(component, tmp_path):
    """Make a bundle of what ``wasm-tools`` makes of a text: ``assembled(text, **changes)``."""

    def make(text, **changes):
        source, output = tmp_path / "source.wat", tmp_path / "assembled.wasm"
        source.write_text(text)
        subprocess.run(["wasm-tools", "parse", source, "-o", output], check=True)
        made = component(**changes)
        replace(made, output.read_bytes())
        return made

    return make


def without_wasmtime():
    """What goes before a command to run it without the Python package."""
    skip_without_root("to mount")
    script = (
        'for d in /usr/local/lib/python3*/dist-packages/wasmtime; do mount -t tmpfs no "$d"; done'
    )
    return ["unshare", "--mount", "sh", "-c", f'{script}; exec "$0" "$@"']


# --- What it is given -----------------------------------------------------------------------------


def test_hello(crunw, component):
    assert crunw.run(component()).ok() == "Hello from a component\n"


def test_arguments_and_environment(crunw, component):
    made = component("args", "one", "two words")
    assert crunw.run(made).ok() == '["/component_program.wasm", "args", "one", "two words"]\n'
    assert crunw.run(component("env", "NAME", process__env=["NAME=a=b"])).ok() == "a=b\n"


def test_standard_input(crunw, component):
    made = component("stdin")
    assert crunw("run", "--bundle", made.path, made.id, stdin="some text").ok() == "some text"


def test_files(crunw, component):
    made = component("write", "/new", process__cwd="/")
    assert crunw.run(made).ok() == "true\n"
    assert (made.rootfs / "new").read_text() == "written"
    made.process["args"][1:] = ["read", "/new"]
    assert crunw.run(made.write()).ok() == "written"
    made.process["args"][1:] = ["list", "/"]
    assert '"new"' in crunw.run(made.write()).ok()


def test_working_directory(crunw, component):
    made = component("read", "file", process__cwd="/app")
    (made.rootfs / "app").mkdir()
    (made.rootfs / "app" / "file").write_text("in /app")
    assert crunw.run(made).ok() == "in /app"


def test_read_only_preopen(crunw, component):
    made = component("write", "/given/new")
    (made.rootfs / "directory").mkdir(mode=0o777)
    made.config["annotations"]["run.oci.wasm.preopens"] = "/given:/directory:ro"
    assert crunw.run(made.write()).ok() == "false\n"
    made.config["annotations"]["run.oci.wasm.preopens"] = "/given:/directory"
    assert crunw.run(made.write()).ok() == "true\n"


# --- How it ends ----------------------------------------------------------------------------------


@pytest.mark.parametrize(("wanted", "status"), [(0, 0), (1, 1), (7, 1)])
def test_exit_status(crunw, component, wanted, status):
    """WASI 0.2 knows success and failure; what is between is made a failure by its adapter."""
    result = crunw.run(component("exit", str(wanted)))
    assert (result.status, result.err) == (status, "")


def test_trap(crunw, component):
    result = crunw.run(component("panic"))
    assert result.status == 134
    assert "on purpose" in result.err
    assert result.err.splitlines()[-1] == "crunw: trap: wasm `unreachable` instruction executed"


@pytest.mark.parametrize(
    ("verb", "name"),
    [("sleep", "TERM"), ("sleep", "INT"), ("loop", "TERM"), ("loop", "HUP"), ("loop", "QUIT")],
)
def test_signals_end_it_at_once(crunw, component, verb, name):
    made = component(verb)
    assert_ended_at_once(crunw, made, name)


# --- What can't be run ----------------------------------------------------------------------------


def test_without_wasmtime(crunw, component):
    error = crunw.run(component(), prefix=without_wasmtime()).error()
    assert error == (
        "process.args[0]: wasmtime runs this (it is a component), and is not on this node (install "
        "it, docs/components.md, or name its library in /etc/crunw/crunw.toml: engine.wasmtime)"
    )
    plain = component()
    plain.config["annotations"][ENGINE] = "wasmedge"
    assert "libwasmedge can't run" in crunw.run(plain.write()).error()


def test_no_program(crunw, wasm_bundle):
    error = crunw.run(wasm_bundle("component")).error()
    assert error == (
        "load /component.wasm: the component exports no wasi:cli/run: it is not a program"
    )


@pytest.mark.parametrize("version", ["0.3.0", "0.3.0-rc-2025-09-16", "1.0.0"])
def test_run_of_another_version(crunw, assembled, version):
    text = LIFTED.replace("cli/run@0.2.0", f"cli/run@{version}").format(RESULT, RETURNS)
    assert crunw.run(assembled(text)).error() == (
        f"load /component_program.wasm: the component exports wasi:cli/run@{version}, "
        "and crunw runs those of WASI 0.2"
    )


@pytest.mark.parametrize("version", ["0.2.0", "0.2.3", "0.2.99"])
def test_run_of_each_0_2(crunw, assembled, version):
    text = LIFTED.replace("cli/run@0.2.0", f"cli/run@{version}").format(RESULT, RETURNS)
    assert crunw.run(assembled(text)).ok() == ""


WITH_ARGUMENT = '(func (export "run") (param i32) (result i32) (i32.const 0))'


@pytest.mark.parametrize(
    "text",
    [
        LIFTED.format("(result u32)", RETURNS),
        LIFTED.format("(result bool)", RETURNS),
        LIFTED.format("", '(func (export "run"))'),
        LIFTED.format(f'(param "a" u32) {RESULT}', WITH_ARGUMENT),
        '(component (instance $i) (export "wasi:cli/run@0.2.0" (instance $i)))',
        LIFTED.replace("(instance $interface)))", "(func $run)))").format(RESULT, RETURNS),
    ],
    ids=["number", "bool", "nothing", "argument", "missing", "function"],
)
def test_run_of_another_type(crunw, assembled, text):
    """Else what it returns would be taken for something else."""
    assert crunw.run(assembled(text)).error() == (
        "load /component_program.wasm: the component's wasi:cli/run@0.2.0 has no function run that "
        "takes nothing and returns a result"
    )


def test_damaged(crunw, component):
    made = component()
    replace(made, (made.rootfs / "component_program.wasm").read_bytes()[:10000])
    assert "load /component_program.wasm: the component is not valid: " in crunw.run(made).error()


def test_function_of_a_component(crunw, component):
    made = component(annotations={"run.oci.wasm.function": "run"})
    assert "this is a component" in crunw.run(made).error()


# --- Limits and walls -----------------------------------------------------------------------------


def test_instruction_limit(crunw, component):
    result = crunw.run(component("loop", annotations={"run.oci.wasm.instruction-limit": "9000000"}))
    assert result.status == 134
    assert result.err == "crunw: trap: the limit of 9000000 instructions is reached\n"


def test_instruction_limit_before_run(crunw, assembled):
    made = assembled(LIFTED.format(RESULT, ENDLESS))
    made.config["annotations"]["run.oci.wasm.instruction-limit"] = "9000000"
    result = crunw.run(made.write())
    assert result.status == 134
    assert result.err == "crunw: trap: the limit of 9000000 instructions is reached\n"


LIMITED = {"run.oci.wasm.time-limit": "500ms"}
LATE = (142, "crunw: the time limit of 0.5 s is reached\n")


@pytest.mark.parametrize("verb", ["loop", "sleep"])
def test_time_limit(crunw, component, verb):
    """In compiled code, and in a call that waits, with a thread of the library's beside it."""
    result = crunw.run(component(verb, annotations=LIMITED))
    assert (result.status, result.err) == LATE


def test_time_limit_of_a_program_that_reads(crunw, component):
    made = component("stdin", annotations=LIMITED)
    silent, held = os.pipe()
    with crunw.spawn("run", "--bundle", made.path, made.id, stdin=silent) as process:
        assert (process.rest()[1], process.returncode) == (LATE[1], LATE[0])
    os.close(silent)
    os.close(held)


def test_time_limit_before_run(crunw, assembled):
    made = assembled(LIFTED.format(RESULT, ENDLESS), annotations=LIMITED)
    result = crunw.run(made)
    assert (result.status, result.err) == LATE


def test_exit_before_run(crunw, assembled):
    exits = f"(func $start (call $exit (i32.const 1))) (start $start) {RETURNS}"
    result = crunw.run(assembled(LIFTED.format(RESULT, exits)))
    assert (result.status, result.err) == (1, "")


@pytest.mark.parametrize("kibibytes", [64, 256, 512, 1024, 8192])
def test_endless_recursion(crunw, assembled, kibibytes):
    """Whatever the stack: it is noticed before the stack is at its end."""
    size = kibibytes << 10
    limit = {"type": "RLIMIT_STACK", "soft": size, "hard": size}
    made = assembled(LIFTED.format(RESULT, RECURSIVE), process__rlimits=[limit])
    result = crunw.run(made)
    assert (result.status, result.err) == (134, "crunw: trap: call stack exhausted\n")


def test_memory_limit(crunw, component):
    made = component("grow", annotations={"run.oci.wasm.memory-pages": "512"})
    grown = int(crunw.run(made).ok().split()[0])
    assert 24 < grown < 32


def test_limited_addresses(crunw, component):
    limit = {"type": "RLIMIT_AS", "soft": 1024 * MIB, "hard": 1024 * MIB}
    made = component(process__rlimits=[limit])
    assert crunw.run(made).ok() == "Hello from a component\n"


def test_fence_capabilities_and_descriptors(crunw, component):
    made = crunw.start(component("sleep"))
    pid = crunw.state(made)["pid"]
    status = Path(f"/proc/{pid}/status").read_text()
    assert "\nSeccomp:\t2\n" in status
    assert "\nNoNewPrivs:\t1\n" in status
    wait_for(lambda: len(os.listdir(f"/proc/{pid}/fd")) > 4)
    opened = [os.readlink(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd")]
    kinds = {name for name in opened if not name.startswith(("/dev/null", "pipe:", "/tmp", "/"))}
    assert kinds <= {"anon_inode:[eventpoll]", "anon_inode:[eventfd]"}


def test_procfs_is_read_only(crunw, component):
    assert crunw.run(component("write", "/proc/self/comm")).ok() == "false\n"


USER = {"uid": 1000, "gid": 1000}


def test_ordinary_user(crunw, component):
    made = component("write", "/new", process__user=USER)
    assert crunw.run(made).ok() == "false\n"


def test_an_ordinary_user_has_no_capabilities(crunw, component, weakened):
    made = component("read", "/secret", process__user=USER)
    sets = ("bounding", "effective", "permitted")
    made.process["capabilities"] = {name: ["CAP_DAC_OVERRIDE"] for name in sets}
    (made.rootfs / "secret").write_text("secret")
    (made.rootfs / "secret").chmod(0o600)
    assert crunw.run(made.write()).ok().startswith("error: ")
    assert weakened("EXECUTED").run(made).ok() == "secret"


def test_it_is_read_without_capabilities(crunw, component):
    """What reads and compiles it has no more rights than its user."""
    skip_without_root("to be another user")
    made = component(process__user=USER)
    replace(made, b"").chmod(0o600)
    assert crunw.run(made).error() == "open /component_program.wasm: Permission denied"


def test_counters(crunw, component):
    made = component("sleep", annotations={"run.oci.wasm.statistics": "true"})
    crunw.start(made)

    def counted():
        event = json.loads(crunw("events", "--stats", made.id).ok())
        return event["data"]["wasm"]

    wait_for(lambda: counted()["instructions"] > 1000)
    assert counted()["engine"] == "wasmtime"


def test_exec(crunw, component):
    made = crunw.start(component("sleep"))
    words = ("exec", made.id, "/component_program.wasm")
    assert crunw(*words, "hello").ok() == "Hello from a component\n"
    assert crunw(*words, "exit", "1").status == 1


# --- Compiled code --------------------------------------------------------------------------------


@pytest.fixture
def compiled(component, cache):
    """A bundle of it whose first start waits for code."""
    return lambda *args: component(*args, annotations={"run.oci.wasm.aot": "always"})


def code(crunw, made):
    """The artefact that a running container's process has mapped."""
    maps = mapped(crunw.state(made)["pid"]).decode().splitlines()
    return {line.split()[-1] for line in maps if line.endswith("/module.so")}


def test_from_the_cache(crunw, compiled):
    made = crunw.start(compiled("sleep"))
    wait_for(lambda: crunw.state(made)["status"] == "running")
    assert crunw.state(made)["wasm"] == {"execution": "compiled", "engine": "wasmtime"}
    assert code(crunw, made)
    [entry] = json.loads(crunw("cache", "ls", "--json").ok())
    assert entry["platform"].startswith("wasmtime-50.")


def test_compiled_in_the_background(crunw, component, cache):
    made = component()
    made.config["annotations"]["run.oci.wasm.aot"] = "auto"
    assert crunw.run(made.write()).ok() == "Hello from a component\n"
    settle()
    made.process["args"][1:] = ["sleep"]
    crunw.start(made.write())
    assert crunw.state(made)["wasm"]["execution"] == "compiled"


def test_without_code(crunw, component):
    made = crunw.start(component("sleep"))
    told = crunw.state(made)["wasm"]
    assert (told["execution"], told["reason"]) == ("compiled at start", "the policy is off")


def test_damaged_code_is_not_run(crunw, compiled, cache):
    assert crunw.run(compiled()).ok() == "Hello from a component\n"
    [artefact] = cache.glob("**/module.so")
    os.chmod(artefact, 0o600)
    artefact.write_bytes(artefact.read_bytes()[:-1000] + bytes(1000))
    assert crunw.run(compiled()).ok() == "Hello from a component\n"


def test_idle_memory(crunw, compiled):
    made = compiled("sleep")
    with crunw.spawn("run", "--bundle", made.path, made.id) as process:
        assert process.stdout.readline() == "ready\n"
        rollup = Path(f"/proc/{crunw.state(made)['pid']}/smaps_rollup").read_text()
        crunw("kill", made.id, "KILL").ok()
    [dirty] = [line.split()[1] for line in rollup.splitlines() if "Private_Dirty" in line]
    assert int(dirty) < 3 * 1024


def test_code_of_an_image_is_not_loaded(crunw, compiled, cache):
    """What this node has compiled itself, as a file of the image: it is no program."""
    assert crunw.run(compiled()).ok() == "Hello from a component\n"
    [artefact] = cache.glob("**/module.so")
    made = compiled()
    replace(made, artefact.read_bytes()).chmod(0o755)
    assert crunw.run(made).error() == "exec /component_program.wasm: Exec format error"
    made.config["annotations"]["run.oci.handler"] = "wasmtime"
    assert "not a WebAssembly module, but native code (ELF)" in crunw.run(made.write()).error()


def test_addresses_that_do_not_suffice_for_code(crunw, compiled):
    made = compiled()
    limit = {"type": "RLIMIT_AS", "soft": 1024 * MIB, "hard": 1024 * MIB}
    made.config["annotations"]["run.oci.wasm.aot"] = "auto"
    crunw("run", "--bundle", made.write().path, made.id).ok()
    settle()
    made.change(process__rlimits=[limit])
    [notice] = crunw.run(made).notices()
    assert notice == (
        "compiled code: it wants more addresses than RLIMIT_AS leaves"
        " (it is compiled at each start)"
    )


# --- Which engine ---------------------------------------------------------------------------------


def test_the_plan_says_which(crunw, component, wasm_bundle):
    def engine(made):
        words = ("plan", "--format", "json", "--bundle", made.path)
        return json.loads(crunw(*words).ok())["workload"]["engine"]

    assert engine(component()) == "wasmtime"
    assert engine(wasm_bundle("hello")) == "wasmedge"
    assert engine(wasm_bundle("hello", annotations={ENGINE: "wasmtime"})) == "wasmtime"
    asked = {"run.oci.handler": "wasmtime"}
    assert engine(wasm_bundle("hello", annotations=asked)) == "wasmtime"
    error = crunw.run(wasm_bundle("hello", annotations={ENGINE: "wasmer"})).error()
    assert error == f"annotations.{ENGINE}: 'wasmer' is not one of wasmedge, wasmtime"


@pytest.mark.parametrize(
    ("module", "status"),
    [
        ("return", 0),
        ("exit3", 3),
        ("trap", 134),
        ("exceptions", 0),
        ("exceptions_catch_all", 56),
        ("exceptions_catch_all_ref", 56),
        ("start_section", 0),
        ("gc", 0),
        ("tail_call", 0),
        ("simd", 0),
    ],
)
def test_core_modules(crunw, wasm_bundle, module, status):
    result = crunw.run(wasm_bundle(module, annotations={ENGINE: "wasmtime"}))
    assert result.status == status, result


def test_what_is_missing_is_named(crunw, wasm_bundle):
    asked = {ENGINE: "wasmtime", "run.oci.wasm.function": "run"}
    error = crunw.run(wasm_bundle("hello", annotations=asked)).error()
    assert error == "load /hello.wasm: the module exports no function run"
    error = crunw.run(wasm_bundle("imports", annotations={ENGINE: "wasmtime"})).error()
    assert "the module imports what crunw does not provide: function env.missing, " in error


def test_features_inspect_and_doctor(crunw, modules):
    version = json.loads(crunw("features").ok())["annotations"]["io.crunw.wasmtime.version"]
    assert version.startswith("50.")
    assert "+WASM:wasmtime" in crunw("--version").ok()
    found = json.loads(crunw("inspect", "--json", modules / "component_program.wasm").ok())
    assert (found["kind"], found["obstacle"]) == ("component", "")
    assert any(item["name"].startswith("wasi:cli/run@0.2.") for item in found["exports"])
    hidden = crunw(
        "inspect", "--json", modules / "component_program.wasm", prefix=without_wasmtime()
    )
    assert "is not on this node" in json.loads(hidden.ok())["obstacle"]
