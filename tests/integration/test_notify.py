"""$NOTIFY_SOCKET: a container in a unit with ``Type=notify`` says itself when it is ready."""

from __future__ import annotations

import os
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.commands import PATIENCE, wait_for
from support.containers import Bundle, Runtime, in_user_namespace

MakeBundle = Callable[..., Bundle]

SENDER = r"""
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
int main(int argc, char **argv) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const char *path = getenv("NOTIFY_SOCKET");
    int sender = socket(AF_UNIX, SOCK_DGRAM, 0);
    if (argc < 2 || path == NULL || sender < 0)
        return 3;
    strncpy(address.sun_path, path, sizeof address.sun_path - 1);
    if (connect(sender, (struct sockaddr *)&address, sizeof address) < 0) {
        perror(path);
        return 1;
    }
    return send(sender, argv[1], strlen(argv[1]), 0) < 0;
}
"""


class Manager:
    """The socket of a service manager."""

    def __init__(self, address: str) -> None:
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(address.replace("@", "\0"))
        self.socket.settimeout(PATIENCE)
        self.environment = {**os.environ, "NOTIFY_SOCKET": address}

    def heard(self) -> list[str]:
        """What one has said until the barrier, which is lifted."""
        lines: list[str] = []
        while True:
            data, descriptors, _, _ = socket.recv_fds(self.socket, 4096, 1)
            for descriptor in descriptors:
                os.close(descriptor)
            if data == b"BARRIER=1":
                return lines
            lines += data.decode().splitlines()

    def is_quiet(self) -> bool:
        self.socket.setblocking(False)
        try:
            return not self.socket.recv(1)
        except BlockingIOError:
            return True


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[Manager]:
    made = Manager(f"{tmp_path}/manager")
    yield made
    made.socket.close()


@pytest.fixture(scope="session")
def sender(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("sender")
    (directory / "say.c").write_text(SENDER)
    subprocess.run(["gcc", "-static", "-o", directory / "say", directory / "say.c"], check=True)
    return directory / "say"


@pytest.fixture
def unit(bundle: MakeBundle, sender: Path) -> Callable[..., Bundle]:
    """A bundle that runs a line of shell, in which ``say TEXT`` sends a notification."""

    def make(line: str) -> Bundle:
        made = bundle("sh", "-c", line)
        os.link(sender, made.rootfs / "bin/say")
        return made

    return make


READY = 'say "$(printf "STATUS=x\\nREADY=1\\nMAINPID=1")" && echo $NOTIFY_SOCKET >/told; sleep 1000'


def test_start_ends_when_the_program_is_ready(
    crunw: Runtime, unit: Callable[..., Bundle], manager: Manager
) -> None:
    """Nothing else of what the program says reaches the manager."""
    made = unit(f"while ! test -e /go; do sleep 0.05; done; {READY}")
    crunw.create(made, env=manager.environment).ok()
    starting = crunw.spawn("start", made.id, env=manager.environment)
    wait_for(lambda: crunw.status(made) == "running")
    assert starting.poll() is None
    assert manager.is_quiet()
    manager.socket.settimeout(PATIENCE)
    (made.rootfs / "go").touch()
    assert manager.heard() == ["READY=1", f"MAINPID={crunw.state(made)['pid']}"]
    assert starting.wait(PATIENCE) == 0
    wait_for((made.rootfs / "told").exists)
    assert (made.rootfs / "told").read_text() == "/run/notify/notify.sock\n"


def test_a_container_that_never_is_ready_can_be_deleted(
    crunw: Runtime, unit: Callable[..., Bundle], manager: Manager
) -> None:
    made = unit("sleep 1000")
    crunw.create(made, env=manager.environment).ok()
    starting = crunw.spawn("start", made.id, env=manager.environment)
    wait_for(lambda: crunw.status(made) == "running")
    crunw("delete", "--force", made.id).ok()
    assert starting.wait(PATIENCE) == 0
    assert manager.is_quiet()


def test_run_in_the_foreground(
    crunw: Runtime, unit: Callable[..., Bundle], manager: Manager
) -> None:
    """crunw itself stays the unit's main process."""
    made = unit(f"{READY.removesuffix('sleep 1000')} say STATUS=late; exit 3")
    running = crunw.spawn("run", "--bundle", made.path, made.id, env=manager.environment)
    assert manager.heard() == ["READY=1"]
    assert running.wait(PATIENCE) == 3


def test_run_detached(crunw: Runtime, unit: Callable[..., Bundle], manager: Manager) -> None:
    made = unit(READY)
    running = crunw.spawn(
        "run", "--detach", "--bundle", made.path, made.id,
        env=manager.environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    assert manager.heard() == ["READY=1", f"MAINPID={crunw.state(made)['pid']}"]
    assert running.wait(PATIENCE) == 0


def test_a_user_namespace(crunw: Runtime, unit: Callable[..., Bundle], manager: Manager) -> None:
    made = in_user_namespace(unit(f"{READY.removesuffix('sleep 1000')} true"))
    running = crunw.spawn("run", "--bundle", made.path, made.id, env=manager.environment)
    assert manager.heard() == ["READY=1"]
    assert running.wait(PATIENCE) == 0


def test_an_abstract_socket(crunw: Runtime, unit: Callable[..., Bundle]) -> None:
    manager = Manager(f"@crunw-test-{os.getpid()}")
    made = unit(f"{READY.removesuffix('sleep 1000')} true")
    running = crunw.spawn("run", "--bundle", made.path, made.id, env=manager.environment)
    assert manager.heard() == ["READY=1"]
    assert running.wait(PATIENCE) == 0
    manager.socket.close()


def test_a_module_is_ready_when_it_runs(
    crunw: Runtime, wasm_bundle: MakeBundle, manager: Manager
) -> None:
    made = wasm_bundle("files")
    running = crunw.spawn("run", "--bundle", made.path, made.id, env=manager.environment)
    assert manager.heard() == ["READY=1"]
    running.wait(PATIENCE)


def test_a_manager_that_is_gone_is_told_of(
    crunw: Runtime, unit: Callable[..., Bundle], tmp_path: Path
) -> None:
    made = unit(f"{READY.removesuffix('sleep 1000')} sleep 1000")
    environment = {**os.environ, "NOTIFY_SOCKET": f"{tmp_path}/missing"}
    result = crunw.run(made, "--detach", env=environment)
    assert result.status == 0
    assert result.err == (
        f"crunw: warning: NOTIFY_SOCKET: can't report to {tmp_path}/missing that the container is "
        "ready: No such file or directory\n"
    )


def test_start_without_a_manager(
    crunw: Runtime, unit: Callable[..., Bundle], manager: Manager
) -> None:
    """The program can't reach anybody, and nobody waits for it."""
    made = unit("say READY=1 || touch /failed; sleep 1000")
    crunw.create(made, env=manager.environment).ok()
    crunw("start", made.id).ok()
    wait_for((made.rootfs / "failed").exists)
    crunw("delete", "--force", made.id).ok()
