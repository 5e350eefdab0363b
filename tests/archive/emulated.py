"""A machine of another processor: QEMU, Debian's kernel, busybox, and the portable archive."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

from packages.host import PROJECT

from crunw.oci.example import example

BUNDLES = "/srv/bundles"
BOOT = (
    # Branches are watched: not by impdef's slower arithmetic, which nothing here depends on.
    *("qemu-system-aarch64", "-machine", "virt", "-cpu", "max,pauth-impdef=on", "-smp", "2"),
    *("-m", "2048", "-accel", "tcg,thread=multi", "-display", "none", "-nodefaults"),
    *("-no-reboot", "-nic", "none"),
    *("-append", "console=ttyAMA0 root=/dev/nvme0n1 rw quiet panic=-1 init=/init"),
)


class Done(NamedTuple):
    """A command that the machine has carried out; both streams."""

    status: int
    text: str


class Machine:
    """What it is made of lies in ``directory``; ``root`` is what ci/arm64-root prints."""

    def __init__(self, directory: Path, root: Path) -> None:
        self.directory = directory
        self.debian = root
        self.root = directory / "root"
        for name in ("bin", "dev", "etc", "opt", "proc", "root", "run", "srv", "sys", "tmp"):
            (self.root / name).mkdir(parents=True)
        for name in ("usr/local/bin", "var/cache"):
            (self.root / name).mkdir(parents=True)
        shutil.copy(root / "usr/bin/busybox", self.root / "bin/busybox")
        shutil.copy(PROJECT / "tests/archive/emulated-init", self.root / "init")
        (self.root / "etc/passwd").write_text("root:x:0:0::/root:/bin/sh\n")

    def add_bundle(self, name: str, program: Path, *arguments: str) -> None:
        """A container of one program, with podman's seccomp profile as it is on arm64."""
        bundle = self.root / BUNDLES[1:] / name
        (bundle / "rootfs/bin").mkdir(parents=True)
        shutil.copy(program, bundle / "rootfs" / arguments[0][1:])
        podman = PROJECT / "tests/data/configs/podman-default.json"
        seccomp = json.loads(podman.read_text())["linux"]["seccomp"]
        seccomp["architectures"] = ["SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM"]
        config = json.loads(json.dumps(example(rootless=False)))
        config["process"].update(args=arguments, terminal=False)
        config["linux"]["seccomp"] = seccomp
        (bundle / "config.json").write_text(json.dumps(config))

    def run(self, steps: list[str]) -> dict[str, Done]:
        """Boot, carry the steps out, and end: what each has printed."""
        (self.root / "steps").write_text("".join(f"{step}\n" for step in steps))
        disk, log, console = (self.directory / name for name in ("disk", "log", "console"))
        subprocess.run(
            ["mke2fs", "-q", "-t", "ext4", "-O", "^has_journal", "-d", self.root, disk, "2G"],
            check=True,
        )
        (kernel,) = (self.debian / "boot").glob("vmlinuz-*")
        devices = (
            *("-kernel", kernel),
            *("-drive", f"id=root,if=none,format=raw,file={disk}"),
            *("-device", "nvme,drive=root,serial=root"),
            *("-chardev", f"file,id=console,path={console}", "-serial", "chardev:console"),
            *("-device", "virtio-serial", "-chardev", f"file,id=log,path={log}"),
            *("-device", "virtserialport,chardev=log,name=log"),
        )
        subprocess.run([*BOOT, *devices], check=True, stdin=subprocess.DEVNULL)
        text = log.read_text()
        assert text.endswith("end\n"), f"{console.read_text()}\n{text}"
        found = re.findall(r"^\$ (.*)\n((?:.*\n)*?)= (\d+)$", text, re.MULTILINE)
        return {step: Done(int(status), said) for step, said, status in found}
