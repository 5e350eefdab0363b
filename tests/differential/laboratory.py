"""Both runtimes, the host that they find, and what each case comes to under them."""

from __future__ import annotations

import functools
import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from differential.drive import Drive, Host, Seen, normal
from differential.generate import Case, Generator
from support.commands import wait_for
from support.containers import LIBC, PR_SET_CHILD_SUBREAPER, reap_orphans

HERE = Path(__file__).parent
REFUSED = "refused"
RUNTIMES = ("crun", "crunw")
SPACES = {"network": "net", "ipc": "ipc", "uts": "uts", "pid": "pid"}


@dataclass(frozen=True)
class Difference:
    """What is not equal: "" stands for what one of them does not have. That only one refuses a
    configuration is one difference, ``REFUSED``, with the error in place of a value.
    """

    key: str
    crun: str
    crunw: str

    def is_like(self, entry: Any) -> bool:
        """Whether an entry of ``differences.toml`` allows it."""
        return (
            any(fnmatchcase(self.key, key) for key in entry["keys"])
            and fnmatchcase(self.crun, entry.get("crun", "*"))
            and fnmatchcase(self.crunw, entry.get("crunw", "*"))
        )


class Laboratory:
    """Runs each case once under each runtime, when it is asked for."""

    def __init__(self, directory: Path, host: Host, generator: Generator) -> None:
        self.directory = directory
        self.host = host
        self.generator = generator
        self.outcome = functools.cache(self._outcome)

    def case(self, number: int) -> Case:
        return self.generator.case(number)

    def _outcome(self, number: int) -> dict[str, Seen]:
        """What is seen of the case, by the name of the runtime."""
        return {runtime: self._seen(runtime, number) for runtime in RUNTIMES}

    def _seen(self, runtime: str, number: int) -> Seen:
        command = [runtime, "--root", str(self.directory / runtime)]
        for _ in range(3):
            seen = normal(Drive(command, self.case(number), self.host)(), self.host)
            if runtime != "crun" or not unsteady(seen):
                break
        return seen

    def differences(self, number: int) -> list[Difference]:
        crun, crunw = self.outcome(number).values()
        errors = [seen.get("error", "") for seen in (crun, crunw)]
        if any(errors) and not all(errors):
            return [Difference(REFUSED, *errors)]
        wanted = "left of *" if all(errors) else "*"
        return [
            Difference(key, crun.get(key, ""), crunw.get(key, ""))
            for key in sorted(crun.keys() | crunw.keys())
            if crun.get(key, "") != crunw.get(key, "")
            and not key.endswith("error")
            and fnmatchcase(key, wanted)
        ]


def unsteady(seen: Seen) -> bool:
    """Whether it is what crun 1.21 comes to now and then, on a busy machine, of what runs the next
    time: it finds the last container still there, its init or ``start`` fails without a word.
    """
    error = seen.get("error", "")
    if not error:
        return seen.get("start", "0") != "0"
    known = ("read from the init process*", "container `* already exists*")
    return any(fnmatchcase(error, pattern) for pattern in known)


def links(pid: int | str) -> dict[str, str]:
    """The namespaces of a process, by kind."""
    return {name: os.readlink(f"/proc/{pid}/ns/{name}") for name in os.listdir(f"/proc/{pid}/ns")}


def make_sources(directory: Path) -> None:
    """What is mounted from the host: a directory, a file, a link, a shared tree of two mounts."""
    for name in ("dir", "tree"):
        (directory / name).mkdir(parents=True)
    subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "mode=755", "tree", directory / "tree"], check=True
    )
    subprocess.run(["mount", "--make-shared", directory / "tree"], check=True)
    (directory / "tree/inner").mkdir()
    inner = ["-o", "nosuid,noexec,noatime,mode=755", "inner", directory / "tree/inner"]
    subprocess.run(["mount", "-t", "tmpfs", *inner], check=True)
    (directory / "dir/own").write_text("own\n")
    os.chown(directory / "dir/own", 1001, 1002)
    (directory / "file").write_text("file\n")
    (directory / "link").symlink_to("dir")


@contextmanager
def laboratory(seed: str) -> Iterator[Laboratory]:
    """A laboratory below ``/tmp``: root of a user namespace must be able to get there, too."""
    LIBC.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    with tempfile.TemporaryDirectory(prefix="crunw-differential-") as name:
        directory = Path(name)
        directory.chmod(0o755)
        probe = directory / "probe"
        flags = ["-static", "-O1", "-Wall", "-Wextra", "-Werror"]
        subprocess.run(["gcc", *flags, "-o", probe, HERE / "probe.c"], check=True)
        make_sources(directory / "sources")
        unshare = ["unshare", "--net", "--ipc", "--uts", "--pid", "--fork", "--kill-child"]
        with subprocess.Popen([*unshare, "sleep", "infinity"]) as holder:
            try:
                task = Path(f"/proc/{holder.pid}/task/{holder.pid}/children")
                held = wait_for(lambda: task.read_text().split(), "namespaces to join")[0]
                spaces = dict.fromkeys(links(held).values(), "joined")
                spaces |= dict.fromkeys(links("self").values(), "host")
                host = Host(directory / "bundle", probe, spaces, holder.pid)
                joined = {kind: f"/proc/{held}/ns/{name}" for kind, name in SPACES.items()}
                places = {"sources": f"{directory}/sources", "bundle": str(host.bundle)}
                yield Laboratory(directory, host, Generator(seed, places, joined))
            finally:
                holder.kill()
        left = reap_orphans()
        subprocess.run(["umount", "--recursive", directory / "sources/tree"], check=True)
    LIBC.prctl(PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0)
    assert left == []
