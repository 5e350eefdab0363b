"""``ctr run --runc-binary crunw``: containers as containerd's shim runs them."""

from __future__ import annotations

import json
import shutil
import subprocess

import pytest
from support.commands import run, wait_for


def test_module(containerd):
    assert containerd.run("hello-c", "hello").text() == "Hello from WebAssembly"


def test_arguments_and_environment(containerd):
    words = ("/wasi_example_main.wasm", "50000000")
    output = containerd.run("wasi-main", "main", *words, options=("--env", "KEY=value")).text()
    lines = output.splitlines()
    arguments = lines.index("The args are as follows.")
    assert "KEY: value" in lines[:arguments]
    assert lines[arguments + 1 : arguments + 3] == ["/wasi_example_main.wasm", "50000000"]
    assert "File content is This is in a file" in lines


def test_native_program(containerd):
    result = containerd.run("busybox", "native", "sh", "-c", "echo out; echo err >&2; exit 7")
    assert (result.status, result.out, result.err) == (7, "out\n", "err\n")


def test_annotation_for_all_leaves_native_programs_alone(containerd):
    options = ("--annotation", "module.wasm.image/variant=compat-smart")
    assert containerd.run("busybox", "smart", "echo", "native", options=options).text() == "native"
    assert containerd.run("hello-c", "smart", options=options).text() == "Hello from WebAssembly"


def test_what_is_no_module(containerd):
    options = ("--annotation", "run.oci.handler=wasm")
    result = containerd.run("busybox", "forced", "echo", options=options)
    assert result.status == 1
    assert "OCI runtime create failed: " in result.err
    assert "WebAssembly" in result.err


def test_program_that_is_missing(containerd):
    result = containerd.run("hello-c", "missing", "/no-such.wasm")
    assert result.status == 1
    assert "/no-such.wasm: no such file or directory" in result.err


def test_memory_limit(containerd):
    limit = ("--memory-limit", "67108864")
    containerd.detach("wasm-pause", "limited", options=limit)
    metrics = json.loads(containerd.ctr("task", "metrics", "--format", "json", "limited").text())
    assert metrics["memory"]["usage"]["limit"] == 67108864
    assert 0 < metrics["memory"]["usage"]["usage"] < 16 << 20
    containerd.remove("limited")


def test_kill_is_the_end_of_a_module(containerd):
    for signal, status in (("SIGTERM", 143), ("SIGKILL", 137)):
        name = signal.lower()
        command = containerd.ctr_command("run", "--rm", *containerd.run_options())
        process = subprocess.Popen(
            [*command, "localhost/wasm-pause:latest", name],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        wait_for(lambda name=name: containerd.status(name) == "RUNNING", "the module runs")
        containerd.ctr("task", "kill", "--signal", signal, name).text()
        _, errors = process.communicate(timeout=5)
        assert (process.returncode, errors) == (status, b"")


def test_exec(containerd):
    """Into a native container and into a WebAssembly one, each with an exit status."""
    containerd.detach("busybox", "box", "sleep", "1000")
    script = "echo in the container; exit 3"
    native = containerd.ctr("task", "exec", "--exec-id", "n", "box", "sh", "-c", script)
    assert (native.status, native.out) == (3, "in the container\n")
    containerd.remove("box")

    containerd.detach("wasm-pause", "idle")
    command = containerd.ctr_command("task", "exec", "--exec-id", "second", "idle", "/pause.wasm")
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
    wait_for(lambda: "second" in containerd.ctr("task", "ps", "idle").out, "the second module runs")
    containerd.ctr("task", "kill", "--exec-id", "second", "idle").text()
    assert process.communicate(timeout=5) == (None, b"")
    assert process.returncode == 143
    assert containerd.status("idle") == "RUNNING"
    containerd.remove("idle")


def test_events_tell_the_exit_status(containerd):
    events = subprocess.Popen(containerd.ctr_command("events"), stdout=subprocess.PIPE, text=True)
    containerd.detach("wasm-pause", "watched")
    containerd.ctr("task", "kill", "watched").text()
    wait_for(lambda: containerd.status("watched") == "STOPPED", "the module has ended")
    containerd.remove("watched")
    told = {}
    while "/containers/delete" not in told:
        *_, topic, body = events.stdout.readline().split(" ", 6)
        told[topic] = json.loads(body)
    events.terminate()
    events.communicate()
    assert {"/tasks/create", "/tasks/start", "/tasks/exit", "/tasks/delete"} <= set(told)
    assert told["/tasks/exit"]["exit_status"] == 143


def test_terminal(containerd):
    words = ("run", "--rm", "--tty", *containerd.run_options())
    image = "localhost/busybox:latest"
    command = " ".join(containerd.ctr_command(*words, image, "terminal", "tty"))
    assert "/dev/pts/0" in run(["script", "-qec", command, "/dev/null"]).text()


@pytest.mark.skipif(not shutil.which("criu"), reason="criu is not installed")
def test_checkpoint_and_restore(containerd):
    """What has counted goes on in a container made of the checkpoint, which is an image."""

    def counted(name: str) -> int:
        found = containerd.ctr("task", "exec", "--exec-id", "read", name, "cat", "/count")
        return int(found.out or 0)

    script = "i=0; while :; do i=$((i+1)); echo $i >/count; sleep 0.1; done"
    containerd.detach("busybox", "counter", "sh", "-c", script)
    wait_for(lambda: counted("counter") > 2, "a count beyond 2")
    checkpoint = "localhost/checkpoint:latest"
    words = ("containers", "checkpoint", "--rw", "--image", "--task", "counter", checkpoint)
    containerd.ctr(*words).text()
    assert containerd.status("counter") == "RUNNING"
    reached = counted("counter")
    containerd.remove("counter")
    containerd.ctr("containers", "restore", "--rw", "--live", "twin", checkpoint).text()
    wait_for(lambda: counted("twin") > reached, "the count goes on")
    containerd.remove("twin")
