"""Pods of WebAssembly and native containers under a real kubelet, either engine and crunw."""

from __future__ import annotations

import time

import pytest
from support.commands import PROJECT, wait_for

pytestmark = pytest.mark.slow


def test_mixed_pod_of_the_examples(kubelet):
    """Ready by its probe; logs and exec of both containers."""
    text = (PROJECT / "deploy" / "examples" / "mixed-pod.yaml").read_text()
    # A kubelet without an API server knows no RuntimeClass; crunw is the default here.
    kubelet.put("mixed", text.replace("  runtimeClassName: crunw\n", ""))
    wait_for(lambda: kubelet.container("mixed", "server").get("ready"), "the readiness probe")
    wait_for(lambda: kubelet.container("mixed", "client").get("ready"), "the client")
    assert kubelet.pods()["mixed"]["status"]["phase"] == "Running"
    wait_for(lambda: kubelet.logs("mixed", "client"), "the client's answer")
    assert kubelet.logs("mixed", "client") == "Hello from WebAssembly: /mixed\n"
    requests = kubelet.logs("mixed", "server").splitlines()
    assert requests[0] == "listening on port 1234"
    assert {"GET /ready", "GET /mixed"} <= set(requests)
    assert kubelet.exec("mixed", "client", "echo native") == "native\n"
    with pytest.raises(AssertionError, match=r"exited with 1: .*InvalidDigit"):
        kubelet.exec("mixed", "server", "/http_server.wasm no-number")


def test_restart_of_what_fails(kubelet):
    command = ["/http_client.wasm", "127.0.0.1:1"]
    kubelet.run("failing", {"name": "client", "image": "http-client", "command": command})
    wait_for(lambda: kubelet.container("failing", "client").get("restartCount"), "a restart")
    last = kubelet.container("failing", "client")["lastState"]["terminated"]
    assert (last["exitCode"], last["reason"]) == (1, "Error")


def test_end_of_what_succeeds(kubelet):
    hello = {"name": "hello", "image": "hello-c"}
    kubelet.run("hello", hello, restartPolicy="Never")
    wait_for(lambda: kubelet.container("hello", "hello").get("state", {}).get("terminated"), "it")
    assert kubelet.container("hello", "hello")["state"]["terminated"]["reason"] == "Completed"
    assert kubelet.logs("hello", "hello") == "Hello from WebAssembly\n"


def test_liveness_probe_that_fails(kubelet):
    """TERM stops the module at once, long before its grace period is over; it is restarted."""
    probe = {"tcpSocket": {"port": 1}, "periodSeconds": 1, "failureThreshold": 1}
    server = {"name": "server", "image": "http-server", "livenessProbe": probe}
    kubelet.run("dead", server, terminationGracePeriodSeconds=30)
    wait_for(lambda: kubelet.container("dead", "server").get("restartCount"), "a restart")
    assert kubelet.container("dead", "server")["lastState"]["terminated"]["exitCode"] == 143


def test_readiness_probe_that_fails(kubelet):
    probe = {"httpGet": {"port": 1, "path": "/"}, "periodSeconds": 1}
    server = {"name": "server", "image": "http-server", "readinessProbe": probe}
    kubelet.run("unready", server)
    wait_for(lambda: kubelet.container("unready", "server").get("started"), "the start")
    time.sleep(2)
    status = kubelet.container("unready", "server")
    assert (status["ready"], status["restartCount"]) == (False, 0)


def test_termination(kubelet):
    """From the manifest's removal until no container runs: no wait for the grace period.

    The fastest of three counts, since the machine may be busy with something else.
    """
    assert min(seconds_to_end(kubelet) for _ in range(3)) < 1


def seconds_to_end(kubelet) -> float:
    path = kubelet.run(
        "ending",
        {"name": "server", "image": "http-server"},
        {"name": "pause", "image": "wasm-pause"},
        terminationGracePeriodSeconds=30,
    )
    wait_for(lambda: kubelet.container("ending", "pause").get("ready"), "the pod")
    started = time.monotonic()
    path.unlink()
    wait_for(lambda: not kubelet.engine.running(), "the pod's end")
    elapsed = time.monotonic() - started
    wait_for(lambda: "ending" not in kubelet.pods(), "the kubelet's forgetting it")
    return elapsed
