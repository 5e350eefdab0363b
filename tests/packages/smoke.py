"""What an installed crunw must be able to do, seen from outside."""

from __future__ import annotations

import json
import shutil
import subprocess

from packages.host import PROJECT, Host

BUNDLES = "/srv/bundles"


def make_bundles(host: Host) -> None:
    """Put ``native``, a shell, and ``wasm``, a module that exits with 3, below BUNDLES.

    Both have podman's seccomp profile.
    """
    config = json.loads((PROJECT / "tests/data/configs/podman-default.json").read_text())
    seccomp = config["linux"]["seccomp"]
    programs = {"native": ["/bin/sh", "-c", "echo native runs"], "wasm": ["/app.wasm"]}
    for name, arguments in programs.items():
        bundle = host.root / f"{BUNDLES[1:]}/{name}"
        (bundle / "rootfs/bin").mkdir(parents=True)
        host.run(f"crunw spec --bundle {BUNDLES}/{name}")
        document = json.loads((bundle / "config.json").read_text())
        document["process"].update(args=arguments, terminal=False)
        document["linux"]["seccomp"] = seccomp
        (bundle / "config.json").write_text(json.dumps(document))
    shutil.copy("/bin/busybox", host.root / f"{BUNDLES[1:]}/native/rootfs/bin/sh")
    module = host.root / f"{BUNDLES[1:]}/wasm/rootfs/app.wasm"
    subprocess.run(["wat2wasm", PROJECT / "tests/modules/exit3.wat", "-o", module], check=True)


def check(host: Host) -> None:
    """An engine's first calls, and a container of each kind with podman's seccomp profile."""
    first, second, *_ = host.says("crunw --version").split("\n")
    assert first.startswith("crunw version ")
    # The commit, but for a copy of the sources without git.
    assert second.startswith(("commit: ", "spec: "))
    assert json.loads(host.says("crunw features"))["ociVersionMin"]
    doctor = host.says("crunw doctor")
    assert "missing" not in doctor
    assert host.says(f"crunw run --bundle {BUNDLES}/native n1") == "native runs\n"
    assert host.run(f"crunw run --bundle {BUNDLES}/wasm w1", check=False).returncode == 3
    # There is no system bus: what fails must be the connection, not the library.
    systemd = f"crunw --systemd-cgroup run --bundle {BUNDLES}/native n2"
    assert "D-Bus at" in host.run(systemd, check=False).stdout
    assert host.says("crunw list --format json") in ("[]\n", "null\n")
