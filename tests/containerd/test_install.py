"""containerd with a configuration that ``crunw install containerd`` has changed."""

from __future__ import annotations

import subprocess

from containerd.node import HERE, Containerd, wait_for
from containerd.test_cri import Pod

# Where the test configuration goes on with what install adds.
RUNTIMES = '  [plugins."io.containerd.grpc.v1.cri".containerd]\n'


def test_installed_runtime_runs_pods(tmp_path, archives):
    etc = tmp_path / "etc"
    (etc / "containerd").mkdir(parents=True)
    config = etc / "containerd" / "config.toml"
    kept, runtimes, _ = (HERE / "config.toml").read_text().partition(RUNTIMES)
    assert runtimes
    config.write_text(kept)
    command = ["crunw", "install", "containerd", "--default", "--etc", etc]
    subprocess.run(command, check=True, capture_output=True)

    (tmp_path / "node").mkdir()
    containerd = Containerd(tmp_path / "node", config.read_text())
    try:
        containerd.start()
        containerd.load(archives)
        pod = Pod(containerd, tmp_path)
        module = pod.start("hello-c", "module")
        assert pod.end(module) == 0
        assert pod.logs(module) == "Hello from WebAssembly"
        containerd.clear()
        wait_for(lambda: not containerd.leftovers(), "nothing is left")
    finally:
        containerd.stop()

    subprocess.run([*command[:3], "--uninstall", "--etc", etc], check=True, capture_output=True)
    assert config.read_text() == kept
