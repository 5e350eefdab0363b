"""``crunw install``: the engines take what it writes."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support import aot
from support.commands import PATIENCE, Result

ETC = Path("/etc/containers")
GREETING = "Hello from WebAssembly\n"
RECIPE = "FROM scratch\nCOPY {0} /\nCMD {1}\n"
Podman = Callable[..., Result]


def install(*words: str) -> subprocess.CompletedProcess[str]:
    command = ["crunw", "install", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture
def podman(tmp_path: Path, modules: Path, busybox: Path) -> Iterator[Podman]:
    """podman that reads /etc/containers, which is a copy for this test alone; with some images."""
    copy = shutil.copytree(ETC, tmp_path / "etc", symlinks=True)
    aot.mount(ETC, "mode=755")
    shutil.copytree(copy, ETC, symlinks=True, dirs_exist_ok=True)
    storage = f'graphroot = "{tmp_path}/root"\nrunroot = "{tmp_path}/run"\n'
    (tmp_path / "storage.conf").write_text(f'[storage]\ndriver = "overlay"\n{storage}')
    environment = os.environ | {
        "CONTAINERS_STORAGE_CONF": str(tmp_path / "storage.conf"),
        "PODMAN_IGNORE_CGROUPSV1_WARNING": "1",
    }
    del environment["CONTAINERS_CONF_OVERRIDE"]

    def call(*words: str) -> Result:
        command = ["podman", "--cgroup-manager=cgroupfs", f"--tmpdir={tmp_path}/tmp", *words]
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, check=False, timeout=PATIENCE
        )
        return Result(done.returncode, done.stdout, done.stderr)

    context = tmp_path / "context"
    context.mkdir()
    shutil.copy(modules / "hello.wasm", context)
    shutil.copy(busybox, context)
    for name, file, command, *options in (
        ("hello", "hello.wasm", '["/hello.wasm"]'),
        ("box", "busybox", '["/busybox", "true"]'),
        ("wasi", "hello.wasm", '["/hello.wasm"]', "--platform=wasi/wasm"),
        ("wasip1", "hello.wasm", '["/hello.wasm"]', "--platform=wasip1/wasm"),
    ):
        build = ["buildah", "build", "--quiet", "--isolation=chroot", f"--tag=localhost/{name}"]
        subprocess.run(
            [*build, *options, "--file=-", context], input=RECIPE.format(file, command),
            env=environment, text=True, check=True, stdout=subprocess.DEVNULL,
        )  # fmt: skip
    yield call
    call("rm", "--all", "--force", "--time", "0").ok()
    if os.path.ismount(tmp_path / "root" / "overlay"):
        subprocess.run(["umount", "--lazy", tmp_path / "root" / "overlay"], check=True)
    subprocess.run(["umount", ETC], check=True)


def runtime(podman: Podman) -> str:
    """The runtime of containers that name none."""
    return podman("info", "--format", "{{.Host.OCIRuntime.Name}}").ok().strip()


@pytest.mark.podman
def test_podman(podman):
    """Both kinds, before, with and after what ``crunw install podman`` writes."""
    run = ("run", "--rm", "--network=none")
    before = runtime(podman)
    assert podman("--runtime=crunw", *run, "localhost/hello").status != 0
    assert install("podman").returncode == 0
    assert runtime(podman) == before
    assert podman("--runtime=crunw", *run, "localhost/hello").ok() == GREETING
    assert podman("--runtime=crunw", *run, "localhost/box").ok() == ""
    assert podman("--runtime=crunw", *run, "--cgroups=disabled", "localhost/box").ok() == ""
    missing = podman("--runtime=crunw", *run, "localhost/box", "/missing")
    assert (missing.status, "executable file" in missing.err) == (127, False)
    for platform in ("wasi", "wasip1"):
        assert podman(*run, f"localhost/{platform}").out == GREETING

    assert install("podman", "--default").returncode == 0
    assert runtime(podman) == "crunw"
    assert podman(*run, "localhost/hello").ok() == GREETING
    assert podman(*run, "localhost/box").ok() == ""
    assert (install("podman").stderr, runtime(podman)) == ("podman: nothing to change\n", "crunw")

    assert install("podman", "--uninstall").returncode == 0
    assert runtime(podman) == before
    assert podman(*run, "localhost/box").ok() == ""
    assert podman("--runtime=crunw", *run, "localhost/hello").status != 0


@pytest.mark.podman
def test_podman_with_a_later_file(podman):
    (ETC / "containers.conf.d").mkdir(exist_ok=True)
    later = ETC / "containers.conf.d/zoo.conf"
    later.write_text('[engine]\nruntime = "crun"\n')
    done = install("podman", "--default")
    assert done.returncode == 0
    assert done.stderr.startswith(f"crunw: warning: {later}: is read later and sets another ")
    assert runtime(podman) == "crun"


@pytest.mark.podman
def test_uninstall_with_a_running_container(podman):
    """podman could do nothing with it any more."""
    install("podman")
    detach = ("run", "--detach", "--network=none", "--name=box")
    podman("--runtime=crunw", *detach, "localhost/box", "/busybox", "sleep", "1000").ok()
    refused = install("podman", "--uninstall")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "--uninstall: 1 container created by" in refused.stderr
    assert podman("exec", "box", "/busybox", "echo", "here").ok() == "here\n"
    podman("rm", "--force", "--time=0", "box").ok()
    assert install("podman", "--uninstall").returncode == 0


def test_dry_run_changes_nothing(tmp_path):
    done = install("crio", "--dry-run", "--etc", tmp_path)
    assert "+[crio.runtime.runtimes.crunw]\n" in done.stdout
    assert list(tmp_path.iterdir()) == []


def test_says_what_is_left_to_do(tmp_path):
    assert install("crio", "--etc", tmp_path).stderr == "next: systemctl restart crio\n"
    again = install("crio", "--etc", tmp_path)
    assert (again.stdout, again.stderr) == ("", "crio: nothing to change\n")
    back = install("crio", "--uninstall", "--etc", tmp_path)
    assert back.stdout.startswith("--- ")
    assert back.stderr.startswith("next: systemctl restart crio (drain the node first: ")
    manifest = tmp_path / "kubernetes/crunw-runtimeclass.yaml"
    assert install("kubernetes", "--etc", tmp_path).stderr == f"next: kubectl apply -f {manifest}\n"


@pytest.mark.parametrize("words", [[], ["nerdctl"], ["crio", "podman"]])
def test_needs_one_engine(words):
    done = install(*words)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        "crunw: one engine is needed: crio, containerd, podman, docker, kubernetes\n"
    )
