"""Every system call of a verb fails once, at each occurrence, with each of its plausible errors.

strace(1) injects the error. Afterwards the verb has worked, with no word or a notice; or it has
ended with one line and a non-zero status. In either case ``delete --force`` leaves nothing.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path

from support import weakened
from support.commands import Result
from support.containers import (
    LIBC,
    PR_SET_CHILD_SUBREAPER,
    Bundle,
    Runtime,
    cgroup_directories,
    empty_bundle,
    mounts,
    reap_ended,
    reap_orphans,
    remove_cgroups,
)

from crunw import paths

KINDS = ("native", "wasm")
PROCESSES = ("crunw", "crunw-init")
SECONDS = 20.0  # a verb that takes longer hangs

# What the kernel can answer: errno of each call, by its manual page. A call that is not named gets
# ENOMEM, which each can answer that needs memory.
ERRORS: dict[str, tuple[str, ...]] = {
    "close": ("EIO",),
    "read": ("EIO", "EINTR"),
    "pread64": ("EIO",),
    "write": ("ENOSPC", "EINTR"),
    "writev": ("ENOSPC",),
    "openat": ("EACCES", "ENFILE"),
    "mkdir": ("ENOSPC", "EACCES"),
    "mknodat": ("ENOSPC",),
    "rename": ("ENOSPC",),
    "unlink": ("EIO",),
    "unlinkat": ("EIO",),
    "rmdir": ("EBUSY",),
    "flock": ("ENOLCK", "EINTR"),
    "wait4": ("EINTR",),
    "pipe2": ("EMFILE",),
    "socket": ("EMFILE", "EAFNOSUPPORT"),
    "clone3": ("EAGAIN", "ENOSPC"),
    "clone": ("EAGAIN",),
    "vfork": ("EAGAIN",),
    "fork": ("EAGAIN",),
    "unshare": ("EPERM", "ENOSPC"),
    "setns": ("EPERM",),
    "capset": ("EPERM",),
    "prctl": ("EINVAL",),
    "seccomp": ("EINVAL",),
    "setresuid": ("EAGAIN",),
    "keyctl": ("EDQUOT", "ENOSYS"),
    "mount_setattr": ("EPERM", "ENOSYS"),
    "open_tree": ("EPERM",),
    "move_mount": ("EPERM",),
    "fsopen": ("EPERM",),
    "fsconfig": ("EINVAL",),
    "fsmount": ("EPERM",),
    "pivot_root": ("EINVAL",),
    "umount2": ("EBUSY",),
    "mount": ("EPERM",),
    "getdents64": ("EIO",),
    "fstat": ("EIO",),
    "newfstatat": ("EACCES",),
    "stat": ("EACCES",),
    "lstat": ("EACCES",),
    "statx": ("EACCES",),
    "access": ("EACCES",),
    "faccessat2": ("EACCES",),
    "readlink": ("EIO",),
    "readlinkat": ("EIO",),
    "kill": ("EPERM",),
    "pidfd_open": ("EMFILE",),
    "pidfd_send_signal": ("EPERM",),
    "execve": ("ENOMEM",),
    "poll": ("EINTR",),
    "chdir": ("EACCES",),
    "fchdir": ("EACCES",),
    "sethostname": ("EPERM",),
    "setgroups": ("EPERM",),
    "setsid": ("EPERM",),
}
# They can't fail, or end the process themselves, or strace must not touch them.
NEVER = frozenset(
    "exit exit_group getpid gettid getppid getuid geteuid getgid getegid umask rt_sigreturn"
    " restart_syscall arch_prctl set_tid_address set_robust_list rseq sched_yield getrandom"
    " rt_sigaction rt_sigprocmask sigaltstack alarm futex uname gettimeofday time clock_gettime"
    " brk".split()  # which answers with an address, never with an errno
)
# What the first call of our own code looks like, by what is executed: after the interpreter has
# read boot.bin, after the dynamic loader has closed its cache; never in the container's program.
BEGINS = {
    "/python": r"/lib/(modules\.index|(?!boot)\w+\.bin)",
    "crunw-init": "^munmap",
    'crunw"': ".",
    "": "(?!)",
}
# The interpreter's own library. That it can't be read is not a fault that a verb could explain.
LIBRARY = re.compile(r"/python3[.\d]*[/\"]")


@dataclass(frozen=True)
class Fault:
    """One call of one process that fails."""

    who: str  # "crunw" (launcher and Python) or "crunw-init"
    call: str
    number: int
    error: str

    def options(self) -> list[str]:
        """The options of strace."""
        inject = f"inject={self.call}:error={self.error}:when={self.number}"
        return ["-e", f"trace={self.call}", "-e", inject]


@dataclass
class Verb:
    """What is tried: ``prepare`` makes a container ready for it, ``words`` are its arguments;
    ``done`` says whether it did what it is for, by its result and the container.
    """

    name: str
    prepare: Callable[[Runtime, Bundle], None]
    words: Callable[[Bundle], list[str]]
    done: Callable[[Runtime, Bundle, Result], bool]


def _nothing(_runtime: Runtime, _bundle: Bundle) -> None:
    pass


def _created(runtime: Runtime, bundle: Bundle) -> None:
    runtime.create(bundle).ok()


def _started(runtime: Runtime, bundle: Bundle) -> None:
    runtime.start(bundle)


def _paused(runtime: Runtime, bundle: Bundle) -> None:
    runtime.start(bundle)
    runtime("pause", bundle.id).ok()


def _stopped(runtime: Runtime, bundle: Bundle) -> None:
    runtime.start(bundle)
    runtime("kill", bundle.id, "KILL").ok()
    runtime.wait_status(bundle, "stopped")


def _verb(*words: str) -> Callable[[Bundle], list[str]]:
    def given(bundle: Bundle) -> list[str]:
        wasm = bundle.process["args"][0].endswith(".wasm")
        known = {"ID": bundle.id, "PROGRAM": "/return.wasm" if wasm else "true"}
        return [known.get(word, word) for word in words]

    return given


def _making(verb: str) -> Callable[[Bundle], list[str]]:
    return lambda bundle: [verb, "--bundle", str(bundle.path), bundle.id]


def _status(status: str) -> Callable[[Runtime, Bundle, Result], bool]:
    return lambda runtime, bundle, _: runtime.status(bundle) == status


def _tells(word: str) -> Callable[[Runtime, Bundle, Result], bool]:
    """It prints that; "ID" is the container's."""
    return lambda _, bundle, result: (bundle.id if word == "ID" else word) in result.out


def _killed(runtime: Runtime, bundle: Bundle, _result: Result) -> bool:
    runtime.wait_status(bundle, "stopped")
    return True


def _limited(runtime: Runtime, bundle: Bundle, _result: Result) -> bool:
    record = json.loads((runtime.root / bundle.id / "state.json").read_text())
    files = [Path(path, "pids.max") for path in record["cgroup"]["directories"].values()]
    return [file.read_text() for file in files if file.exists()] == ["50\n"]


VERBS = [
    Verb("create", _nothing, _making("create"), _status("created")),
    Verb("start", _created, _verb("start", "ID"), _status("running")),
    Verb("state", _started, _verb("state", "ID"), _tells('"status": "running"')),
    Verb("list", _started, _verb("list"), _tells("ID")),
    Verb("exec", _started, _verb("exec", "ID", "PROGRAM"), _status("running")),
    Verb("kill", _started, _verb("kill", "ID", "KILL"), _killed),
    Verb("pause", _started, _verb("pause", "ID"), _status("paused")),
    Verb("resume", _paused, _verb("resume", "ID"), _status("running")),
    Verb("update", _started, _verb("update", "--pids-limit", "50", "ID"), _limited),
    Verb("ps", _started, _verb("ps", "ID"), _tells("sleep")),
    Verb("delete", _stopped, _verb("delete", "ID"), _status("")),
    Verb("delete --force", _started, _verb("delete", "--force", "ID"), _status("")),
]


def make_bundle(path: Path, kind: str, modules: Path) -> Bundle:
    """A bundle there, in place of the one before. Its program runs until it is killed."""
    shutil.rmtree(path, ignore_errors=True)
    made = empty_bundle(path)
    if kind == "native":
        (made.rootfs / "bin").mkdir()
        for applet in ("sleep", "true"):
            shutil.copy(shutil.which("busybox") or "", made.rootfs / "bin" / applet)
        made.process["args"] = ["sleep", "1000"]
    else:
        for name in ("sleep", "return"):
            shutil.copy(modules / f"{name}.wasm", made.rootfs)
        made.process["args"] = ["/sleep.wasm"]
    return made.write()


class Laboratory:
    """An installation of crunw whose crunw-init is traced, and bundles for it."""

    def __init__(self, directory: Path, modules: Path) -> None:
        self.directory = directory
        self.spec = directory / "init-options"
        wrapper = directory / "traced-init"
        wrapper.write_text(
            f'#!/bin/sh\nexec strace -D -f -qqq $(cat {self.spec}) {paths.init_path()} "$@"\n'
        )
        wrapper.chmod(0o755)
        self.traced = str(weakened.install(wrapper, directory / "prefix"))
        self.modules = modules
        self.runtime = Runtime(directory / "state")

    def bundle(self, kind: str) -> Bundle:
        """A new bundle, native or Wasm, whose program runs until it is killed."""
        return make_bundle(self.directory / "bundle", kind, self.modules)

    def calls(self, verb: Verb, kind: str, who: str) -> set[tuple[str, int]]:
        """The calls that a process makes; of crunw-init and its child the greater number."""
        made = self.bundle(kind)
        verb.prepare(self.runtime, made)
        log = self.directory / "calls"
        for old in self.directory.glob("calls.*"):
            old.unlink()
        if who == "crunw":
            self._run(verb, made, ["strace", "-qqq", "-o", f"{log}.1"], self.runtime.program)
        else:
            self.spec.write_text(f"-ff -o {log}")
            self._run(verb, made, [], self.traced)
        self.clean_up(made)
        found: dict[bool, set[tuple[str, int]]] = {True: set(), False: set()}
        for file in self.directory.glob("calls.*"):
            for call, number, own in calls_of(file.read_text(errors="replace")):
                found[own].add((call, number))
        return found[True] - found[False]  # each of several processes would be hit

    def faults(self, verb: Verb, kind: str, who: str) -> Iterator[Fault]:
        """All of them."""
        for call, number in sorted(self.calls(verb, kind, who)):
            for error in ERRORS.get(call, ("ENOMEM",)):
                yield Fault(who, call, number, error)

    def attempt(self, verb: Verb, kind: str, fault: Fault) -> str:
        """What is wrong with what came of it; "" for nothing."""
        made = self.bundle(kind)
        verb.prepare(self.runtime, made)
        try:
            if fault.who == "crunw":
                prefix = ["strace", "-qqq", "-o", "/dev/null", *fault.options()]
                result = self._run(verb, made, prefix, self.runtime.program)
            else:
                self.spec.write_text(" ".join(["-o", "/dev/null", *fault.options()]))
                result = self._run(verb, made, [], self.traced)
            wrong = unclear(result)
            if not wrong and not result.status and not verb.done(self.runtime, made, result):
                wrong = f"status 0, but not done: {result}"
        except subprocess.TimeoutExpired:
            wrong = "hangs"
        return "; ".join(filter(None, (wrong, self.clean_up(made))))

    def _run(self, verb: Verb, made: Bundle, prefix: list[str], program: str) -> Result:
        command = [*prefix, program, "--root", str(self.runtime.root), *verb.words(made)]
        out, err = (self.directory / name for name in ("out", "err"))
        with out.open("wb") as output, err.open("wb") as errors:
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=output, stderr=errors, cwd=self.directory
            )
            try:
                status = process.wait(SECONDS)
            except subprocess.TimeoutExpired:
                self._end(process)
                raise
        return Result(status, out.read_text(errors="replace"), err.read_text(errors="replace"))

    def _end(self, process: subprocess.Popen[bytes]) -> None:
        task = Path(f"/proc/{process.pid}/task/{process.pid}/children")
        for pid in task.read_text().split():
            os.kill(int(pid), 9)
        process.kill()
        process.wait()

    def clean_up(self, made: Bundle) -> str:
        """Delete the container; what is left of it."""
        wrong = []
        reap_ended(0.05)
        result = self.runtime("delete", "--force", made.id)
        if result.status:
            wrong.append(f"delete --force: {result.err.strip()}")
        reap_ended(0.05)
        left = os.listdir(self.runtime.root) if self.runtime.root.exists() else []
        if left:
            wrong.append(f"left in the state directory: {left}")
            shutil.rmtree(self.runtime.root)
        if cgroups := cgroup_directories():
            wrong.append(f"cgroups are left: {len(cgroups)}")
            remove_cgroups(cgroups)
        if there := mounts(self.directory):
            wrong.append(f"mounts are left: {there}")
            subprocess.run(["umount", "--recursive", *there], check=False)
        if processes := reap_orphans():
            wrong.append(f"processes are left: {processes}")
        return "; ".join(wrong)


def calls_of(log: str) -> Iterator[tuple[str, int, bool]]:
    """The calls of a trace, each with its number and whether it is ours: the dynamic loader and the
    interpreter make some before any of our code runs, and we can't answer for those.
    """
    counted: Counter[str] = Counter()
    ours = "."  # what the next call that is ours looks like; "": they all are
    for call, rest in re.findall(r"^(\w+)\((.*)$", log, re.MULTILINE):
        counted[call] += 1
        if call in ("execve", "execveat"):
            ours = next(ours for program, ours in BEGINS.items() if program in rest)
        elif ours and re.search(ours, f"{call}({rest}"):
            ours = ""
        if call not in NEVER:
            yield call, counted[call], not ours and not LIBRARY.search(rest)


def unclear(result: Result) -> str:
    """What is wrong with a command's last words; "" for nothing."""
    lines = [line for line in result.err.splitlines() if not line.startswith("crunw: warning: ")]
    if result.status == 0:
        return f"status 0, but: {lines}" if lines else ""
    if len(lines) != 1 or not lines[0].startswith("crunw: "):
        return f"status {result.status}, not one line: {lines}"
    if "internal error" in lines[0]:
        return f"unclear: {lines[0]}"
    return ""


def tried(
    laboratory: Laboratory, verb: Verb, kind: str, who: str, every: int
) -> tuple[int, list[str]]:
    """Try each ``every``th fault: how many that were, and what is wrong with which."""
    faults = list(laboratory.faults(verb, kind, who))[::every]
    found = [
        f"{verb.name}, {kind}: {fault}: {wrong}"
        for fault in faults
        if (wrong := laboratory.attempt(verb, kind, fault))
    ]
    return len(faults), found


def main() -> None:
    """All, or those of the verbs that are named; a table of what came of it."""
    parser = argparse.ArgumentParser(prog="ci/faults", description=__doc__)
    parser.add_argument("--every", type=int, default=1, help="try each Nth fault", metavar="N")
    parser.add_argument("verbs", nargs="*", help="create, 'delete --force', …", metavar="VERB")
    parsed = parser.parse_args()
    LIBC.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    total = wrong = 0
    with tempfile.TemporaryDirectory(prefix="crunw-faults-") as name:
        laboratory = Laboratory(Path(name), Path(os.environ["CRUNW_TEST_MODULES"]))
        print("| verb | container | process | faults | not handled |\n|-|-|-|-|-|", flush=True)
        for verb in VERBS:
            if parsed.verbs and verb.name not in parsed.verbs:
                continue
            for kind, who in product(KINDS, PROCESSES):
                count, found = tried(laboratory, verb, kind, who, parsed.every)
                total, wrong = total + count, wrong + len(found)
                if count:
                    row = f"| `{verb.name}` | {kind} | `{who}` | {count} | {len(found)} |"
                    print("\n".join([row, *found]), flush=True)
    print(f"| all | | | {total} | {wrong} |")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
