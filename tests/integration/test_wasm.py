"""WebAssembly containers through the real program: detection, WASI, endings, exec."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
from pathlib import Path

import pytest
from support.aot import all_below, read
from support.commands import wait_for
from support.containers import (
    Bundle,
    Runtime,
    assert_ended_at_once,
    cgroup_directories,
    host_id,
)

PROPOSALS = [
    "bulk_memory", "exceptions", "exceptions_legacy", "extended_const", "gc", "multi_memory",
    "multi_value", "reference_types", "relaxed_simd", "sign_extension", "simd", "tail_call",
    "threads",
]  # fmt: skip


def controllers() -> list[str]:
    """The controllers of cgroup v2, where that is mounted alone."""
    path = Path("/sys/fs/cgroup/cgroup.controllers")
    return path.read_text().split() if path.exists() else []


def workload(crunw: Runtime, container: Bundle) -> str:
    """``wasm`` or ``native``, as the plan says."""
    plan = crunw("plan", "--format", "json", "--bundle", container.path).ok()
    return json.loads(plan)["workload"]["kind"]


# --- How it ends ----------------------------------------------------------------------------------


def test_hello(crunw, wasm_bundle):
    assert crunw.run(wasm_bundle("hello")).ok() == "Hello from WebAssembly\n"


@pytest.mark.parametrize(
    ("module", "status", "reason"),
    [
        ("return", 0, ""),
        ("exit3", 3, ""),
        ("trap", 134, "unreachable"),
        ("exception_uncaught", 134, "exception"),
    ],
)
def test_exit_status(crunw, wasm_bundle, module, status, reason):
    result = crunw.run(wasm_bundle(module))
    assert (result.status, result.out) == (status, "")
    if reason:
        [line] = result.err.splitlines()
        assert line.startswith("crunw: ")
        assert reason in line.lower()
    else:
        assert result.err == ""


@pytest.mark.parametrize("module", ["sleep", "loop"])
@pytest.mark.parametrize("name", ["TERM", "INT", "HUP", "QUIT", "KILL"])
def test_signals_end_it_at_once(crunw, wasm_bundle, module, name):
    container = wasm_bundle(module)
    assert assert_ended_at_once(crunw, container, name) == ""


@pytest.mark.parametrize("module", PROPOSALS)
def test_proposal(crunw, wasm_bundle, module):
    assert crunw.run(wasm_bundle(module)).ok() == ""


def test_start_section_runs_at_start_not_at_create(crunw, wasm_bundle, tmp_path):
    container = wasm_bundle("start_section")
    with open(tmp_path / "out", "w+", encoding="ascii") as out:
        command = crunw.command("create", "--bundle", container.path, container.id)
        subprocess.run(command, stdout=out, check=True)
        assert (tmp_path / "out").read_text() == ""
        crunw("start", container.id).ok()
        crunw.wait_status(container, "stopped")
        assert (tmp_path / "out").read_text() == "start\n"


# --- What can't be loaded -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("module", "words"),
    [
        ("truncated", ["truncated"]),
        ("component", ["component", "wasi:cli/run"]),
        ("version2", ["version"]),
        ("imports", ["missing", "no_such_call"]),
        ("import_type", ["incompatible import type"]),
        ("invalid", ["not valid"]),
        ("header", ["_start"]),
        ("library", ["_start"]),
        ("section255", ["parsed"]),
        ("length", ["truncated"]),
    ],
)
def test_module_that_can_not_be_loaded(crunw, wasm_bundle, module, words):
    container = wasm_bundle(module)
    error = crunw.create(container).error()
    assert error.startswith(f"load /{module}.wasm: ")
    assert all(word in error for word in words), error
    assert crunw.status(container) == ""
    assert cgroup_directories() == []


@pytest.mark.parametrize(
    ("module", "words"),
    [
        ("empty", ["empty"]),
        ("text", ["WebAssembly text"]),
        ("magic", ["not a WebAssembly module"]),
        ("script", ["not a WebAssembly module"]),
    ],
)
def test_no_module_at_all(crunw, wasm_bundle, module, words):
    """Asked for by annotation, for it has no magic bytes."""
    container = wasm_bundle(module, annotations={"run.oci.handler": "wasm"})
    error = crunw.create(container).error()
    assert all(word in error for word in words), error


def test_native_program_as_wasm(crunw, bundle):
    container = bundle("/bin/true")
    container.config["annotations"]["module.wasm.image/variant"] = "compat"
    container.write()
    assert "native code (ELF)" in crunw.create(container).error()


def test_missing_module_as_wasm(crunw, wasm_bundle):
    container = wasm_bundle("hello", annotations={"run.oci.handler": "wasm"})
    container.change(process__args=["/nothing.wasm"])
    assert "/nothing.wasm: No such file or directory" in crunw.create(container).error()


# --- Detection ------------------------------------------------------------------------------------

HANDLER = "run.oci.handler"
VARIANT = "module.wasm.image/variant"
CONTAINERD = "io.kubernetes.cri.container-type"
CRIO = "io.kubernetes.cri-o.ContainerType"


@pytest.mark.parametrize(
    "annotations",
    [
        {},
        {HANDLER: "wasm"},
        {HANDLER: "wasmedge"},
        {HANDLER: "wasm-smart"},
        {HANDLER: "wasmedge-smart"},
        {VARIANT: "compat"},
        {VARIANT: "compat-smart"},
        {VARIANT: "compat", CONTAINERD: "container"},
        {VARIANT: "something-else"},
    ],
)
def test_annotations_of_a_module(crunw, wasm_bundle, annotations):
    assert crunw.run(wasm_bundle("exit3", annotations=annotations)).status == 3


@pytest.mark.parametrize(
    "annotations",
    [
        {},
        {HANDLER: "wasm-smart"},
        {HANDLER: "wasmedge-smart"},
        {VARIANT: "compat-smart"},
        {VARIANT: "compat-smart", CONTAINERD: "container"},
        {VARIANT: "compat-smart", CRIO: "container"},
        {HANDLER: "wasm", CONTAINERD: "container"},
        {HANDLER: "wasm", CRIO: "container"},
        {VARIANT: "compat", CONTAINERD: "sandbox"},
        {VARIANT: "compat", CRIO: "sandbox"},
    ],
)
@pytest.mark.parametrize("program", ["/bin/sh", "/script"])
def test_sidecars_stay_native(crunw, bundle, annotations, program):
    container = bundle(program, *(["-c", "echo native"] if program == "/bin/sh" else []))
    (container.rootfs / "script").write_text("#!/bin/sh\necho native\n")
    (container.rootfs / "script").chmod(0o755)
    assert crunw.run(container.change(annotations=annotations)).ok() == "native\n"


def test_detection_through_links_and_without_suffix_or_mode(crunw, wasm_bundle):
    container = wasm_bundle("exit3")
    module = container.rootfs / "exit3.wasm"
    module.chmod(0o444)
    (container.rootfs / "link").symlink_to("/other")
    (container.rootfs / "other").symlink_to("../../exit3.wasm")
    assert crunw.run(container.change(process__args=["/link"])).status == 3


def test_detection_by_path(crunw, wasm_bundle):
    container = wasm_bundle("files", "args")
    (container.rootfs / "opt").mkdir()
    (container.rootfs / "files.wasm").rename(container.rootfs / "opt" / "files")
    container.change(process__args=["files", "args"], process__env=["PATH=/bin:/opt"])
    assert crunw.run(container).ok() == "files\nargs\n"


@pytest.mark.parametrize("name", ["files.wasm", "./files.wasm", "../opt/files.wasm"])
def test_detection_in_the_working_directory(crunw, wasm_bundle, name):
    container = wasm_bundle("files")
    (container.rootfs / "opt").mkdir()
    (container.rootfs / "files.wasm").rename(container.rootfs / "opt" / "files.wasm")
    container.change(process__args=[name, "args"], process__cwd="/opt")
    assert crunw.run(container).ok() == f"{name}\nargs\n"


def test_detection_below_a_bind_mount(crunw, wasm_bundle, modules):
    container = wasm_bundle("hello", process__args=["/modules/exit3.wasm"])
    container.config["mounts"].append(
        {"destination": "/modules", "source": str(modules), "options": ["bind", "ro"]}
    )
    assert crunw.run(container.write()).status == 3


def test_the_plan_says_why(crunw, wasm_bundle, bundle):
    assert workload(crunw, wasm_bundle("hello")) == "wasm"
    assert workload(crunw, bundle("true")) == "native"


# --- WASI -----------------------------------------------------------------------------------------


def test_wasi_main(crunw, wasm_bundle):
    out = crunw.run(wasm_bundle("wasi_example_main", "50000000")).ok()
    assert [int(number) for number in re.findall(r"^Test (\d):", out, re.MULTILINE)] == [
        *range(1, 8)
    ]
    assert "\n/wasi_example_main.wasm\n50000000\n" in out
    assert "File content is This is in a file" in out


def test_args_are_exact(crunw, wasm_bundle):
    words = ["args", "a b", "", "*", "é", "--", "-v", "\\n'\""]
    assert crunw.run(wasm_bundle("files", *words)).ok().split("\n") == [
        "/files.wasm", *words, "",
    ]  # fmt: skip


def test_environment_is_exact(crunw, wasm_bundle):
    env = ["HOME=/", "A=b", "EMPTY=", "SPACE=a b", "EQUALS=a=b=c", "UTF8=é"]
    container = wasm_bundle("files", "env", process__env=env)
    assert crunw.run(container).ok().splitlines() == env


def test_stdin(crunw, wasm_bundle):
    text = "line\n" * 20000
    assert crunw.run(wasm_bundle("files", "cat"), stdin=text).ok() == text


def test_working_directory(crunw, wasm_bundle):
    container = wasm_bundle("files", "read", "file", "./file", "/data/file", "/etc/other")
    for path, text in (("data/file", "data\n"), ("etc/other", "other\n")):
        (container.rootfs / path).parent.mkdir()
        (container.rootfs / path).write_text(text)
    container.change(process__cwd="/data")
    assert crunw.run(container).ok() == "data\ndata\ndata\nother\n"


def test_relative_writes_go_to_the_working_directory(crunw, wasm_bundle):
    container = wasm_bundle("files", "write", "new", process__cwd="/made/for/it")
    crunw.run(container).ok()
    assert (container.rootfs / "made" / "for" / "it" / "new").read_text() == "written\n"


def test_read_only_root(crunw, wasm_bundle):
    container = wasm_bundle("files", "write", "/new", root__readonly=True)
    result = crunw.run(container)
    assert (result.status, result.out) == (1, "/new: Read-only file system\n")


def test_mounts_and_their_flags(crunw, wasm_bundle, tmp_path):
    container = wasm_bundle("files", "write", "/ro/f", "/rw/f")
    for name in ("ro", "rw"):
        (tmp_path / name).mkdir()
        container.config["mounts"].append(
            {"destination": f"/{name}", "source": str(tmp_path / name), "options": ["bind", name]}
        )
    result = crunw.run(container.write())
    assert (result.status, result.out) == (1, "/ro/f: Read-only file system\n")
    assert (tmp_path / "rw" / "f").read_text() == "written\n"


def test_user(crunw, wasm_bundle):
    container = wasm_bundle("files", "write", "/open/new", "/closed/new")
    for name, mode in (("open", 0o777), ("closed", 0o755)):
        (container.rootfs / name).mkdir()
        (container.rootfs / name).chmod(mode)
    container.change(process__user={"uid": 1000, "gid": 1001})
    result = crunw.run(container)
    assert (result.status, result.out) == (1, "/closed/new: Permission denied\n")
    status = (container.rootfs / "open" / "new").stat()
    assert (status.st_uid, status.st_gid) == (host_id(1000), host_id(1001))


def test_no_way_out_of_the_root(crunw, wasm_bundle, tmp_path):
    (tmp_path / "secret").write_text("secret\n")
    paths = [f"/{'../' * 30}{tmp_path}/secret", f"/link{tmp_path}/secret", "/proc/1/root/secret"]
    paths += [f"/proc/self/fd/{number}/{tmp_path}/secret" for number in range(12)]
    container = wasm_bundle("files", "read", *paths)
    (container.rootfs / "link").symlink_to("/")
    result = crunw.run(container)
    assert result.status == 1
    assert "secret\n" not in [
        line for line in result.out.splitlines(keepends=True) if ":" not in line
    ]


@pytest.mark.skipif(
    not os.path.isdir("/sys/fs/cgroup/memory") and "memory" not in controllers(),
    reason="no memory controller",
)
def test_the_memory_limit_holds(crunw, wasm_bundle):
    container = wasm_bundle("recursion", linux__resources={"memory": {"limit": 32 << 20}})
    assert crunw.run(container).status == 137


def test_a_filter_of_rules(crunw, wasm_bundle):
    """Loaded before the module, and in force while it runs."""
    rules = [{"names": ["openat", "openat2"], "action": "SCMP_ACT_ERRNO", "errnoRet": 13}]
    container = wasm_bundle("files", "write", "/new")
    container.change(linux__seccomp={"defaultAction": "SCMP_ACT_ALLOW", "syscalls": rules})
    assert "Permission denied" in crunw.create(container).error()
    rules[0]["names"] = ["mount", "unlinkat"]
    assert crunw.run(container.write()).ok() == ""


def test_nothing_of_the_runtime_is_in_the_process(crunw, wasm_bundle):
    """No descriptor but the standard ones and the preopen, no interpreter, no LLVM."""
    container = wasm_bundle("pause")
    crunw.run(container, "--detach").ok()
    pid = crunw.state(container)["pid"]
    targets = [os.readlink(f"/proc/{pid}/fd/{number}") for number in os.listdir(f"/proc/{pid}/fd")]
    assert len([target for target in targets if not target.startswith("anon_inode:")]) == 4
    assert "/" in targets
    with open(f"/proc/{pid}/maps", encoding="utf-8") as file:
        maps = file.read()
    assert "libwasmedge" in maps
    assert "bin/python" not in maps
    assert "libpython" not in maps
    assert "libLLVM.so.19" not in maps


# --- exec -----------------------------------------------------------------------------------------


def test_exec_of_another_module(crunw, wasm_bundle, modules):
    container = wasm_bundle("sleep")
    for name in ("files", "exit3", "trap"):
        os.link(modules / f"{name}.wasm", container.rootfs / f"{name}.wasm")
    (container.rootfs / "tmp").mkdir()
    crunw.start(container)
    assert crunw("exec", container.id, "/files.wasm", "args", "x").ok() == "/files.wasm\nargs\nx\n"
    assert crunw("exec", container.id, "/exit3.wasm").status == 3
    assert crunw("exec", container.id, "/trap.wasm").status == 134
    assert crunw("exec", "--cwd", "/tmp", container.id, "/files.wasm", "write", "f").ok() == ""
    assert (container.rootfs / "tmp" / "f").read_text() == "written\n"
    assert crunw("exec", container.id, "/files.wasm", "cat", stdin="in").ok() == "in"


def test_exec_of_a_native_program_in_a_wasm_container(crunw, wasm_bundle, busybox):
    container = wasm_bundle("sleep")
    os.link(busybox, container.rootfs / "busybox")
    crunw.start(container)
    out = crunw("exec", container.id, "/busybox", "sh", "-c", "echo $$ native; exit 4")
    assert out.status == 4
    assert out.out.endswith(" native\n")


def test_exec_of_a_module_in_a_native_container(crunw, bundle, modules):
    container = bundle("sleep", "1000")
    os.link(modules / "files.wasm", container.rootfs / "files.wasm")
    crunw.start(container)
    assert crunw("exec", "-e", "A=b", container.id, "/files.wasm", "env").ok().count("A=b\n") == 1


def test_exec_of_a_module_ends_by_term(crunw, wasm_bundle):
    container = crunw.start(wasm_bundle("sleep"))
    with crunw.spawn("exec", container.id, "/sleep.wasm") as process:
        wait_for(
            lambda: any(
                read(f"/proc/{pid}/cmdline")[:11] == b"/sleep.wasm"
                for pid in all_below(process.pid)
            )
        )
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 143
    assert crunw.status(container) == "running"


def test_exec_of_a_bad_module(crunw, wasm_bundle, modules):
    container = wasm_bundle("sleep")
    os.link(modules / "component.wasm", container.rootfs / "component.wasm")
    crunw.start(container)
    assert "component" in crunw("exec", container.id, "/component.wasm").error(255)


# --- What is not a module -------------------------------------------------------------------------

NOT_MODULES = [
    (b"", "the file is empty, not a WebAssembly module"),
    (b"(module)", "this is not a WebAssembly module, but WebAssembly text: make a module of it"),
    (b"\x1f\x8b\x08\0", "this is not a WebAssembly module, but compressed with gzip"),
    (b"<!DOCTYPE html>", "this is not a WebAssembly module, but HTML or XML"),
    (b"BC\xc0\xde", "this is not a WebAssembly module, but LLVM bitcode"),
    (b"version https://git-lfs.github.com/spec/v1\n", "a pointer of Git LFS"),
    (b"\0asm\1\0", "the module is truncated: 6 bytes"),
    (b"hello", "this is not a WebAssembly module: it does not start with \\0asm"),
]


@pytest.mark.parametrize(("content", "problem"), NOT_MODULES)
def test_a_file_with_the_name_of_a_module_says_what_it_is(crunw, wasm_bundle, content, problem):
    """Its first bytes do not make it WebAssembly, and executed it would fail without a reason."""
    made = wasm_bundle("hello")
    (made.rootfs / "hello.wasm").unlink()
    (made.rootfs / "hello.wasm").write_bytes(content)
    error = crunw.run(made).error()
    assert error.startswith("load /hello.wasm: ")
    assert problem in error


def test_a_script_with_the_name_of_a_module_is_a_script(crunw, bundle):
    made = bundle("/app.wasm")
    (made.rootfs / "app.wasm").write_text("#!/bin/sh\necho script\n")
    (made.rootfs / "app.wasm").chmod(0o755)
    assert crunw.run(made).ok() == "script\n"


def test_a_module_in_an_overlay(crunw, wasm_bundle):
    """Images as volumes of Kubernetes are mounts of this type."""
    if os.geteuid():
        pytest.skip("needs root, to mount an overlay of any kind")
    made = wasm_bundle("hello")
    for name in ("lower", "middle"):
        (made.path / name).mkdir()
    (made.rootfs / "hello.wasm").rename(made.path / "lower/hello.wasm")
    layers = f"lowerdir={made.path}/middle:{made.path}/lower"
    mount = {
        "destination": "/volume", "type": "overlay", "source": "overlay", "options": ["ro", layers],
    }  # fmt: skip
    made.config["mounts"].append(mount)
    made.process["args"] = ["/volume/hello.wasm"]
    assert crunw.run(made.write()).ok() == "Hello from WebAssembly\n"
