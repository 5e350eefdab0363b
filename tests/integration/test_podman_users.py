"""podman with user namespaces: of root, and of an ordinary user."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.commands import PATIENCE

pytestmark = pytest.mark.podman
USER = "crunw-podman"
IMAGE = "localhost/busybox-users"
SUBORDINATES = "containers:2000000:1000000"


def image_archive(directory: Path) -> Path:
    (directory / "image/bin").mkdir(parents=True)
    shutil.copy("/bin/busybox", directory / "image/bin/busybox")
    archive = directory / "image.tar"
    subprocess.run(["tar", "-C", directory / "image", "-cf", archive, "."], check=True)
    return archive


class Podman:
    """podman of some user, with crunw and storage of its own."""

    def __init__(self, directory: Path, user: str) -> None:
        self.directory = directory
        self.prefix = ["setpriv", f"--reuid={user}", f"--regid={user}", "--init-groups"]
        if user == "root":
            self.prefix = []
        runtime_dir = directory / "runtime"
        self.environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(directory),
            "CONTAINERS_CONF_OVERRIDE": os.environ["CONTAINERS_CONF_OVERRIDE"],
            "PODMAN_IGNORE_CGROUPSV1_WARNING": "1",
            **({} if user == "root" else {"XDG_RUNTIME_DIR": str(runtime_dir)}),
        }
        runtime_dir.mkdir(exist_ok=True, mode=0o700)
        shutil.chown(runtime_dir, user, user)

    def __call__(self, *words: str) -> str:
        places = ["--root", f"{self.directory}/storage", "--runroot", f"{self.directory}/run"]
        done = subprocess.run(
            [*self.prefix, "podman", *places, "--runtime", "crunw", *words],
            env=self.environment, cwd=self.directory, stdin=subprocess.DEVNULL,
            capture_output=True, text=True, check=False, timeout=3 * PATIENCE,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout

    def run(self, *options: str, script: str) -> list[str]:
        words = self("run", "--rm", "--network=none", *options, IMAGE, "/bin/busybox", "sh", "-c",
                     script)  # fmt: skip
        return words.split()


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Podman]:
    for file in (Path("/etc/subuid"), Path("/etc/subgid")):
        if "containers:" not in file.read_text():  # of --userns=auto
            with file.open("a") as stream:
                stream.write(f"{SUBORDINATES}\n")
    directory = tmp_path_factory.mktemp("podman-root")
    podman = Podman(directory, "root")
    podman("import", str(image_archive(directory)), IMAGE)
    yield podman
    podman("system", "reset", "--force")


@pytest.fixture(scope="module")
def rootless(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Podman]:
    if subprocess.run(["id", USER], check=False, capture_output=True).returncode:
        subprocess.run(["useradd", "--create-home", USER], check=True)
    home = Path("/home", USER)
    for device in ("/dev/fuse", "/dev/net/tun"):
        if Path(device).exists():
            os.chmod(device, 0o666)  # noqa: S103  (as udev leaves them)
    archive = shutil.copy(image_archive(tmp_path_factory.mktemp("image")), home / "image.tar")
    podman = Podman(home, USER)
    podman("import", str(archive), IMAGE)
    yield podman
    podman("system", "reset", "--force")
    shutil.rmtree(home / "runtime")


MAP = "/bin/busybox head -n 1 /proc/self/uid_map"


@pytest.mark.parametrize(
    ("options", "first"),
    [(["--userns=auto"], None), (["--uidmap=0:100000:5000", "--gidmap=0:100000:5000"], "100000")],
)  # fmt: skip
def test_root_with_mapped_ids(root: Podman, options: list[str], first: str | None) -> None:
    inside, outside, _ = root.run(*options, script=MAP)
    assert inside == "0"
    assert outside == (first or outside) != "0"


def test_volume_that_only_root_may_reach(root: Podman, tmp_path: Path) -> None:
    volume = tmp_path / "closed" / "volume"
    volume.mkdir(parents=True)
    (volume / "file").write_text("reached")
    volume.parent.chmod(0o700)
    script = "/bin/busybox cat /v/file; /bin/busybox echo; /bin/busybox stat -c %u /v/file"
    assert root.run("--userns=auto", "-v", f"{volume}:/v:idmap", script=script) == ["reached", "0"]


def test_pod_with_a_user_namespace(root: Podman) -> None:
    root("pod", "create", "--userns=auto", "--name=users", f"--infra-image={IMAGE}",
         "--infra-command=/bin/busybox sleep 100", "--network=none")  # fmt: skip
    try:
        words = root("run", "--rm", "--pod=users", IMAGE, "/bin/busybox", "head", "-n", "1",
                     "/proc/self/uid_map").split()  # fmt: skip
    finally:
        root("pod", "rm", "--force", "--time=0", "users")
    assert words[0] == "0" != words[1]


@pytest.mark.parametrize(
    ("option", "uid"),
    [("--userns=host", "0"), ("--userns=keep-id", None), ("--userns=nomap", "0"),
     ("--userns=auto", "0"), ("--privileged", "0"), ("--tty", "0")],
)  # fmt: skip
def test_rootless(rootless: Podman, option: str, uid: str | None) -> None:
    expected = uid or str(Path("/home", USER).stat().st_uid)
    assert rootless.run(option, script="/bin/busybox id -u") == [expected]


def test_rootless_exec(rootless: Podman) -> None:
    rootless("run", "-d", "--network=none", "--name=one", IMAGE, "/bin/busybox", "sleep", "100")
    try:
        assert rootless("exec", "one", "/bin/busybox", "id", "-u").split() == ["0"]
    finally:
        rootless("rm", "--force", "--time=0", "one")
