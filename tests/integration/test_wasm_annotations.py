"""``run.oci.wasm.*``: preopens, limits, counters, plugins, functions; interpreted and compiled."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from support.aot import entries, mapped, settle
from support.commands import PATIENCE, wait_for
from support.containers import Bundle, Runtime, cgroup_directories

from crunw.paths import init_path

MIB = 1 << 20
NO_CGROUP = ["--cgroup-manager", "disabled"]
PLUGINS = Path("/opt/crunw-test-plugins")  # as tests/modules/build compiles it in

Make = Callable[..., Bundle]


@pytest.fixture(params=["off", "always"])
def module(request: pytest.FixtureRequest, wasm_bundle: Make, cache: Path) -> Make:
    """Make a bundle with annotations: ``module(name, *args, {name: value}, **changes)``.

    Interpreted, and from the cache of compiled code.
    """

    def make(name: str, *args: str, wants: dict[str, str], **changes: Any) -> Bundle:
        made = wasm_bundle(name, *args)
        made.config["annotations"] = {
            f"run.oci.wasm.{key}": value for key, value in {"aot": request.param, **wants}.items()
        }
        return made.change(**changes)

    return make


def annotated(bundle: Bundle, **wants: str) -> Bundle:
    for name, value in wants.items():
        bundle.config["annotations"][f"run.oci.wasm.{name.replace('_', '-')}"] = value
    return bundle.write()


def counters(crunw: Runtime, container: Bundle) -> dict[str, int]:
    event = json.loads(crunw("events", "--stats", container.id).ok())
    return only_counters(event)


def only_counters(event: dict[str, Any]) -> dict[str, int]:
    """What else an event tells of a module is how it runs."""
    told = event["data"]["wasm"]
    return {key: told[key] for key in told if key not in ("execution", "reason")}


def is_compiled(crunw: Runtime, container: Bundle) -> bool:
    return b"/module.so" in mapped(crunw.state(container)["pid"])


# --- Memory ---------------------------------------------------------------------------------------


def test_memory_pages(crunw, module):
    assert crunw.run(module("hog", wants={"memory-pages": "16"})).status == 16
    assert crunw.run(module("hog", wants={})).status == 255


def test_memory_pages_are_fewer_than_the_module_begins_with(crunw, module):
    container = module("files", wants={"memory-pages": "1"})
    assert crunw.create(container).error() == (
        "load /files.wasm: the module needs a memory of 2 pages (of 64 KiB) to begin with, more "
        "than the limit of 1"
    )
    assert crunw.status(container) == ""
    assert cgroup_directories() == []


@pytest.mark.skipif(
    not os.path.isdir("/sys/fs/cgroup/memory")
    and os.path.exists("/sys/fs/cgroup/cgroup.procs")
    and "memory" not in Path("/sys/fs/cgroup/cgroup.controllers").read_text().split(),
    reason="no memory controller",
)
@pytest.mark.parametrize(("limit", "expected"), [(6, 2), (16, 11), (64, 59)])
def test_the_cgroups_limit_is_met_inside_the_program(crunw, module, limit, expected):
    """``malloc`` fails before the kernel ends the container.

    The sanitizers' own memory is beyond such a limit: with them the kernel is not asked to keep it.
    """
    if b"__asan_init" in Path(init_path()).read_bytes():
        crunw.options = NO_CGROUP
    container = module("eater", wants={"memory-pages": "limit"})
    container.change(linux__resources={"memory": {"limit": limit * MIB, "swap": limit * MIB}})
    assert crunw.run(container).ok() == f"{expected} MiB: Out of memory\n"


def test_a_module_that_begins_with_more_than_the_cgroups_limit(crunw, module):
    crunw.options = NO_CGROUP
    container = module("large", wants={"memory-pages": "limit"})
    container.change(linux__resources={"memory": {"limit": 16 * MIB}})
    assert "memory of 257 pages (of 64 KiB) to begin with, more than the limit of 256" in (
        crunw.create(container).error()
    )


def test_a_module_that_begins_with_most_of_the_cgroups_limit(crunw, module):
    """It runs as before: what it does not touch is no use of memory. It can't grow."""
    crunw.options = NO_CGROUP
    container = module("large", wants={"memory-pages": "limit"})
    container.change(linux__resources={"memory": {"limit": 17 * MIB}})
    assert crunw.run(container).status == 1
    assert crunw.run(annotated(container, memory_pages="258")).status == 2


# --- Instructions and time ------------------------------------------------------------------------


def test_instruction_limit(crunw, module):
    result = crunw.run(module("loop", wants={"instruction-limit": "1000000"}))
    assert (result.status, result.out) == (134, "")
    assert result.err == "crunw: trap: the limit of 1000000 instructions is reached\n"
    assert crunw.run(module("exit3", wants={"instruction-limit": "1000000"})).status == 3


@pytest.mark.parametrize("name", ["loop", "sleep"])
def test_time_limit(crunw, module, name):
    """In computing as in a call of the host."""
    result = crunw.run(module(name, wants={"time-limit": "250ms"}))
    assert (result.status, result.out) == (142, "")
    assert result.err == "crunw: the time limit of 0.25 s is reached\n"


def test_time_limit_where_nobody_reads(crunw, module):
    """What is said of it waits for no reader: a pipe that is full keeps no program alive."""
    container = module("loop", wants={"time-limit": "250ms"})
    unread, full = os.pipe()
    os.set_blocking(full, False)
    with suppress(BlockingIOError):
        while True:
            os.write(full, bytes(4096))
    os.set_blocking(full, True)
    process = crunw.spawn("run", "--bundle", container.path, container.id, stderr=full)
    os.close(full)
    assert process.wait(PATIENCE) == 142
    os.close(unread)


def test_the_time_begins_with_the_program(crunw, module):
    container = module("exit3", wants={"time-limit": "100ms"})
    crunw.create(container).ok()
    time.sleep(0.3)
    assert crunw.status(container) == "created"
    crunw("start", container.id).ok()
    crunw.wait_status(container, "stopped")


def test_limits_of_exec(crunw, module, modules):
    """Those of the container; the function and the counters are its own program's."""
    wants = {"instruction-limit": "1000000", "function": "_start", "statistics": "true"}
    container = module("sleep", wants=wants)
    for name in ("loop", "reactor", "hog"):
        os.link(modules / f"{name}.wasm", container.rootfs / f"{name}.wasm")
    crunw.start(container)
    assert crunw("exec", container.id, "/loop.wasm").status == 134
    assert "no _start" in crunw("exec", container.id, "/reactor.wasm").error(255)
    limited = module("sleep", wants={"time-limit": "1h", "memory-pages": "16"})
    os.link(modules / "hog.wasm", limited.rootfs / "hog.wasm")
    crunw.start(limited)
    assert crunw("exec", limited.id, "/hog.wasm").status == 16


# --- Counters -------------------------------------------------------------------------------------


def test_counters(crunw, module):
    container = crunw.start(module("loop", wants={"statistics": "true"}))
    first = wait_for(lambda: (c := counters(crunw, container))["instructions"] and c)
    second = wait_for(
        lambda: (c := counters(crunw, container))["instructions"] > first["instructions"] and c
    )
    assert list(second) == ["instructions", "gas", "time"]
    assert second["time"] > first["time"] > 0
    assert second["gas"] > 0
    crunw("kill", container.id, "TERM").ok()
    crunw.wait_status(container, "stopped")
    last = counters(crunw, container)
    assert last["instructions"] >= second["instructions"]
    assert counters(crunw, container) == last
    crunw("delete", container.id).ok()
    assert os.listdir(crunw.root) == []


def test_counters_are_whole_at_the_end(crunw, module):
    container = crunw.start(module("hog", wants={"statistics": "true", "memory-pages": "200"}))
    crunw.wait_status(container, "stopped")
    last = counters(crunw, container)
    assert 200 * 5 < last["instructions"] == last["gas"] < 200 * 20


def test_counters_of_an_end_by_a_limit(crunw, module):
    wants = {"statistics": "true", "instruction-limit": "1000"}
    container = crunw.start(module("loop", wants=wants))
    crunw.wait_status(container, "stopped")
    assert 990 < counters(crunw, container)["gas"] < 1010
    container = crunw.start(module("sleep", wants={"statistics": "true", "time-limit": "150ms"}))
    crunw.wait_status(container, "stopped")
    assert counters(crunw, container)["time"] >= 150_000_000


def test_the_last_event_has_the_counters(crunw, module):
    container = crunw.start(module("loop", wants={"statistics": "true"}))
    with crunw.spawn("events", "--interval", "1s", container.id) as process:
        assert json.loads(process.stdout.readline())["data"]["wasm"]["time"] > 0
        crunw("kill", container.id, "TERM").ok()
        *_, line = process.rest()[0].splitlines()
    assert only_counters(json.loads(line)) == counters(crunw, container)


def test_nobody_counts_unasked(crunw, module):
    """No thread, no file, no counter; none of a stopped container."""
    container = crunw.start(module("sleep", wants={"statistics": "false"}))
    assert len(os.listdir(f"/proc/{crunw.state(container)['pid']}/task")) == 1
    assert counters(crunw, container) == {}
    assert "counters" not in os.listdir(crunw.root / container.id)
    crunw("kill", container.id, "KILL").ok()
    crunw.wait_status(container, "stopped")
    assert "is stopped" in crunw("events", "--stats", container.id).error()


def test_code_that_counts_is_compiled_apart(crunw, wasm_bundle, cache):
    """In the background, too: first interpreted, then from its own entry."""
    plain = annotated(wasm_bundle("sleep"), aot="always")
    counted = annotated(wasm_bundle("sleep"), aot="auto", statistics="true")
    crunw.start(plain)
    assert len(entries()) == 1
    crunw.start(counted)
    assert not is_compiled(crunw, counted)
    settle()
    assert len(entries()) == 2
    options = {json.loads((entry / "meta.json").read_text())["options"] for entry in entries()}
    assert options == {"native-O1", "native-O1+statistics"}
    again = annotated(wasm_bundle("sleep"), aot="auto", instruction_limit="1000")
    crunw.start(again)
    assert is_compiled(crunw, again)


# --- Preopens -------------------------------------------------------------------------------------


def test_preopens(crunw, module):
    container = module(
        "files", "read", "/data/file", "models/file", "/file", process__cwd="/",
        wants={"preopens": "/data:/srv/a,models:/srv/b:ro"},
    )  # fmt: skip
    for path in ("srv/a/file", "srv/b/file", "file"):
        (container.rootfs / path).parent.mkdir(parents=True, exist_ok=True)
        (container.rootfs / path).write_text(f"{path}\n")
    assert crunw.run(container).ok() == "srv/a/file\nsrv/b/file\nfile\n"


@pytest.mark.parametrize("cwd", ["/", "/work"])
def test_nothing_can_be_written_in_a_read_only_preopen(crunw, module, cwd):
    wants = {"preopens": "open:/open,data:/srv/data:ro"}
    container = module("writer", wants=wants, process__cwd=cwd)
    for path in ("srv/data/sub", "open", "work"):
        (container.rootfs / path).mkdir(parents=True)
    for path in ("srv/data/file", "srv/data/other", "open/file"):
        (container.rootfs / path).write_text("content\n")
    before = tree(container.rootfs)
    assert crunw.run(container).ok().splitlines() == ["read", "list"]
    assert tree(container.rootfs) == before
    annotated(container, preopens="open:/open,data:/srv/data")
    assert {"create", "create below", "futimens"} < set(crunw.run(container).ok().splitlines())


def tree(root: Path) -> dict[str, tuple[int, int, bytes]]:
    """What is in two directories: modification times, modes, contents."""
    return {
        str(path): (
            path.stat().st_mtime_ns, path.stat().st_mode,
            b"" if path.is_dir() else path.read_bytes(),
        )
        for top in ("srv", "open") for path in (root / top).rglob("*")
    }  # fmt: skip


def test_mounts_below_a_read_only_preopen(crunw, module):
    """They are read-only in it, and as they were for everybody else."""
    container = module("files", "write", "data/below/new", wants={"preopens": "data:/srv:ro"})
    (container.rootfs / "srv" / "below").mkdir(parents=True)
    container.config["mounts"].append({"destination": "/srv/below", "type": "tmpfs"})
    result = crunw.run(container.write())
    assert (result.status, result.out) == (1, "data/below/new: Read-only file system\n")
    container.process["args"] = ["/files.wasm", "write", "/srv/below/new"]
    assert crunw.run(container.write()).ok() == ""


def test_the_whole_root_as_a_read_only_preopen(crunw, module):
    container = module("files", "write", "/new", wants={"preopens": "/:/:ro"})
    result = crunw.run(container)
    assert (result.status, result.out) == (1, "/new: Read-only file system\n")
    container = module("sleep", wants={"preopens": "/:/:ro,x:/:ro"})
    crunw.start(container)
    pid = crunw.state(container)["pid"]
    targets = [os.readlink(f"/proc/{pid}/fd/{number}") for number in os.listdir(f"/proc/{pid}/fd")]
    assert sorted(targets)[:2] == ["/", "/"]
    assert len([target for target in targets if not target.startswith("anon_inode:")]) == 5


def test_preopens_of_a_user(crunw, module):
    """Read-only or not: what the user may not enter is not opened for it."""
    for mode in ("", ":ro"):
        container = module("files", "read", "d/file", wants={"preopens": f"d:/closed/data{mode}"})
        (container.rootfs / "closed" / "data").mkdir(parents=True)
        (container.rootfs / "closed" / "data" / "file").write_text("secret\n")
        (container.rootfs / "closed").chmod(0o700)
        container.change(process__user={"uid": 1000, "gid": 1000})
        assert "Permission denied" in crunw.create(container).error()


@pytest.mark.parametrize("mode", ["", ":ro"])
@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("/missing", "No such file or directory"),
        ("/file", "Not a directory"),
    ],
)
def test_preopens_that_are_no_directories(crunw, module, mode, path, words):
    container = module("exit3", wants={"preopens": f"d:{path}{mode}"})
    (container.rootfs / "file").write_text("")
    error = crunw.create(container).error()
    assert "preopen" in error
    assert path in error
    assert words in error
    assert cgroup_directories() == []


def test_preopens_of_exec(crunw, module, modules):
    container = module("sleep", wants={"preopens": "data:/srv:ro"})
    os.link(modules / "files.wasm", container.rootfs / "files.wasm")
    (container.rootfs / "srv").mkdir()
    (container.rootfs / "srv" / "file").write_text("content\n")
    crunw.start(container)
    assert crunw("exec", container.id, "/files.wasm", "read", "data/file").ok() == "content\n"
    result = crunw("exec", container.id, "/files.wasm", "write", "data/new")
    assert (result.status, result.out) == (1, "data/new: Read-only file system\n")


# --- Functions ------------------------------------------------------------------------------------


def test_functions(crunw, module):
    assert crunw.run(module("reactor", wants={"function": "run"})).status == 5
    assert crunw.run(module("library", wants={"function": "answer"})).ok() == ""
    error = crunw.create(module("reactor", wants={"function": "nothing"})).error()
    assert error == "load /reactor.wasm: the module exports no function nothing"
    error = crunw.create(module("reactor", wants={"function": "needs_argument"})).error()
    assert "can't be called without arguments" in error


# --- Plugins --------------------------------------------------------------------------------------


@pytest.fixture
def plugins(configuration: Path, modules: Path) -> Iterator[Path]:
    """The node's directory of plugins."""
    PLUGINS.mkdir(parents=True)
    shutil.copy(modules / "libwasmedgePluginArithmetic.so", PLUGINS)
    (PLUGINS / "libwasmedgePluginText.so").write_text("text\n")
    (PLUGINS / "data").write_text("content\n")
    configuration.write_text(f'[plugins]\ndirectory = "{PLUGINS}"\n')
    yield PLUGINS
    shutil.rmtree(PLUGINS)


def test_plugin(crunw, module, plugins):
    """Its functions can be called; its directory is there, and read-only."""
    container = module("plugin", wants={"plugins": "Arithmetic"})
    assert crunw.run(container).status == 40 + 1
    error = crunw.create(module("plugin", wants={})).error()
    assert "crunw does not provide: function crunw_test.twice, function crunw_test.loaded" in error


def test_plugin_of_exec(crunw, module, plugins, modules):
    container = module("sleep", wants={"plugins": "Arithmetic"})
    os.link(modules / "plugin.wasm", container.rootfs / "plugin.wasm")
    crunw.start(container)
    assert crunw("exec", container.id, "/plugin.wasm").status == 41


def test_plugins_that_are_none(crunw, wasm_bundle, plugins):
    for name, words in (
        ("Missing", "annotations.run.oci.wasm.plugins: this node has no Missing: no file"),
        ("Text", f"load plugin: {PLUGINS}/libwasmedgePluginText.so: file too short"),
        ("../Arithmetic", "is not the name of a plugin"),
    ):
        container = annotated(wasm_bundle("exit3"), plugins=name)
        assert words in crunw.create(container).error()
        assert cgroup_directories() == []


def test_a_node_without_plugins(crunw, wasm_bundle, configuration):
    container = annotated(wasm_bundle("exit3"), plugins="WasiNN")
    no_plugins = (
        "annotations.run.oci.wasm.plugins: this node has none: /etc/crunw/crunw.toml has no "
        "plugins.directory"
    )
    assert crunw.create(container).error() == no_plugins
    configuration.write_text('[aot]\npolicy = "off"\n')
    assert crunw.create(container).error() == no_plugins
    for text, words in (
        ('[plugins]\ndirectory = "plugins"\n', "plugins.directory: 'plugins' is not an absolute"),
        ("[plugins]\ndirectory = 1\n", "plugins.directory: 1 is not an absolute path"),
        ("[plugins]\npath = 1\n", "unknown key plugins.path"),
        ("plugins = 1\n", "plugins is not a table"),
    ):
        configuration.write_text(text)
        assert words in crunw.create(container).error()


# --- Refused and shown ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "value"),
    [("time-limit", "soon"), ("time_limit", "1s"), ("preopens", "/data:data"), ("plugins", "/x")],
)
def test_bad_annotations(crunw, wasm_bundle, bundle, name, value):
    container = annotated(wasm_bundle("exit3"), **{name: value})
    key = f"run.oci.wasm.{name}"
    container.config["annotations"] = {key: value}
    container.write()
    for verb in ("create", "run"):
        error = crunw(verb, "--bundle", container.path, container.id).error()
        assert error.startswith(f"annotations.{key}: ")
    assert crunw("plan", "--bundle", container.path).error().startswith(f"annotations.{key}: ")
    assert crunw.status(container) == ""
    assert cgroup_directories() == []
    # A pod's annotations reach its native containers as well.
    assert crunw.run(bundle("true").change(annotations={key: value})).ok() == ""


def test_the_plan_shows_it(crunw, module, plugins):
    wants = {
        "preopens": "data:/srv:ro", "statistics": "true", "time-limit": "2s", "function": "_start",
        "instruction-limit": "7", "memory-pages": "5", "plugins": "Arithmetic",
    }  # fmt: skip
    container = module("sleep", wants=wants)
    plan = json.loads(crunw("plan", "--format", "json", "--bundle", container.path).ok())
    steps = {step.pop("op"): step for step in plan["steps"]}
    assert steps["engine_plugin"] == {"path": f"{PLUGINS}/libwasmedgePluginArithmetic.so"}
    assert steps["engine_counters"]["path"].endswith("/counters")
    assert steps["preopen_readonly"] == {"index": 1, "path": "/srv"}
    assert steps["wasm_limits"] == {
        "memory_pages": 5, "initial_pages": 5, "instructions": 7, "count": 1, "milliseconds": 2000,
    }  # fmt: skip
    assert steps["wasm_load"]["function"] == "_start"
