"""What a process that runs a module has mapped of the host's files can't be written to."""

from __future__ import annotations

import errno
import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from support.containers import Bundle, Runtime

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


def writable(pid: int) -> list[str]:
    """The mapped files that root can open for writing as a privileged container can."""
    directory = Path(f"/proc/{pid}/map_files")
    found = []
    for name in os.listdir(directory):
        try:
            os.close(os.open(directory / name, os.O_WRONLY))
        except OSError as error:
            if error.errno not in (errno.EROFS, errno.ETXTBSY, errno.ENOENT):
                raise
            continue
        found.append(os.readlink(directory / name))
    return found


def mapped(pid: int) -> str:
    return Path(f"/proc/{pid}/maps").read_text()


@pytest.mark.parametrize("verb", ["create", "exec"])
def test_libraries_of_a_module(
    crunw: Runtime,
    weakened: Callable[[str], Runtime],
    wasm_bundle: Callable[..., Bundle],
    verb: str,
) -> None:
    for runtime, is_weak in ((crunw, False), (weakened("LIBRARIES"), True)):
        made = wasm_bundle("sleep")
        runtime.start(made)
        pid = runtime.state(made)["pid"]
        if verb == "exec":
            pid_file = made.path / "pid"
            args = made.process["args"]
            runtime("exec", "--detach", "--pid-file", pid_file, made.id, *args).ok()
            pid = int(pid_file.read_text())
        assert "libwasmedge" in mapped(pid)
        assert "/libc.so" in mapped(pid)
        assert any("libwasmedge" in path for path in writable(pid)) is is_weak
        assert bool(writable(pid)) is is_weak
        if verb == "exec":
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)  # an orphan of this process's: see the fixture "leaks"
