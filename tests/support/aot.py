"""The cache of compiled modules, for the tests alone."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

from support.commands import wait_for
from support.containers import Bundle, children, skip_without_root

from crunw.paths import later_path

ANNOTATION = "run.oci.wasm.aot"
CACHE, NOTES = Path("/var/cache/crunw/aot"), Path("/run/crunw-aot")
if os.geteuid():
    home = tempfile.TemporaryDirectory(prefix="crunw-test-cache-")  # goes with this process
    os.environ["XDG_CACHE_HOME"] = home.name
    CACHE = Path(home.name, "crunw/aot")
    NOTES = Path(os.environ["XDG_RUNTIME_DIR"], "crunw-aot")
WORDS = (b"\0cache\0enqueue\0", b"\0cache\0build\0", b"\0--from\0", b"\0create\0", b"\0run\0")


def mount(target: Path, options: str) -> None:
    skip_without_root("to mount")
    target.mkdir(parents=True, exist_ok=True, mode=0o700)
    command = ["mount", "-t", "tmpfs", "-o", options, "crunw-test", target]
    subprocess.run(command, check=True)


def begin_empty() -> None:
    """Have nothing in the cache until :func:`end_empty`."""
    for path in (CACHE, NOTES):
        if os.geteuid() == 0:
            mount(path, "mode=700")
        else:
            shutil.rmtree(path, ignore_errors=True)


def end_empty() -> None:
    settle()
    for path in (CACHE, NOTES):
        if os.geteuid() == 0:
            # The last descriptor of a compiler that was killed may be closed a moment later.
            wait_for(lambda path=path: unmounted(path), f"{path} to be removed")
        else:
            shutil.rmtree(path, ignore_errors=True)


def unmounted(path: Path) -> bool:
    return subprocess.run(["umount", path], check=False).returncode == 0


def background() -> list[int]:
    """The pids of the background compilers that this test's containers have left to it.

    Also of those that do not have their own command line yet.
    """
    lines = {pid: command_line(pid) for pid in children()}
    return [pid for pid, line in lines.items() if any(word in line for word in WORDS)]


def command_line(pid: int) -> bytes:
    """``b""`` if it has ended. While a program is being executed there is none, either, and what
    runs with SCHED_IDLE may stay there for long: that is waited for.
    """
    path = f"/proc/{pid}/cmdline"
    wait_for(lambda: read(path) or has_ended(pid), f"a command line of {pid}")
    return read(path)


def has_ended(pid: int) -> bool:
    state = read(f"/proc/{pid}/stat").rpartition(b") ")[2][:1]
    return state in (b"", b"Z", b"X")


def without_background() -> list[str]:
    """What to put before a command for which the background compiler can't be executed."""
    skip_without_root("to mount")
    cover = f'mount --bind /etc/passwd {later_path()} && exec "$0" "$@"'
    return ["unshare", "--mount", "--propagation", "slave", "sh", "-c", cover]


def read(path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError:
        return b""


def mapped(pid: int) -> bytes:
    """What a module's process has mapped, as proc(5) has it.

    An ordinary user may look at it from when the module begins, which is soon after `start`.
    """
    return bytes(wait_for(lambda: read(f"/proc/{pid}/maps"), f"the mappings of {pid}"))


def below(pid: int | str) -> list[str]:
    return read(f"/proc/{pid}/task/{pid}/children").decode().split()


def all_below(pid: int | str) -> list[str]:
    return [each for child in below(pid) for each in (child, *all_below(child))]


def end_background(pid: int) -> None:
    """Kill a background compiler. What it has started ends with it, but on a busy machine later,
    and holds its locks until then.
    """
    others = all_below(pid)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    wait_for(lambda: all(has_ended(int(each)) for each in others), "the end of the compiler")


def settle() -> None:
    """Wait until nothing is compiled any more, and reap the compilers."""
    for pid in background():
        os.waitpid(pid, 0)


def entries() -> list[Path]:
    path = CACHE / "entries"
    return sorted(path.iterdir()) if path.exists() else []


def with_policy(bundle: Bundle, policy: str) -> Bundle:
    bundle.config["annotations"] = {ANNOTATION: policy} if policy else {}
    return bundle.write()
