"""Configurations out of a seed: each a mixture of a few aspects, always the same for its number."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
CLOSED = ["nosuid", "noexec", "nodev"]
CAPABILITIES = (
    "CHOWN DAC_OVERRIDE FOWNER FSETID KILL SETGID SETUID SETPCAP NET_BIND_SERVICE NET_RAW "
    "SYS_CHROOT MKNOD AUDIT_WRITE SETFCAP SYS_PTRACE SYS_ADMIN NET_ADMIN SYS_NICE DAC_READ_SEARCH "
    "BPF"
).split()
SETS = ("bounding", "effective", "permitted", "inheritable", "ambient")
MASKED = "/proc/kcore /proc/keys /proc/timer_list /sys/firmware /proc/scsi /proc/acpi".split()
READ_ONLY = ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"]
OWN = ["/data", "/data/file", "/data/inner", "/etc/passwd", "/nowhere", "/link", "/data/absolute"]
CALLS = (
    "mkdir chmod getcpu sethostname unshare keyctl bpf ptrace mount sync getpriority socket clone3 "
    "io_uring_setup reboot openat2"
).split()

DENIED = (
    "faccessat2 newfstatat statx capget capset setgroups setresuid setresgid prctl openat2 "
    "close_range fcntl keyctl setns unshare umask personality prlimit64 sched_setattr ioprio_set "
    "chdir fchdir readlinkat getdents64 dup3 socket sethostname setsid getpid arch_prctl"
).split()


@dataclass
class Case:
    """One container: its configuration, and what is done with it."""

    number: int
    config: dict[str, Any]
    verb: str = "create"  # or "run"
    options: list[str] = field(default_factory=list)
    actions: list[str] = field(default_factory=list)  # what the probe is asked for
    signal: str = ""  # what the container is killed with
    owner: int = 0  # of the rootfs
    exec: dict[str, Any] | None = None  # another process
    terminal: bool = False
    caller: str = ""  # what a shell does before it becomes the runtime of `create` or `run`
    aspects: list[str] = field(default_factory=list)

    @property
    def process(self) -> dict[str, Any]:
        return self.config["process"]

    @property
    def linux(self) -> dict[str, Any]:
        return self.config["linux"]

    def has(self, kind: str) -> bool:
        """Whether it has a namespace of that kind for itself, or joins one."""
        return any(space["type"] == kind for space in self.linux["namespaces"])

    def mount(self, destination: str, kind: str, source: str, options: list[str]) -> dict[str, Any]:
        added = {"destination": destination, "type": kind, "source": source, "options": options}
        self.config["mounts"].append(added)
        return added


class Generator:
    """The aspects, and what they are given: what the host has.

    ``places`` names directories of the host: "sources" (with ``dir``, ``file``, ``tree`` and a
    mount ``tree/inner``), "bundle"; ``joined`` namespaces by kind.
    """

    def __init__(self, seed: str, places: dict[str, str], joined: dict[str, str]) -> None:
        self.seed = seed
        self.places = places
        self.joined = joined
        self.random = random.Random()  # noqa: S311  (what is wanted is the same each time)

    def case(self, number: int) -> Case:
        """The case of that number. Every aspect is the main one of some cases.

        The first :data:`FIRST_CASES` stay as they are when aspects are added to the others.
        """
        self.random.seed(f"{self.seed}/{number}")
        case = Case(number, self.base())
        names = list(ASPECTS)
        main = names[: -len(ADDED)] if number < FIRST_CASES else ADDED
        chosen = {main[number % len(main)]}
        others = names[: -len(ADDED)] if number < FIRST_CASES else names
        chosen.update(self.random.sample(others, self.random.randint(1, 5)))
        for name in names:  # in this order: a later one knows what an earlier one has done
            if name in chosen:
                ASPECTS[name](self, case)
                case.aspects.append(name)
        case.process["args"] += case.actions
        return case

    def base(self) -> dict[str, Any]:
        spaces = [{"type": kind} for kind in ("pid", "ipc", "uts", "mount", "network")]
        return {
            "ociVersion": "1.0.2",
            "process": {
                "terminal": False,
                "user": {"uid": 0, "gid": 0},
                "args": ["/probe"],
                "env": [PATH, "TERM=xterm"],
                "cwd": "/",
                "capabilities": {
                    name: ["CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE"]
                    for name in ("bounding", "effective", "permitted")
                },
                "rlimits": [{"type": "RLIMIT_NOFILE", "hard": 1024, "soft": 1024}],
                "noNewPrivileges": True,
            },
            "root": {"path": "rootfs", "readonly": False},
            "hostname": "differential",
            "mounts": [
                {"destination": "/proc", "type": "proc", "source": "proc"},
                {
                    "destination": "/dev",
                    "type": "tmpfs",
                    "source": "tmpfs",
                    "options": ["nosuid", "strictatime", "mode=755", "size=65536k"],
                },
            ],
            "linux": {
                "namespaces": spaces,
                "cgroupsPath": "/crunw-differential",
                "resources": {"devices": [{"allow": False, "access": "rwm"}]},
            },
        }

    def maybe(self, probability: float = 0.5) -> bool:
        return self.random.random() < probability

    def some(self, values: list[Any], least: int = 0, most: int = 99) -> list[Any]:
        count = self.random.randint(least, max(least, min(len(values), most)))
        return self.random.sample(values, min(count, len(values)))

    # --- Namespaces -------------------------------------------------------------------------------

    def namespaces(self, case: Case) -> None:
        choose = self.random
        spaces = [{"type": "mount"}]
        for kind in ("pid", "ipc", "uts", "network", "cgroup", "time"):
            how = choose.choice(["new", "new", "new", "host", "joined"])
            if how == "new" and kind == "time" and self.maybe(0.7):
                how = "host"
            if how == "new":
                spaces.append({"type": kind})
            elif how == "joined" and kind in self.joined:
                spaces.append({"type": kind, "path": self.joined[kind]})
        choose.shuffle(spaces)
        case.linux["namespaces"] = spaces
        if not case.has("uts") and self.maybe(0.8):
            del case.config["hostname"]
        if any(space == {"type": "time"} for space in spaces):
            case.linux["timeOffsets"] = {
                "monotonic": {"secs": choose.randint(1, 99999), "nanosecs": 5},
                "boottime": {"secs": choose.randint(1, 99999)},
            }

    def user_namespace(self, case: Case) -> None:
        case.linux["namespaces"].append({"type": "user"})
        first = self.random.choice([100000, 200000])
        size = self.random.choice([1000, 65536])
        maps = [{"containerID": 0, "hostID": first, "size": size}]
        if self.maybe(0.3):
            maps = [
                {"containerID": 0, "hostID": first, "size": 10},
                {"containerID": 10, "hostID": first + 500, "size": 990},
            ]
        case.linux["uidMappings"] = maps
        case.linux["gidMappings"] = maps
        case.owner = first if self.maybe(0.7) else 0

    def names(self, case: Case) -> None:
        case.config["hostname"] = self.random.choice(["a", "with-dash", "x.example.org", "h" * 64])
        if self.maybe():
            case.config["domainname"] = "example.org"

    # --- The process ------------------------------------------------------------------------------

    def user(self, case: Case) -> None:
        ids = [0, 1, 7, 500, 999]
        user = {"uid": self.random.choice(ids), "gid": self.random.choice(ids)}
        if self.maybe():
            user["additionalGids"] = self.some([0, 5, 7, 20, 33, 999], 1)
        if self.maybe():
            user["umask"] = self.random.choice([0, 0o22, 0o27, 0o77, 0o7])
        case.process["user"] = user
        case.actions += ["make:/data/made", "make:/tmp/made"]

    def capabilities(self, case: Case) -> None:
        if self.maybe(0.1):
            del case.process["capabilities"]
            return
        known = [f"CAP_{name}" for name in CAPABILITIES]
        bounding = self.some(known)
        permitted = self.some(bounding)
        inheritable = self.some(permitted)
        given = {
            "bounding": bounding,
            "permitted": permitted,
            "inheritable": inheritable,
            "effective": self.some(permitted),
            "ambient": self.some(inheritable) if self.maybe(0.8) else self.some(known, 1, 3),
        }
        case.process["capabilities"] = {
            name: given[name] for name in SETS if self.maybe(0.85) or given[name]
        }
        if self.maybe(0.1):
            given["bounding"].append("CAP_OF_NOBODY")
        case.actions += ["make:/tmp/made", "call:sethostname", "call:ptrace"]

    def limits(self, case: Case) -> None:
        values = {
            "CPU": 1000,
            "FSIZE": 1 << 30,
            "DATA": 1 << 32,
            "STACK": 8 << 20,
            "CORE": 0,
            "NPROC": 5000,
            "NOFILE": 2000,
            "MEMLOCK": 65536,
            "AS": 1 << 40,
            "LOCKS": 100,
            "SIGPENDING": 1000,
            "MSGQUEUE": 10000,
            "RTTIME": 1000000,
        }
        case.process["rlimits"] = limits = []
        for name in self.some(list(values), 1, 7):
            hard = values[name]
            soft = hard // self.random.choice([1, 2])
            limits.append({"type": f"RLIMIT_{name}", "hard": hard, "soft": soft})
        if self.maybe(0.15):
            limits.append(
                self.random.choice(
                    [
                        {"type": "RLIMIT_NOFILE", "hard": 10, "soft": 20},
                        {"type": "RLIMIT_NOTHING", "hard": 10, "soft": 10},
                        {"type": "RLIMIT_NICE", "hard": 40, "soft": 40},
                        {"type": "NOFILE", "hard": 10, "soft": 10},
                        {"type": "RLIMIT_CORE", "hard": 2**64 - 1, "soft": 2**64 - 1},
                    ]
                )
            )

    def environment(self, case: Case) -> None:
        values = [
            PATH,
            "HOME=/somewhere",
            "EMPTY=",
            "QUOTED=a b'\"c",
            "UNICODE=größe",
            "A=1",
            "A=2",
        ]
        values += ["TERM=dumb", "container=oci", "LINE=one\ntwo", "EQUAL==="]
        case.process["env"] = self.some(values)
        if self.maybe(0.1):
            case.process["env"].append("without-equals")
        if self.maybe(0.05):
            del case.process["env"]

    def directory(self, case: Case) -> None:
        places = [
            "/data",
            "/data/inner",
            "/new/deep",
            "/tmp",
            "/dev",
            "/proc/self",
            "/link",
            "/data/",
        ]
        places += ["/data/file", "relative", "/data/../etc"]
        case.process["cwd"] = self.random.choice(places)

    def program(self, case: Case) -> None:
        args = case.process["args"]
        args[0] = self.random.choice(
            [
                "probe",
                "./probe",
                "/bin/script",
                "script",
                "/data/file",
                "/nowhere",
                "/data",
                "nobody",
                "/bin/../probe",
                "/bin/linked",
                "/bin/closed",
            ]
        )
        if args[0] == "probe" and self.maybe():
            case.process["env"] = ["PATH=/elsewhere:/"]

    def score(self, case: Case) -> None:
        case.process["oomScoreAdj"] = self.random.choice([0, 1, 100, 999, 1000])

    def privileges(self, case: Case) -> None:
        case.process["noNewPrivileges"] = self.maybe()

    def scheduling(self, case: Case) -> None:
        choose = self.random.choice
        if self.maybe(0.6):
            case.process["scheduler"] = choose(
                [
                    {"policy": "SCHED_OTHER", "nice": 5},
                    {"policy": "SCHED_BATCH", "nice": 3},
                    {"policy": "SCHED_IDLE"},
                    {"policy": "SCHED_BATCH", "flags": ["SCHED_FLAG_RESET_ON_FORK"]},
                    {"policy": "SCHED_OTHER", "nice": 30},
                ]
            )
        if self.maybe(0.6):
            case.process["ioPriority"] = {
                "class": choose(["IOPRIO_CLASS_BE", "IOPRIO_CLASS_IDLE"]),
                "priority": choose([0, 3, 7]),
            }
        if self.maybe(0.3):
            case.linux["personality"] = {"domain": choose(["LINUX", "LINUX32"])}

    # --- Mounts -----------------------------------------------------------------------------------

    def kernel_mounts(self, case: Case) -> None:
        case.mount(
            "/dev/pts",
            "devpts",
            "devpts",
            [
                "nosuid",
                "noexec",
                "newinstance",
                "ptmxmode=0666",
                "mode=0620",
                *self.some(["gid=5", "ro"], 0, 1),
            ],
        )
        case.mount("/dev/shm", "tmpfs", "shm", [*CLOSED, "mode=1777", "size=65536k"])
        if self.maybe():
            case.mount("/dev/mqueue", "mqueue", "mqueue", CLOSED)
        if self.maybe():
            case.mount("/sys", "sysfs", "sysfs", [*CLOSED, *self.some(["ro"])])
        if self.maybe():
            case.config["mounts"][0]["options"] = self.some(
                [*CLOSED, "ro", "hidepid=2", "subset=pid", "relatime"]
            )
        if self.maybe(0.1):
            del case.config["mounts"][self.random.randrange(2)]

    def cgroup_mount(self, case: Case) -> None:
        if not any(mount["destination"] == "/sys" for mount in case.config["mounts"]):
            case.mount("/sys", "sysfs", "sysfs", [*CLOSED, "ro"])
        options = [*CLOSED, *self.some(["relatime", "ro"])]
        case.mount("/sys/fs/cgroup", "cgroup", "cgroup", options)
        case.actions += ["look:/sys/fs/cgroup", "look:/sys/fs/cgroup/memory"]
        case.actions += ["text:/sys/fs/cgroup/pids/pids.max", "look:/sys/fs/cgroup/pids/pids.max"]

    def tmpfs(self, case: Case) -> None:
        options = (
            "size=4m mode=750 mode=1777 nr_inodes=100 uid=7 gid=8 nosuid nodev noexec ro noatime"
        )
        options += (
            " relatime strictatime nodiratime sync dirsync rw suid dev exec tmpcopyup private"
        )
        options += " shared nosymfollow defaults size=50% lazytime"
        for place in self.some(["/tmp", "/data", "/new/tmpfs", "/data/inner", "/link"], 1, 3):
            case.mount(place, "tmpfs", "tmpfs", self.some(options.split(), 0, 6))
            case.actions += [f"look:{place}", f"make:{place}/made"]

    def bind(self, case: Case) -> None:
        sources = self.places["sources"]
        options = (
            "ro nosuid nodev noexec noatime nodiratime relatime rw private rprivate slave rslave "
        )
        options += "shared rshared unbindable rro rnosuid rnoexec nosymfollow suid exec rrw rsuid"
        for _ in range(self.random.randint(1, 3)):
            name = self.random.choice(["dir", "file", "tree", "link", "nothing"])
            place = "/data/file" if name == "file" and self.maybe() else ""
            place = place or self.random.choice(
                ["/mnt", "/new/bound", "/link", "/data/inner", "/a/../b"]
            )
            kind = self.random.choice(["bind", "none", ""])
            how = self.random.choice(["bind", "rbind"])
            added = case.mount(
                place, kind, f"{sources}/{name}", [how, *self.some(options.split(), 0, 4)]
            )
            if not kind:
                del added["type"]
            case.actions += [f"look:{place}", f"look:{place}/inner"]
            if name != "file":
                case.actions.append(f"make:{place}/made")

    def mapped_mount(self, case: Case) -> None:
        sources = self.places["sources"]
        mapped = case.mount("/mapped", "bind", f"{sources}/dir", ["bind"])
        if case.has("user") and self.maybe():
            mapped["options"].append("idmap")
        else:
            maps = [{"containerID": 0, "hostID": 1000, "size": 1000}]
            mapped["uidMappings"] = mapped["gidMappings"] = maps
        case.actions += ["look:/mapped", "look:/mapped/own", "make:/mapped/made"]

    def overlay(self, case: Case) -> None:
        sources = self.places["sources"]
        case.mount("/over", "overlay", "overlay", [f"lowerdir={sources}/dir:{sources}/tree"])
        case.actions += ["look:/over", "make:/over/made"]

    def propagation(self, case: Case) -> None:
        case.linux["rootfsPropagation"] = self.random.choice(
            "shared slave private unbindable rshared rslave rprivate runbindable".split()
        )

    def root(self, case: Case) -> None:
        case.config["root"] = {
            "path": self.random.choice(["rootfs", f"{self.places['bundle']}/rootfs", "./rootfs/"]),
            "readonly": self.maybe(0.7),
        }
        case.actions += ["make:/tmp/made", "look:/"]

    def paths(self, case: Case) -> None:
        masked = self.some(MASKED + OWN, 0, 6)
        read_only = self.some(READ_ONLY + OWN, 0, 6)
        case.linux["maskedPaths"] = masked
        case.linux["readonlyPaths"] = read_only
        case.actions += [f"look:{path}" for path in sorted({*masked, *read_only})]

    def devices(self, case: Case) -> None:
        kinds = [
            {"path": "/dev/mine", "type": "c", "major": 1, "minor": 3},
            {"path": "/dev/deep/mine", "type": "c", "major": 10, "minor": 229, "fileMode": 0o600},
            {
                "path": "/dev/block",
                "type": "b",
                "major": 7,
                "minor": 0,
                "fileMode": 0o640,
                "gid": 6,
            },
            {"path": "/dev/pipe", "type": "p", "fileMode": 0o622, "uid": 7, "gid": 8},
            {"path": "/dev/raw", "type": "u", "major": 1, "minor": 5},
            {"path": "/dev/null", "type": "c", "major": 1, "minor": 3, "fileMode": 0o600},
            {"path": "/outside", "type": "c", "major": 1, "minor": 7},
        ]
        case.linux["devices"] = made = self.some(kinds, 1, 5)
        rules = [
            {"allow": False, "access": "rwm"},
            {"allow": True, "access": "rwm"},
            {"allow": True, "type": "c", "major": 1, "minor": 3, "access": "rw"},
            {"allow": True, "type": "c", "major": 10, "access": "r"},
            {"allow": True, "type": "b", "access": "m"},
            {"allow": True, "type": "c", "access": "rwm"},
            {"allow": False, "type": "c", "major": 1, "minor": 5, "access": "w"},
        ]
        if self.maybe(0.7):
            chosen = (
                [rules[0], *self.some(rules[2:], 0, 4)] if self.maybe(0.8) else self.some(rules)
            )
            case.linux["resources"]["devices"] = chosen
        case.actions += [f"open:{device['path']}" for device in made]
        case.actions += ["open:/dev/null", "open:/dev/full", "open:/dev/zero", "open:/dev/tty"]

    # --- The kernel -------------------------------------------------------------------------------

    def sysctl(self, case: Case) -> None:
        known = {
            "kernel.msgmax": "9000",
            "kernel.shm_rmid_forced": "1",
            "net.ipv4.ip_unprivileged_port_start": "80",
            "net.ipv4.ip_forward": "1",
            "net/ipv4/ip_default_ttl": "33",
            "fs.mqueue.msg_max": "11",
            "kernel.domainname": "by.sysctl",
        }
        names = self.some(list(known), 1, 4)
        if self.maybe(0.1):
            known["kernel.panic"] = "0"
            names.append("kernel.panic")
        case.linux["sysctl"] = {name: known[name] for name in names}
        for name in names:
            case.actions.append(f"text:/proc/sys/{name.replace('.', '/')}")

    def seccomp(self, case: Case) -> None:
        choose = self.random.choice
        calls = self.some(CALLS, 2, 8)
        rules = []
        for names in (calls[::2], calls[1::2]):
            action = choose(["ERRNO", "ERRNO", "ERRNO", "LOG", "ALLOW", "KILL_PROCESS", "TRAP"])
            rule: dict[str, Any] = {"names": names, "action": f"SCMP_ACT_{action}"}
            if action == "ERRNO" and self.maybe():
                rule["errnoRet"] = choose([1, 38, 99, 0])
            if self.maybe(0.3):
                rule["args"] = [
                    {"index": 0, "value": choose([0, 5, 2**32 - 1, 2**64 - 1]), "op": "SCMP_CMP_EQ"}
                ]
            rules.append(rule)
        case.linux["seccomp"] = filter_ = {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": rules}
        if self.maybe():
            filter_["architectures"] = ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"]
        if self.maybe(0.2):
            filter_["flags"] = self.some(
                ["SECCOMP_FILTER_FLAG_LOG", "SECCOMP_FILTER_FLAG_SPEC_ALLOW"]
            )
        if self.maybe(0.2):
            rules[0]["names"].append("call_of_the_future")
        case.actions += [f"call:{name}" for name in calls]

    def resources(self, case: Case) -> None:
        choose = self.random.choice
        given = case.linux["resources"]
        if self.maybe(0.6):
            memory = {
                "limit": 64 << 20,
                "reservation": 32 << 20,
                "swap": 128 << 20,
                "swappiness": 30,
            }
            memory |= {"disableOOMKiller": True, "checkBeforeUpdate": True, "useHierarchy": True}
            given["memory"] = {name: memory[name] for name in self.some(list(memory), 1, 3)}
        if self.maybe(0.6):
            cpu = {
                "shares": choose([2, 512, 300000]),
                "quota": 50000,
                "period": 100000,
                "cpus": "0",
            }
            cpu |= {"mems": "0", "idle": 1, "burst": 1000}
            given["cpu"] = {name: cpu[name] for name in self.some(list(cpu), 1, 4)}
        if self.maybe():
            given["pids"] = {"limit": choose([0, 50, 500, -1])}
        if self.maybe(0.3):
            given["blockIO"] = choose(
                [
                    {"weight": 500},
                    {"throttleReadBpsDevice": [{"major": 7, "minor": 0, "rate": 1 << 20}]},
                ]
            )
        if self.maybe(0.1):
            given["unified"] = {"memory.high": "1000000"}
        if self.maybe(0.2):
            case.linux["cgroupsPath"] = choose(
                ["crunw-differential/deep", "/crunw-differential/a/b"]
            )

    # --- Around it --------------------------------------------------------------------------------

    def hooks(self, case: Case) -> None:
        log = f"{self.places['bundle']}/rootfs/hooks"
        case.config["hooks"] = hooks = {}
        for name in self.some(
            "prestart createRuntime createContainer startContainer poststart poststop".split(), 1, 4
        ):
            inside = name == "startContainer"
            entry: dict[str, Any] = {
                "path": "/probe" if inside else f"{self.places['bundle']}/rootfs/probe",
                "args": ["hook", f"hook:{name}", f"to:{'/hooks' if inside else log}"],
            }
            if self.maybe():
                entry["env"] = ["HOOK=yes"]
            if self.maybe(0.3):
                entry["timeout"] = 10
            if self.maybe(0.1):
                entry["args"].append("exit:5")
            if self.maybe(0.1):
                del entry["args"]
            hooks[name] = [entry]

    def annotations(self, case: Case) -> None:
        given = {"org.example.one": "1", "org.example.two": "", "with space": "größe"}
        case.config["annotations"] = given

    def ending(self, case: Case) -> None:
        """It ends of itself, with a status or a signal."""
        case.actions.append(
            self.random.choice(["exit:0", "exit:3", "exit:255", "signal:9", "signal:15"])
        )
        case.verb = self.random.choice(["create", "run"])

    def killed(self, case: Case) -> None:
        case.actions = [*self.endless(case), "wait"]
        case.verb = "create"
        case.signal = self.random.choice(["KILL", "SIGUSR1", "TERM", "9", "10", "NOTHING"])

    def endless(self, case: Case) -> list[str]:
        return [each for each in case.actions if not each.startswith(("exit:", "signal:"))]

    def executed(self, case: Case) -> None:
        """A second process, with what an exec may ask for."""
        if not case.signal:
            case.actions = [*self.endless(case), "wait"]
            case.signal = "KILL"
        case.verb = "create"
        other = Case(case.number, {"process": dict(self.base()["process"]), "linux": {}})
        other.linux["namespaces"] = []
        names = "user capabilities limits environment privileges score".split()
        for name in self.some(names, 0, 4):
            ASPECTS[name](self, other)
        # Of what there is: crun 1.21 can't kill a container in which an exec has failed.
        other.process["cwd"] = self.random.choice(["/", "/data", "/tmp"])
        other.process["args"][0] = self.random.choice(["/probe", "/bin/linked"])
        if "without-equals" in other.process.get("env", ()):
            other.process["env"].remove("without-equals")
        ending = self.random.choice(["exit:0", "exit:9", "signal:9"])
        other.process["args"] += [*other.actions, ending]
        case.exec = other.process

    def console(self, case: Case) -> None:
        if not any(mount["destination"] == "/dev/pts" for mount in case.config["mounts"]):
            case.mount(
                "/dev/pts", "devpts", "devpts", ["newinstance", "ptmxmode=0666", "mode=0620"]
            )
        case.process["terminal"] = True
        if self.maybe():
            case.process["consoleSize"] = {"height": 11, "width": 22}
        case.process["args"].append("to:/observed")
        case.verb = "create"
        case.terminal = True

    # --- What callers rely on ---------------------------------------------------------------------

    def caller(self, case: Case) -> None:
        """Descriptors, signals and a umask that whoever calls the runtime has."""
        signals = self.some(["HUP", "INT", "USR1", "USR2", "PIPE", "WINCH"], 0, 3)
        preserved = self.random.randint(0, 2)
        opened = preserved + self.random.randint(0, 2)
        case.caller = "; ".join(
            [
                f"umask {self.random.choice(['0', '022', '077'])}",
                *[f"exec {3 + number}</dev/null" for number in range(opened)],
                *[f"trap '' {name}" for name in signals],
            ]
        )
        if preserved:
            case.options += ["--preserve-fds", str(preserved)]
        case.actions.append("make:/tmp/made")

    def denied(self, case: Case) -> None:
        """A profile that denies one system call, which a runtime may need after it is in force."""
        rule = {"names": [self.random.choice(DENIED)], "action": "SCMP_ACT_ERRNO"}
        case.linux["seccomp"] = {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [rule]}

    def odd_mounts(self, case: Case) -> None:
        for _ in range(self.random.randint(1, 2)):
            place = self.random.choice(["/tmp", "data", "/data/file", "/a/../data", "/link/../b"])
            options = self.some(["nosuid", "nodev", "noexec", "ro", "size=1m"], 0, 2)
            case.mount(place, "tmpfs", "tmpfs", options)
            if self.maybe():
                kind = self.random.choice(["tmpfs", "bind", ""])
                changed = self.some(["ro", "nosuid", "noexec"], 1, 2)
                case.mount(place, kind, "tmpfs", ["remount", *self.some(["bind"]), *changed])
            target = place if place.startswith("/") else f"/{place}"
            case.actions += [f"look:{target}", f"make:{target}/made"]

    def links(self, case: Case) -> None:
        """A bind mount of a link that is not to be followed."""
        place = self.random.choice(["/new/link", "/link", "/data/absolute", "/data/file", "/mnt"])
        name = self.random.choice(["link", "link", "file", "dir"])
        options = self.some(["ro", "nosuid", "rprivate", "private"], 0, 2)
        source = f"{self.places['sources']}/{name}"
        case.mount(place, "bind", source, ["rbind", "copy-symlink", *options])
        case.actions += [f"look:{place}", f"look:{place}/own"]


ADDED = ["caller", "denied", "odd_mounts", "links"]
FIRST_CASES = 186
ASPECTS: dict[str, Callable[[Generator, Case], None]] = {
    name: getattr(Generator, name)
    for name in (
        "namespaces user_namespace names user capabilities limits environment directory program "
        "score privileges scheduling kernel_mounts cgroup_mount tmpfs bind mapped_mount overlay "
        "propagation root paths devices sysctl seccomp resources hooks annotations ending killed "
        "executed console caller denied odd_mounts links"
    ).split()
}
