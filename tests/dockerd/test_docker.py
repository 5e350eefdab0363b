"""``docker run --runtime crunw``: the commands of docs/docker.md."""

from __future__ import annotations

import json
import re
import shutil
import subprocess

from support import warm
from support.commands import PROJECT, wait_for

GREETING = "Hello from WebAssembly"


def test_module_and_native_program(docker):
    assert docker.run("localhost/hello-c").text() == GREETING
    assert docker.run("localhost/busybox", "uname", "-s").text() == "Linux"
    result = docker.run("localhost/busybox", "sh", "-c", "echo out; echo err >&2; exit 7")
    assert (result.status, result.out, result.err) == (7, "out\n", "err\n")


def test_arguments_environment_and_hostname(docker):
    words = ("localhost/wasi-main", "/wasi_example_main.wasm", "50000000")
    lines = docker.run("--env", "KEY=value", "--hostname", "box", *words).text().splitlines()
    arguments = lines.index("The args are as follows.")
    assert {"KEY: value", "HOSTNAME: box"} <= set(lines[:arguments])
    assert lines[arguments + 1 : arguments + 3] == ["/wasi_example_main.wasm", "50000000"]
    assert "File content is This is in a file" in lines


def test_options_bind_a_module(docker):
    words = ("localhost/wasi-main", "/wasi_example_main.wasm")
    read_only = docker.run("--read-only", *words)
    assert read_only.status == 1
    assert "Read-only file system" in read_only.err
    assert docker.run("--user", "1000:1000", "--cap-drop", "ALL", *words).status == 1


def test_volume(docker):
    modules = PROJECT / "build" / "examples"
    volume = ("--volume", f"{modules}:/modules:ro", "localhost/busybox")
    assert docker.run(*volume, "/modules/hello.wasm").text() == GREETING


def test_exit_status_of_what_cannot_run(docker):
    """As Docker has it for any runtime: 127 what is missing, 126 what can't be executed."""
    missing = docker.run("localhost/hello-c", "/no-such.wasm")
    assert missing.status == 127
    assert "exec /no-such.wasm: no such file or directory" in missing.err
    assert docker.run("localhost/busybox", "no-such-command").status == 127
    assert docker.run("localhost/busybox", "/etc").status == 126


def test_exit_status_of_modules(docker, modules):
    image = ("--volume", f"{modules}:/modules:ro", "localhost/busybox")
    assert docker.run(*image, "/modules/exit3.wasm").status == 3
    trap = docker.run(*image, "/modules/trap.wasm")
    assert trap.status == 134
    assert trap.err.startswith("crunw: trap: ")
    assert docker.run(*image, "/modules/invalid.wasm").status == 125


def test_stop(docker):
    """TERM is the module's end, long before Docker would send KILL."""
    docker.detach("idle", "localhost/wasm-pause")
    assert docker.inspect("idle", ".HostConfig.Runtime") == "crunw"
    docker("stop", "--time", "50", "idle").text()
    assert docker.inspect("idle", ".State.ExitCode") == 143
    docker("start", "idle").text()
    docker("kill", "idle").text()
    wait_for(lambda: docker.inspect("idle", ".State.Status") == "exited", "the container's end")
    assert docker.inspect("idle", ".State.ExitCode") == 137


def test_exec(docker):
    docker.detach(
        "box",
        "--volume",
        f"{PROJECT}/build/examples:/modules:ro",
        "localhost/busybox",
        "sleep",
        "1000",
    )
    docker.detach("idle", "localhost/wasm-pause")
    assert docker("exec", "box", "/modules/hello.wasm").text() == GREETING
    assert docker("exec", "box", "echo", "native").text() == "native"
    assert docker("exec", "box", "sh", "-c", "exit 5").status == 5
    docker("exec", "--detach", "idle", "/pause.wasm").text()
    wait_for(lambda: len(docker("top", "idle").text().splitlines()) == 3, "the second module")


def test_terminal(docker):
    shown = docker.at_terminal("-t", "localhost/hello-c")
    assert shown == (0, f"{GREETING}\n")
    assert docker.at_terminal("-it", "localhost/busybox", "tty") == (0, "/dev/pts/0\n")


def test_server(docker):
    docker.detach("server", "--memory", "64m", "localhost/http-server")
    wait_for(lambda: docker("logs", "server").text(), "the server listens")
    fetch = ("localhost/busybox", "wget", "-q", "-O", "-")
    beside = docker.run("--network", "container:server", *fetch, "http://127.0.0.1:1234/beside")
    assert beside.text() == f"{GREETING}: /beside"
    address = docker.inspect("server", ".NetworkSettings.IPAddress")
    module = docker.run("localhost/http-client", f"{address}:1234", "/bridge")
    assert module.text() == f"{GREETING}: /bridge"
    assert docker("logs", "server").text() == "listening on port 1234\nGET /beside\nGET /bridge"
    usage = docker("stats", "--no-stream", "--format", "{{.MemUsage}}", "server").text()
    assert re.fullmatch(r"[\d.]+[KM]iB / 64MiB", usage)


def test_pause_and_update(docker):
    docker.detach("idle", "--memory", "64m", "localhost/wasm-pause")
    docker("pause", "idle").text()
    assert docker.inspect("idle", ".State.Status") == "paused"
    docker("unpause", "idle").text()
    docker("update", "--memory", "32m", "--memory-swap", "32m", "idle").text()
    (limit,) = docker.files("idle", "memory", "memory.limit_in_bytes")
    assert limit.read_text() == f"{32 << 20}\n"


def test_restart_of_what_fails(docker):
    docker.detach("failing", "--restart", "on-failure:2", "localhost/http-client", "127.0.0.1:1")
    wait_for(lambda: docker.inspect("failing", ".RestartCount") == 2, "two restarts")
    wait_for(lambda: docker.inspect("failing", ".State.Status") == "exited", "the end")
    assert docker.inspect("failing", ".State.ExitCode") == 1


def test_annotations(docker):
    busybox = ("localhost/busybox", "echo", "native")
    smart = docker.run("--annotation", "module.wasm.image/variant=compat-smart", *busybox)
    assert smart.text() == "native"
    forced = docker.run("--annotation", "run.oci.handler=wasm", *busybox)
    assert forced.status == 125
    assert "this is not a WebAssembly module, but native code (ELF)" in forced.err


def test_init(docker):
    """Docker's init executes what it is given: a native program. A module needs no init."""
    assert docker.run("--init", "localhost/busybox", "echo", "native").text() == "native"


def test_privileged(docker):
    assert docker.run("--privileged", "localhost/busybox", "echo", "native").text() == "native"
    assert docker.run("--privileged", "localhost/hello-c").text() == GREETING


def test_image_that_docker_builds(docker, tmp_path):
    module = PROJECT / "build" / "examples" / "hello.wasm"
    (tmp_path / "hello.wasm").write_bytes(module.read_bytes())
    (tmp_path / "Dockerfile").write_text('FROM scratch\nCOPY hello.wasm /\nCMD ["/hello.wasm"]\n')
    docker("build", "--quiet", "--tag", "hello", str(tmp_path)).text()
    assert docker.run("hello").text() == GREETING


def doctor(docker) -> tuple[str, str]:
    """What ``crunw doctor`` says of a dockerd that has its configuration in /etc."""
    script = 'mount --bind "$1" /etc/docker && exec crunw doctor --format json'
    command = ["unshare", "--mount", "sh", "-c", script, "sh", docker.etc / "docker"]
    told = subprocess.check_output(command, env=docker.environment)
    (finding,) = [finding for finding in json.loads(told) if finding["check"] == "docker"]
    return finding["status"], finding["found"]


def test_doctor_asks_the_running_engine(docker):
    assert doctor(docker) == ("ok", f"has loaded the runtime crunw, {shutil.which('crunw')}")
    docker.install("--uninstall")
    docker.restart()
    assert doctor(docker) == ("info", "not set up for crunw")
    docker.install()
    status, found = doctor(docker)
    assert (status, found.endswith("; docker has not read it")) == ("warning", True), found
    docker.reload()
    wait_for(lambda: doctor(docker)[0] == "ok", "the reload")


def test_install_default_uninstall(docker):
    """A reload makes crunw the default; that there is none any more dockerd sees at its start."""
    assert docker.default_runtime() == "runc"
    docker.install("--default")
    docker.reload()
    wait_for(lambda: docker.default_runtime() == "crunw", "the default")
    assert docker("run", "--rm", "localhost/hello-c").text() == GREETING
    assert docker("run", "--rm", "localhost/busybox", "echo", "native").text() == "native"
    docker.install("--uninstall")
    docker.restart()
    assert docker.default_runtime() == "runc"
    unknown = docker.run("localhost/hello-c")
    assert unknown.status == 125
    assert "unknown or invalid runtime name: crunw" in unknown.err
    docker.install()
    docker.reload()
    wait_for(lambda: docker.run("localhost/hello-c").status == 0, "the runtime again")


def test_cache_warm(docker):
    """The first container of an image is compiled."""
    socket = {"DOCKER_HOST": docker.environment["DOCKER_HOST"]}
    with warm.empty_cache():
        warm.check_warm("docker", **socket)
        docker.detach("idle", "localhost/wasm-pause")
        assert warm.is_compiled(docker.inspect("idle", ".State.Pid"))
        docker.clear()
    warm.check_silent("docker", "docker daemon", DOCKER_HOST="unix:///none")
