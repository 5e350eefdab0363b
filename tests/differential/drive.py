"""One case under one runtime: what is seen of it, from inside and from outside."""

from __future__ import annotations

import array
import json
import os
import re
import shutil
import socket
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from differential.generate import Case
from support.commands import PATIENCE, wait_for
from support.containers import children

ID = "differential"
CGROUP_FILES = (
    "cpu.shares cpu.cfs_quota_us cpu.cfs_period_us cpu.cfs_burst_us cpu.idle cpu.rt_runtime_us "
    "cpuset.cpus cpuset.mems cpuset.cpu_exclusive memory.limit_in_bytes "
    "memory.soft_limit_in_bytes memory.memsw.limit_in_bytes memory.swappiness "
    "memory.oom_control memory.use_hierarchy pids.max devices.list blkio.weight "
    "blkio.bfq.weight blkio.throttle.read_bps_device freezer.state notify_on_release "
    "cgroup.procs"
).split()
STATUS = (
    "State TracerPid Groups Threads SigBlk SigIgn SigCgt NoNewPrivs Seccomp Seccomp_filters "
    "Speculation_Store_Bypass SpeculationIndirectBranch Cpus_allowed_list "
    "Mems_allowed_list CoreDumping THP_enabled Kthread"
).split()

ENVIRONMENT = {"PATH": os.environ["PATH"], "OF_THE_CALLER": "1"}

Seen = dict[str, str]


@dataclass
class Host:
    """What the cases find on the host."""

    bundle: Path
    probe: Path
    spaces: dict[str, str]  # namespace link -> "host" or "joined"
    holder: int  # the process that keeps the namespaces to join


def make_rootfs(host: Host, owner: int) -> None:
    """A fresh root directory: the probe, files to be bound over, masked, linked."""
    shutil.rmtree(host.bundle, ignore_errors=True)
    root = host.bundle / "rootfs"
    for name in ("bin", "etc", "data/inner", "tmp", "a"):
        (root / name).mkdir(parents=True)
    (root / "tmp").chmod(0o1777)
    os.link(host.probe, root / "probe")
    (root / "data/file").write_text("text\n")
    (root / "data/inner/one").write_text("one\n")
    (root / "data/absolute").symlink_to("/data/inner")
    (root / "link").symlink_to("data/inner")
    (root / "etc/passwd").write_text("root:x:0:0::/root:/bin/sh\nuser:x:7:7::/home/user:/bin/sh\n")
    (root / "etc/group").write_text("root:x:0:\nuser:x:7:\n")
    (root / "bin/script").write_text("#!/probe\n")
    (root / "bin/script").chmod(0o755)
    (root / "bin/closed").write_text("#!/probe\n")
    (root / "bin/linked").symlink_to("../probe")
    if owner:
        for path in (root, *root.rglob("*")):
            if path.name != "probe":
                os.chown(path, owner, owner, follow_symlinks=False)


def parse(text: str, prefix: str = "") -> Seen:
    """The probe's lines. A key that is there again is numbered."""
    seen: Seen = {}
    for line in text.splitlines():
        key, tab, value = line.partition("\t")
        if not tab:
            key, value = "other output", line
        if key.startswith("environment "):
            seen[f"{prefix}environment"] = f"{seen.get(f'{prefix}environment', '')} {value!r}"
            continue
        name, number = prefix + key, 1
        while name in seen:
            number += 1
            name = f"{prefix}{key} #{number}"
        seen[name] = value
    return seen


def unescape(value: str) -> str:
    return re.sub(r"\\x([0-9a-f]{2})", lambda match: chr(int(match[1], 16)), value)


class Drive:
    """A case under the runtime ``command``."""

    def __init__(self, command: list[str], case: Case, host: Host) -> None:
        self.command = command
        self.case = case
        self.host = host
        self.seen: Seen = {}
        self.pid = 0
        self.output = host.bundle.parent / "output"
        self.console: int | None = None

    def call(
        self, *words: str, output: Path | None = None, caller: str = ""
    ) -> tuple[int, str, str]:
        """Run the runtime: status, output, the first line of its error.

        ``caller``: a shell's lines that come before.
        """
        shell = ["/bin/sh", "-c", f'{caller}; exec "$@"', "sh"] if caller else []
        output = output or self.host.bundle.parent / "verb"
        errors = output.with_suffix(".errors")
        with output.open("wb") as out, errors.open("wb") as err:
            done = subprocess.run(
                [*shell, *self.command, *words], stdin=subprocess.DEVNULL, stdout=out, stderr=err,
                check=False, timeout=PATIENCE, env=ENVIRONMENT,
            )  # fmt: skip
        return (
            done.returncode,
            output.read_text(errors="replace"),
            errors.read_text(errors="replace"),
        )

    def __call__(self) -> Seen:
        """What is seen of the case. Leaves nothing behind, whatever the runtime does."""
        make_rootfs(self.host, self.case.owner)
        (self.host.bundle / "config.json").write_text(json.dumps(self.case.config))
        try:
            self.run() if self.case.verb == "run" else self.life()
        finally:
            self.call("delete", "--force", ID)
            self.reap()
            if self.command[0] == "crun":
                self.delete_again()
        self.from_inside()
        return self.seen

    def delete_again(self) -> None:
        """On a busy machine crun 1.21 gives up on a container that has just been killed."""
        wait_for(lambda: self.call("state", ID)[0] or self.call("delete", "--force", ID)[0], "crun")

    def run(self) -> None:
        words = ("run", "--bundle", str(self.host.bundle), *self.case.options, ID)
        status, _, error = self.call(*words, output=self.output, caller=self.case.caller)
        self.seen["run"] = str(status)
        self.seen["error"] = error.strip()

    def life(self) -> None:
        if not self.create():
            return
        self.cgroups()
        status, _, error = self.call("start", ID)
        self.seen["start"] = str(status)
        if status:
            self.seen["error"] = error.strip()
        if not status and self.case.signal and self.await_probe():
            if self.case.exec:
                self.exec()
            status, _, error = self.call("kill", ID, self.case.signal)
            self.seen["kill"] = str(status)
            if status:
                self.call("kill", ID, "KILL")
        self.ended()

    def create(self) -> bool:
        words = ["create", "--bundle", str(self.host.bundle)]
        pid_file = self.host.bundle.parent / "pid"
        pid_file.unlink(missing_ok=True)
        words += ["--pid-file", str(pid_file), *self.case.options]
        if self.case.terminal:
            status, error = self.create_with_console(words)
        else:
            caller = self.case.caller
            status, _, error = self.call(*words, ID, output=self.output, caller=caller)
        self.seen["create"] = str(status)
        if status:
            self.seen["error"] = error.strip()
            return False
        self.pid = int(pid_file.read_text())
        self.state("created")
        return True

    def create_with_console(self, words: list[str]) -> tuple[int, str]:
        path = self.host.bundle.parent / "console"
        path.unlink(missing_ok=True)
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(path))
            listener.listen()
            listener.settimeout(0)
            status, _, error = self.call(
                *words, "--console-socket", str(path), ID, output=self.output,
                caller=self.case.caller,
            )  # fmt: skip
            try:
                connection, _ = listener.accept()
            except BlockingIOError:
                return status, error
            with connection:
                _, sent, *_ = connection.recvmsg(4096, socket.CMSG_SPACE(16))
            if not sent:
                return status, error
            [self.console] = array.array("i", sent[0][2])
            window = os.get_terminal_size(self.console)
            self.seen["console size"] = f"{window.lines} {window.columns}"
        return status, error

    def state(self, when: str) -> None:
        status, text, _ = self.call("state", ID)
        told = json.loads(text) if not status else {}
        self.seen |= state_fields(told, f"state {when}")

    def cgroups(self) -> None:
        """The cgroups that the container is in, and their limits."""
        lines = Path(f"/proc/{self.pid}/cgroup").read_text().splitlines()
        for line in lines:
            _, names, path = line.split(":", 2)
            name = names.removeprefix("name=")
            self.seen[f"cgroup of {name}"] = path
            directory = Path(f"/sys/fs/cgroup/{name}{path}")
            if not path.startswith("/crunw-differential") or not name:
                continue
            for file in CGROUP_FILES:
                try:
                    text = (directory / file).read_text()
                except OSError:
                    continue
                if file == "cgroup.procs":
                    text = str(len(text.split()))
                lines = sorted(text.splitlines()) if file == "devices.list" else text.splitlines()
                self.seen[f"cgroup file {name} {file}"] = ", ".join(lines)

    def await_probe(self) -> bool:
        """Whether the probe waits."""
        deadline = time.monotonic() + PATIENCE
        paths = [self.output, self.host.bundle / "rootfs/observed"]
        while time.monotonic() < deadline:
            if any(path.exists() and b"\nwaiting\t" in path.read_bytes() for path in paths):
                return True
            if os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT):
                return False
            time.sleep(0.002)
        return False

    def exec(self) -> None:
        process = self.host.bundle.parent / "process.json"
        process.write_text(json.dumps(self.case.exec))
        output = self.host.bundle.parent / "exec"
        status, text, error = self.call("exec", "--process", str(process), ID, output=output)
        self.seen["exec"] = str(status)
        self.seen["exec error"] = error.strip()
        self.seen |= parse(text, "exec: ")

    def ended(self) -> None:
        """Wait for the end; then what the verbs say."""
        if self.seen["start"] == "0":
            self.seen["exit"] = str(self.wait())
        deadline = time.monotonic() + 1
        while time.monotonic() < deadline and self.call("state", ID)[1].find('"stopped"') < 0:
            time.sleep(0.005)
        self.state("stopped")
        self.seen["kill when stopped"] = str(self.call("kill", ID, "KILL")[0])
        self.seen["delete"] = str(self.call("delete", ID)[0])
        self.seen["state when deleted"] = str(self.call("state", ID)[0])

    def wait(self) -> int | None:
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                return os.waitstatus_to_exitcode(status)
            time.sleep(0.002)
        return None

    def reap(self) -> None:
        """Wait for what the runtime has left to this process, but for the holder of namespaces."""
        if self.console is not None:
            os.close(self.console)
        deadline = time.monotonic() + 2
        while (left := set(children()) - {self.host.holder}) and time.monotonic() < deadline:
            for pid in left:
                os.waitpid(pid, os.WNOHANG)
            time.sleep(0.002)
        self.seen["left of processes"] = str(len(left))
        for pid in left:
            os.kill(pid, 9)
            os.waitpid(pid, 0)
        groups = list(Path("/sys/fs/cgroup").glob("*/crunw-differential"))
        self.seen["left of cgroups"] = str(len(groups))
        for group in groups:
            subprocess.run(["find", group, "-depth", "-type", "d", "-delete"], check=True)

    def from_inside(self) -> None:
        root = self.host.bundle / "rootfs"
        text = self.output.read_text(errors="replace")
        if (root / "observed").exists():
            text += (root / "observed").read_text(errors="replace")
        self.seen |= parse(text)
        if (root / "hooks").exists():
            text = (root / "hooks").read_text(errors="replace")
            for part in text.split("hook\t")[1:]:
                name, _, lines = part.partition("\n")
                self.seen |= parse(lines, f"{name} hook: ")
            self.seen["hooks in order"] = " ".join(re.findall(r"^hook\t(.*)", text, re.MULTILINE))


def state_fields(told: dict[str, Any], key: str) -> Seen:
    """The state's fields (runtime.md "State"), of the pid only whether there is one."""
    names = ("ociVersion", "id", "status", "bundle", "annotations")
    made = {f"{key} {name}": json.dumps(told.get(name), sort_keys=True) for name in names}
    return {**made, f"{key} pid": str(bool(told.get("pid")))}


def status_fields(text: str, prefix: str) -> Seen:
    """Those of proc_pid_status(5) that are not another's, or another each time."""
    lines = [line.partition(":") for line in text.splitlines()]
    return {f"{prefix}status {name}": value.strip() for name, _, value in lines if name in STATUS}


def normal(seen: Seen, host: Host) -> Seen:
    """The same with what differs from one run to the next taken out, and files taken apart."""
    made: Seen = {}
    for key, value in seen.items():
        prefix, name = re.fullmatch(r"((?:exec|\w+ hook): )?(.*)", key, re.DOTALL).groups("")
        if name.startswith("namespace "):
            made[key] = host.spaces.get(value, "new" if "[" in value else value)
        elif name == "status":
            made |= status_fields(unescape(value), prefix)
        elif name == "mountinfo":
            made |= mounts(unescape(value), prefix)
        elif name == "cgroup" and ":" in value:
            lines = [line.split(":", 2) for line in unescape(value).splitlines()]
            made |= {f"{prefix}in cgroup {names}": path for _, names, path in lines}
        elif name.split(" #")[0] == "state" and value.startswith("{"):
            made |= state_fields(json.loads(unescape(value)), key)
        elif name in ("interface lo", "file /probe") or not name.startswith(
            ("interface ", "file /proc/")
        ):
            made[key] = value
    return made


def mounts(text: str, prefix: str) -> Seen:
    """What is seen of the mounts that a path leads to. Ids and the numbers of peer groups differ
    each time; a mask is a mask, whatever is laid over the path (what can be read of it the probe
    looks at).
    """
    if " - " not in text:
        return {f"{prefix}mounts": text}  # no procfs: the error
    made: Seen = {}
    places = set()
    for left, right in visible([line.partition(" - ")[::2] for line in text.splitlines()]):
        _number, _parent, _device, root, place, options, *tags = left.split()
        kind, source, flags = [*right.split(" "), "", ""][:3]
        key = f"{prefix}mount {place}"
        places.add(place)
        shown = [flag for flag in flags.split(",") if flag.partition("=")[0] not in ("uid", "gid")]
        empty = kind == "tmpfs" and root == "/" and shown in (["ro"], ["rw", "size=0k"])
        if empty or (root.endswith("/null") and place != "/dev/null"):
            for name in ("root", "options", "propagation", "file system", "flags"):
                made[f"{key} {name}"] = "masked"
            continue
        made[f"{key} root"] = root
        made[f"{key} options"] = options
        made[f"{key} propagation"] = " ".join(sorted(tag.partition(":")[0] for tag in tags))
        made[f"{key} file system"] = f"{kind} {source}"
        made[f"{key} flags"] = ",".join(sorted(flags.split(",")))
    made[f"{prefix}mounts"] = " ".join(sorted(places))
    return made


def visible(lines: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Those lines of mountinfo whose mount is not below another one."""
    ids = {left.split()[0] for left, _ in lines}
    below: dict[str, list[tuple[str, str]]] = {}
    for line in lines:
        parent = line[0].split()[1]
        below.setdefault(parent if parent in ids else "", []).append(line)
    found = []
    reached = below.get("", [])
    while reached:
        line = reached.pop()
        number, _, _, _, place, *_ = line[0].split()
        inside = below.get(number, [])
        places = {each[0].split()[4] for each in inside}
        if place in places:
            reached += [each for each in inside if each[0].split()[4] == place]
            continue
        found.append(line)
        reached += [each for each in inside if not is_below(each[0].split()[4], places)]
    return found


def is_below(place: str, places: set[str]) -> bool:
    """Whether a directory above ``place`` is one of ``places``."""
    return any(place.startswith(f"{other.rstrip('/')}/") for other in places)
