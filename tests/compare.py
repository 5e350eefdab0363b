"""Configurations on which crun, runc and crunw may differ, and what each makes of them.

``ci/compare`` prints the table; docs/compatibility.md says why crunw does what it does.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from crunw.oci.example import example

RUNTIMES = ("crun", "runc", "crunw")
APPLETS = "cat cut grep id ls readlink sh sleep stat touch tr true wc".split()
PATIENCE = 30  # s
LONGEST = 120  # characters of an error
FIRST = 100000  # the host's id of root in a user namespace

# The parts of a module that imports proc_exit and exports _start; then what _start does.
MODULE = (
    b"\0asm\1\0\0\0\1\x08\2\x60\1\x7f\0\x60\0\0"
    b"\2\x24\1\x16wasi_snapshot_preview1\x09proc_exit\0\0\3\2\1\1\7\x0a\1\6_start\0\1"
)
PROGRAMS = {
    "exits.wasm": MODULE + b"\x0a\x08\1\6\0\x41\3\x10\0\x0b",
    "traps.wasm": MODULE + b"\x0a\5\1\3\0\0\x0b",
    "waits.wasm": MODULE + b"\x0a\x09\1\7\0\3\x40\x0c\0\x0b\x0b",
    "empty.wasm": b"",
    "text.wasm": b"<html>not found</html>\n",
    "cut.wasm": MODULE[:40],
    "own.wasm": MODULE + b"\x0a\x08\1\6\0\x41\3\x10\0\x0b" + b"\0\x04\x03own",  # has no code yet
}
# Sleeps for two seconds, then takes 48 MiB and uses them; ends with 7 if it does not get them.
EATS = """
(module
  (import "wasi_snapshot_preview1" "poll_oneoff"
    (func $poll (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (memory (export "memory") 1)
  (func (export "_start") (local $at i32)
    (i32.store (i32.const 16) (i32.const 1))
    (i64.store (i32.const 24) (i64.const 2000000000))
    (drop (call $poll (i32.const 0) (i32.const 64) (i32.const 1) (i32.const 128)))
    (local.set $at (i32.const 65536))
    (loop $more
      (if (i32.eq (memory.grow (i32.const 16)) (i32.const -1)) (then (call $exit (i32.const 7))))
      (memory.fill (local.get $at) (i32.const 1) (i32.const 1048576))
      (local.set $at (i32.add (local.get $at) (i32.const 1048576)))
      (br_if $more (i32.lt_u (local.get $at) (i32.const 50331648))))))
"""

Config = dict[str, Any]
Change = Callable[[Config], None]


@dataclass
class Row:
    """A configuration: the shell's line that is run, and how it differs from `crunw spec`'s."""

    title: str
    line: str
    changes: tuple[Change, ...] = ()
    exec: str = ""  # a line for `exec`, beside the first one, which then must not end
    calls: str = ""  # a shell's lines instead of `run`; `rt` is the runtime


def mount(*, first: bool = False, **fields: Any) -> Change:
    entry = {"type": "tmpfs", "source": "tmpfs", **fields}

    def change(config: Config) -> None:
        config["mounts"].insert(0 if first else len(config["mounts"]), entry)

    return change


def second_root(destination: str) -> Change:
    bind = {"type": "bind", "source": "second", "options": ["rbind"]}
    return mount(first=True, destination=destination, **bind)


def device(**fields: Any) -> Change:
    def change(config: Config) -> None:
        config["linux"]["devices"] = [{"type": "c", "major": 1, "minor": 3, **fields}]
        config["linux"]["resources"] = {"devices": [{"allow": True, "access": "rwm"}]}

    return change


def annotation(name: str, value: str) -> Change:
    return lambda config: config.setdefault("annotations", {}).update({name: value})


def user_namespace(config: Config) -> None:
    linux = config["linux"]
    linux["namespaces"].append({"type": "user"})
    mapping = {"containerID": 0, "hostID": FIRST, "size": 65536}
    linux["uidMappings"] = linux["gidMappings"] = [mapping]


def no_mount_namespace(config: Config) -> None:
    linux = config["linux"]
    linux["namespaces"] = [entry for entry in linux["namespaces"] if entry["type"] != "mount"]


def no_masks(config: Config) -> None:
    config["linux"] |= {"maskedPaths": [], "readonlyPaths": []}


def bind(destination: str, source: str, *options: str) -> Change:
    return mount(
        destination=destination, type="bind", source=f"second/{source}", options=["bind", *options]
    )


def groups(config: Config) -> None:
    config["process"]["user"]["additionalGids"] = [7]


def hook(config: Config) -> None:
    config["hooks"] = {"createRuntime": [{"path": "/bin/echo", "args": ["echo", "hook"]}]}


def failing_hooks(config: Config) -> None:
    """One of `create` succeeds, the next fails; one of `delete` leaves a trace."""
    shell = {"path": "/bin/sh", "args": ["sh", "-c", "echo poststop >/tmp/compare-hooks"]}
    hooks = [{"path": "/bin/true"}, {"path": "/bin/false"}]
    Path("/tmp/compare-hooks").write_text("no hook\n")
    config["hooks"] = {"createRuntime": hooks, "poststop": [shell]}


def denied(name: str) -> Change:
    """A profile that denies one system call."""

    def change(config: Config) -> None:
        rule = {"names": [name], "action": "SCMP_ACT_ERRNO"}
        config["linux"]["seccomp"] = {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [rule]}
        config["process"]["noNewPrivileges"] = False

    return change


def capabilities(**sets: list[str]) -> Change:
    return lambda config: config["process"]["capabilities"].update(sets)


def module(name: str) -> Change:
    def change(config: Config) -> None:
        config["process"]["args"] = [f"/{name}"]
        annotation("module.wasm.image/variant", "compat")(config)

    return change


def memory_limit(config: Config) -> None:
    config["linux"]["cgroupsPath"] = "/compare-memory"
    config["linux"].setdefault("resources", {})["memory"] = {"limit": 32 << 20}


def in_frozen(config: Config) -> None:
    config["linux"]["cgroupsPath"] = "/compare-frozen/inner"


def slow_hook(config: Config) -> None:
    config["hooks"] = {"createRuntime": [{"path": "/bin/sleep", "args": ["sleep", "3"]}]}


DETACHED = "rt run --detach --bundle . compare >/dev/null 2>&1 </dev/null"
SIGNALLED = """
exec "$@" create --bundle . compare >/dev/null 2>&1 </dev/null &
sleep 1; kill -TERM $!; wait $!; status=$?; sleep 3
echo "status $status, $(rt list --quiet | grep -c compare) container"
"""
PAUSED = f"""
{DETACHED}; rt pause compare >/dev/null
rt exec OPTION compare /bin/true 2>&1 & sleep 1
rt resume compare >/dev/null 2>&1; wait $!; echo "status $?"
"""
BELOW = f"""
{DETACHED}
path=$(grep :pids: /proc/$(rt state compare | sed -n 's/.*"pid": *\\([0-9]*\\).*/\\1/p')/cgroup)
mkdir /sys/fs/cgroup/pids${{path#*:pids:}}/inner
rt exec --cgroup OPTION compare /bin/grep -E ':(pids|devices):' /proc/self/cgroup 2>&1
echo "status $?"
"""
FLAGS = "grep ' /d ' /proc/self/mountinfo | cut -d' ' -f6"
LINK = "ls -l {0} | cut -c1; readlink {0}; grep -c ' {0} ' /proc/self/mountinfo"
DEVICE = "stat -c '%A %u:%g %t:%T' /dev/foo"
IDMAP = "idmap=uids=0-100003-1;gids=0-100004-1"
UPDATED = f"""
{DETACHED}; rt update OPTION compare >/dev/null 2>&1; echo "status $?"
"""
FROZEN = """
freezer=/sys/fs/cgroup/freezer/compare-frozen
mkdir -p $freezer; echo FROZEN >$freezer/freezer.state
timeout -s KILL 3 "$@" run --bundle . compare >/dev/null 2>said </dev/null
echo "status $?: $(cat said)"
echo THAWED >$freezer/freezer.state; sleep 1; rt delete --force compare >/dev/null 2>&1
cat $freezer/inner/cgroup.procs 2>/dev/null | xargs -r kill -9; sleep 1
find /sys/fs/cgroup -depth -path '*/compare-frozen*' -type d -delete
"""
TERMINATED = f"""
{DETACHED}; rt kill compare TERM; sleep 2; rt state compare | grep -o '"status": *"[a-z]*"'
"""
ENDED = 'rt run --bundle . compare 2>&1 </dev/null; echo "status $?"'
# The kernel counts whom it has killed in a cgroup, which stays until the container is deleted.
AT_LIMIT = f"""
rt run --bundle . compare >said 2>&1 </dev/null; echo "status $?: $(tail -n 1 said)"
rt delete --force compare >/dev/null 2>&1
{DETACHED}; sleep 5; grep 'oom_kill ' /sys/fs/cgroup/memory/compare-memory/memory.oom_control
"""
GROWS = """
exec 2>said; rt run --bundle . compare >/dev/null </dev/null & sleep 1
rt update --memory 134217728 compare 2>/dev/null; wait $!; echo "status $?: $(tail -n 1 said)"
"""
# Another container in its pid namespace: `kubectl debug --target`.
LOOK = (
    "tr '\\\\0' ' ' </proc/1/cmdline; readlink /proc/1/exe || echo no exe; "
    "ls /proc/1/root/marker || echo no root; ls /proc/1/fd | wc -l"
)
DEBUGGED = f"""
LOOK="{LOOK}"
{DETACHED}
pid=$(rt state compare | sed -n 's/.*"pid": *\\([0-9]*\\).*/\\1/p')
mkdir debugger
jq --arg look "$LOOK" --arg root "$PWD/rootfs" --arg joined "/proc/$pid/ns/pid" '
    .process.args = ["/bin/sh", "-c", $look]
    | (.linux.namespaces[] | select(.type == "pid")).path = $joined
    | .root.path = $root | del(.annotations)' config.json >debugger/config.json
rt run --bundle debugger debugger 2>&1; rt delete --force debugger >/dev/null 2>&1
"""
PODMAN = """
made=$(buildah from scratch); buildah copy --quiet $made rootfs/exits.wasm / >/dev/null
buildah config --os wasi --arch wasm --entrypoint '["/exits.wasm"]' $made
buildah commit --quiet $made compare-wasi >/dev/null 2>&1; buildah rm $made >/dev/null
export PODMAN_IGNORE_CGROUPSV1_WARNING=1
podman --runtime "$(command -v $1)" run --rm --pull=never --platform wasi/wasm compare-wasi \\
    >said 2>&1
echo "status $?: $(tail -n 1 said)"; podman rmi compare-wasi >/dev/null 2>&1
"""
# As conmon does: it reaps what the runtime leaves behind.
ADOPTED = """
python3 -c '
import ctypes, os, subprocess, sys, time
ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)  # PR_SET_CHILD_SUBREAPER
subprocess.run([*sys.argv[1:], "run", "--detach", "--bundle", ".", "compare"],
               stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
time.sleep(1)
children = open(f"/proc/self/task/{os.getpid()}/children").read().split()
names = [open(f"/proc/{child}/comm").read().strip() for child in children]
print("children:", *sorted(names))
' "$@"
"""
BLOCKED = """
python3 -c 'import os, signal, sys
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1, signal.SIGTERM])
os.execvp(sys.argv[1], sys.argv[1:])' "$@" run --bundle . compare 2>&1 </dev/null; echo "status $?"
"""
STARTED = """
rt run --bundle . compare >/dev/null 2>&1 </dev/null; echo "status $?, $(cat /tmp/compare-hooks)"
rm -f /tmp/compare-hooks
"""
ROWS = [
    Row("a mount on /", "ls /marker", (second_root("/"),)),
    Row("a mount on /..", "ls /marker", (second_root("/.."),)),
    Row("a mount on a link to /", "ls /marker", (second_root("/to-root"),)),
    Row("no mount namespace", "ls -d /bin", (no_mount_namespace,)),
    Row("no mount namespace, no masked paths", "ls -d /bin", (no_mount_namespace, no_masks)),
    Row(
        "no mount namespace: exec",
        "sleep 60",
        (no_mount_namespace, no_masks),
        exec="test -e /marker && echo in the container || echo on the host",
    ),
    Row(
        "a mount with neither type nor bind",
        "ls /d",
        (mount(destination="/d", type="", source="second"),),
    ),
    Row(
        "type bind without the option",
        "ls /d",
        (mount(destination="/d", type="bind", source="second"),),
    ),
    Row(
        "two mounts of one destination",
        FLAGS,
        (mount(destination="/d"), mount(destination="/d", options=["ro"])),
    ),
    Row(
        "a remount that does not name nosuid",
        FLAGS,
        (
            mount(destination="/d", options=["nosuid"]),
            mount(destination="/d", options=["remount", "ro"]),
        ),
    ),
    Row("a relative destination", FLAGS, (mount(destination="d"),)),
    Row("a tmpfs on a file", "true", (mount(destination="/file"),)),
    Row(
        "a devpts without options",
        f"ls -l /d/ptmx | cut -c1-10; {FLAGS}",
        (mount(destination="/d", type="devpts", source="devpts"),),
    ),
    Row(
        "idmap=uids=…;gids=…",
        "stat -c %u:%g /d/marker",
        (
            user_namespace,
            mount(destination="/d", type="bind", source="second", options=["bind", IDMAP]),
        ),
    ),
    Row("copy-symlink", LINK.format("/d"), (bind("/d", "link", "copy-symlink"),)),
    Row("copy-symlink of a file", "ls /d", (bind("/d", "marker", "copy-symlink"),)),
    Row(
        "copy-symlink on the same link", "readlink /same", (bind("/same", "link", "copy-symlink"),)
    ),
    Row(
        "copy-symlink on another link",
        "readlink /to-bin",
        (bind("/to-bin", "link", "copy-symlink"),),
    ),
    Row("copy-symlink on a file", "cat /file", (bind("/file", "link", "copy-symlink"),)),
    Row(
        "copy-symlink with src-nofollow",
        LINK.format("/d"),
        (bind("/d", "link", "copy-symlink", "src-nofollow"),),
    ),
    Row(
        "copy-symlink of a file system",
        FLAGS,
        (mount(destination="/d", options=["copy-symlink"]),),
    ),
    Row("src-nofollow", LINK.format("/d"), (bind("/d", "link", "src-nofollow"),)),
    Row(
        "src-nofollow, dest-nofollow",
        LINK.format("/to-file"),
        (bind("/to-file", "link", "src-nofollow", "dest-nofollow"),),
    ),
    Row(
        "src-nofollow, dest-nofollow, rprivate, rw",
        LINK.format("/to-file"),
        (bind("/to-file", "link", "src-nofollow", "dest-nofollow", "rprivate", "rw"),),
    ),
    Row(
        "dest-nofollow on a link",
        "cat /to-file; grep -c . /file",
        (bind("/to-file", "marker", "dest-nofollow"),),
    ),
    Row(
        "dest-nofollow with a directory on a link",
        "ls /to-bin",
        (bind("/to-bin", "bin", "dest-nofollow"),),
    ),
    Row("dest-nofollow, nothing there", "cat /d", (bind("/d", "marker", "dest-nofollow"),)),
    Row(
        "dest-nofollow with a tmpfs on a directory",
        FLAGS,
        (mount(destination="/d", options=["dest-nofollow"]),),
    ),
    Row("a device where a file is", "ls -l /file | cut -c1-10", (device(path="/file"),)),
    Row(
        "a device by another name, user namespace",
        DEVICE,
        (user_namespace, device(path="/dev/foo")),
    ),
    Row(
        "a device with fileMode 0600, user namespace",
        "stat -c %A /dev/null",
        (user_namespace, device(path="/dev/null", fileMode=0o600)),
    ),
    Row(
        "a device that the host lacks, user namespace",
        DEVICE,
        (user_namespace, device(path="/dev/foo", major=200, minor=77)),
    ),
    Row("a FIFO, user namespace", DEVICE, (user_namespace, device(path="/dev/foo", type="p"))),
    Row(
        "run.oci.keep_original_groups",
        "id -G",
        (groups, annotation("run.oci.keep_original_groups", "1")),
    ),
    Row(
        "run.oci.hooks.stdout",
        "true",
        (hook, annotation("run.oci.hooks.stdout", "/tmp/compare-hooks")),
    ),
    Row("TERM during create", "true", (slow_hook,), calls=SIGNALLED),
    Row("exec in a paused container", "sleep 60", calls=PAUSED.replace("OPTION", "")),
    Row("exec --ignore-paused", "sleep 60", calls=PAUSED.replace("OPTION", "--ignore-paused")),
    Row("exec --cgroup PATH", "sleep 60", calls=BELOW.replace("OPTION", "inner")),
    Row("exec --cgroup CONTROLLER:PATH", "sleep 60", calls=BELOW.replace("OPTION", "pids:inner")),
    *[
        Row(f"a profile that denies {name}", "echo it runs", (denied(name),))
        for name in "faccessat2 newfstatat capget setgroups prctl close_range openat2".split()
    ],
    Row(
        "an unknown capability",
        "grep CapEff /proc/self/status",
        (
            capabilities(
                bounding=["CAP_KILL", "CAP_NONE"], effective=["CAP_KILL"], permitted=["CAP_KILL"]
            ),
        ),
    ),
    Row(
        "an ambient capability that is not inheritable",
        "grep CapAmb /proc/self/status",
        (capabilities(ambient=["CAP_KILL"], inheritable=[]),),
    ),
    *[
        Row(f"a module: {name}", "", (module(name),), calls=ENDED)
        for name in PROGRAMS
        if name not in ("waits.wasm", "own.wasm")
    ],
    Row("a module: TERM", "", (module("waits.wasm"),), calls=TERMINATED),
    Row("a module at its memory limit", "", (module("eats.wasm"), memory_limit), calls=AT_LIMIT),
    Row(
        "a module at its memory limit, run.oci.wasm.memory-pages=limit",
        "",
        (
            module("eats.wasm"),
            memory_limit,
            annotation("run.oci.wasm.memory-pages", "limit"),
        ),
        calls=AT_LIMIT,
    ),
    Row(
        "a module at its memory limit, which update raises",
        "",
        (module("eats.wasm"), memory_limit),
        calls=GROWS,
    ),
    Row("a debugging container beside a native program", "sleep 60", calls=DEBUGGED),
    Row("a debugging container beside a module", "", (module("waits.wasm"),), calls=DEBUGGED),
    Row("a module that is new: what the caller adopts", "", (module("own.wasm"),), calls=ADOPTED),
    Row("an image of wasi/wasm, by podman", "", (module("exits.wasm"),), calls=PODMAN),
    Row("a caller that blocks signals", "grep SigBlk /proc/self/status", calls=BLOCKED),
    Row("update --cpu-burst 0", "sleep 60", calls=UPDATED.replace("OPTION", "--cpu-burst 0")),
    Row("a frozen cgroup", "true", (in_frozen,), calls=FROZEN),
    Row("poststop hooks when create fails", "true", (failing_hooks,), calls=STARTED),
    Row("run.oci.seccomp.receiver", "true", (annotation("run.oci.seccomp.receiver", "/run/none"),)),
]


def make_bundle(directory: Path, row: Row) -> None:
    """A bundle with busybox, and beside its root a second one with a file ``marker``."""
    for name in ("rootfs", "second"):
        binaries = directory / name / "bin"
        binaries.mkdir(parents=True)
        shutil.copy(str(shutil.which("busybox")), binaries / "busybox")
        for applet in APPLETS:
            (binaries / applet).symlink_to("busybox")
    (directory / "second/marker").write_text("marker\n")
    (directory / "second/link").symlink_to("marker")
    for name, data in PROGRAMS.items():
        (directory / "rootfs" / name).write_bytes(data)
        (directory / "rootfs" / name).chmod(0o755)
    compile_it = ["wat2wasm", "--enable-all", "-", "-o", directory / "rootfs/eats.wasm"]
    subprocess.run(compile_it, input=EATS, text=True, check=True)
    (directory / "rootfs/eats.wasm").chmod(0o755)
    (directory / "rootfs/file").touch()
    (directory / "rootfs/marker").write_text("the container's\n")
    for name, target in (("root", "/"), ("bin", "bin"), ("file", "file")):
        (directory / f"rootfs/to-{name}").symlink_to(target)
    (directory / "rootfs/same").symlink_to("marker")
    config = json.loads(json.dumps(example(rootless=False)))
    config["process"] |= {"terminal": False, "args": ["/bin/sh", "-c", row.line]}
    config["root"]["readonly"] = False
    for change in row.changes:
        change(config)
    config["mounts"] = [
        {**entry, "source": f"{directory}/{entry['source']}"}
        if entry["source"].startswith("second")
        else entry
        for entry in config["mounts"]
    ]
    if user_namespace in row.changes:
        for path in [directory / "rootfs", *(directory / "rootfs").rglob("*")]:
            os.chown(path, FIRST, FIRST, follow_symlinks=False)
    (directory / "config.json").write_text(json.dumps(config))


def outcome(runtime: str, row: Row) -> str:
    """What is seen of the row: the output, or the error; a warning in parentheses."""
    with tempfile.TemporaryDirectory(prefix="compare-") as name:
        directory = Path(name)
        directory.chmod(0o755)
        make_bundle(directory, row)
        command = [runtime, "--root", f"{name}/state"]
        try:
            seen = summary(run(command, row, directory), name)
        except subprocess.TimeoutExpired:
            seen = "does not end"
        subprocess.run([*command, "delete", "--force", "compare"], capture_output=True, check=False)
        left = unmount_below(name)
        return seen + (f"; leaves {left} mounts on the host" if left else "")


def run(command: list[str], row: Row, directory: Path) -> subprocess.CompletedProcess[str]:
    """Run the row's line; with one for `exec`, that of the detached container."""
    if row.calls:
        script = f'rt() {{ {" ".join(command)} "$@"; }}; {row.calls}'
        return subprocess.run(
            ["sh", "-c", script, "sh", *command], cwd=directory,
            stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
            timeout=PATIENCE,
        )  # fmt: skip
    outputs = [directory / "stdout", directory / "stderr"]
    detach = ["--detach"] if row.exec else []
    verbs = [["run", *detach, "--bundle", str(directory), "compare"]]
    if row.exec:
        verbs.append(["exec", "compare", "/bin/sh", "-c", row.exec])
    for verb in verbs:
        # Files, not pipes: a container that runs on would keep a pipe open.
        with outputs[0].open("w") as stdout, outputs[1].open("w") as stderr:
            done = subprocess.run(
                [*command, *verb],
                stdin=subprocess.DEVNULL, stdout=stdout, stderr=stderr, check=False,
                timeout=PATIENCE,
            )  # fmt: skip
        if done.returncode:
            break
    texts = [path.read_text() for path in outputs]
    return subprocess.CompletedProcess(done.args, done.returncode, *texts)


def summary(done: subprocess.CompletedProcess[str], directory: str) -> str:
    out = " ".join(done.stdout.split())
    lines = [
        re.sub(r'time="[^"]*" level=(\w+) msg=', r"\1: ", line) for line in done.stderr.splitlines()
    ]
    error = lines[-1].replace(directory, "BUNDLE") if lines else ""
    if len(error) > LONGEST:
        error = f"…{error[-LONGEST:]}"  # the cause comes last
    if done.returncode:
        return f"fails: {error or out}"
    return f"{out or 'runs'} ({error})" if error else out or "runs"


def unmount_below(directory: str) -> int:
    """Unmount what a runtime has left there; return how many mounts that are."""
    lines = Path("/proc/self/mountinfo").read_text().splitlines()
    places = [line.split()[4] for line in lines]
    left = [place for place in places if place.startswith(f"{directory}/")]
    for place in reversed(left):
        subprocess.run(["umount", "--lazy", place], check=False)
    return len(left)


def main(words: list[str]) -> None:
    print("| |", " | ".join(RUNTIMES), "|\n|-|-|-|-|")
    for row in ROWS:
        if all(word in row.title for word in words):
            cells = (outcome(runtime, row).replace("|", "\\|") for runtime in RUNTIMES)
            print("|", row.title, "|", " | ".join(cells), "|", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
