"""Rules across fields: what no table of types can say. The types have been checked before.

Every function raises SpecError with the field that has to change.
"""

from __future__ import annotations

from crunw.errors import SpecError
from crunw.oci.check import show
from crunw.oci.queries import is_bind
from crunw.oci.resources import check_resources

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crunw.oci.model import (
        IdMapping,
        Linux,
        MemoryPolicy,
        Mount,
        Process,
        Scheduler,
        Seccomp,
        Spec,
    )

# Of a processor or a memory node: NR_CPUS and MAX_NUMNODES of any kernel are smaller.
_MAX_NUMBER = 65535
_IFNAMSIZ = 16

# Sysctls that belong to a namespace: runc's and crun's list.
IPC_SYSCTLS = frozenset(
    (
        "kernel/msgmax",
        "kernel/msgmnb",
        "kernel/msgmni",
        "kernel/sem",
        "kernel/shmall",
        "kernel/shmmax",
        "kernel/shmmni",
        "kernel/shm_rmid_forced",
    )
)


def check_spec(spec: Spec) -> None:
    """Check the whole document."""
    _version(spec["ociVersion"])
    check_process(spec["process"])
    linux = spec["linux"]
    namespaces = _namespaces(linux)
    if "mount" not in namespaces:
        problem = "a mount namespace is required (its mounts would be the host's)"
        raise SpecError("linux.namespaces", problem)
    _names(spec, namespaces)
    _net_devices(linux, namespaces)
    _mappings(linux, namespaces)
    check_mounts(spec.get("mounts", []))
    for key in linux.get("sysctl", ()):
        _sysctl(key, namespaces)
    _devices(linux)
    if ".." in linux.get("cgroupsPath", "").split("/"):
        raise SpecError("linux.cgroupsPath", f"must not go up ('..'), is {linux['cgroupsPath']!r}")
    if "memoryPolicy" in linux:
        _memory_policy(linux["memoryPolicy"])
    if "seccomp" in linux:
        _seccomp(linux["seccomp"])
    if "resources" in linux:
        check_resources(linux["resources"])


def check_process(process: Process) -> None:
    """Check ``process``, of config.json or of ``exec --process``."""
    if not process["args"][0]:
        raise SpecError("process.args[0]", "must not be empty")
    seen: set[str] = set()
    for index, limit in enumerate(process.get("rlimits", ())):
        field = f"process.rlimits[{index}]"
        if limit["type"] in seen:
            raise SpecError(f"{field}.type", f"{limit['type']} is given twice")
        seen.add(limit["type"])
        if limit["soft"] > limit["hard"]:
            raise SpecError(
                f"{field}.soft", f"{limit['soft']} is above the hard limit {limit['hard']}"
            )
    if "scheduler" in process:
        _scheduler(process["scheduler"])
    affinity = process.get("execCPUAffinity", {})
    _highest(affinity.get("initial", ""), "process.execCPUAffinity.initial")
    _highest(affinity.get("final", ""), "process.execCPUAffinity.final")


def _highest(text: str, field: str) -> None:
    """A mask has a bit for each number up to the highest: no list may ask for gigabytes."""
    numbers = filter(str.strip, text.replace("-", ",").split(","))
    if any(int(number) > _MAX_NUMBER for number in numbers):
        raise SpecError(field, f"must be below {_MAX_NUMBER + 1}, is {show(text)}")


def _scheduler(scheduler: Scheduler) -> None:
    """sched(7): which policy takes which parameters. The kernel has no SCHED_ISO."""
    policy = scheduler["policy"]
    field = "process.scheduler"
    if policy == "SCHED_ISO":
        raise SpecError(f"{field}.policy", "SCHED_ISO is not implemented by Linux")
    if scheduler.get("priority") and policy not in ("SCHED_FIFO", "SCHED_RR"):
        raise SpecError(f"{field}.priority", f"means nothing with {policy}")
    for key in ("runtime", "deadline", "period"):
        if scheduler.get(key) and policy != "SCHED_DEADLINE":
            raise SpecError(f"{field}.{key}", f"means nothing with {policy}")


def _memory_policy(policy: MemoryPolicy) -> None:
    """set_mempolicy(2): which mode takes nodes."""
    mode, nodes = policy["mode"], policy.get("nodes", "").strip()
    if nodes and mode in ("MPOL_DEFAULT", "MPOL_LOCAL"):
        raise SpecError("linux.memoryPolicy.nodes", f"means nothing with {mode}")
    _highest(nodes, "linux.memoryPolicy.nodes")
    if not nodes and mode not in ("MPOL_DEFAULT", "MPOL_LOCAL", "MPOL_PREFERRED"):
        raise SpecError("linux.memoryPolicy.nodes", f"is required by {mode}")


def _version(version: str) -> None:
    core = version.partition("+")[0].partition("-")[0].split(".")
    if len(core) != 3 or not all(part.isascii() and part.isdigit() for part in core):
        raise SpecError("ociVersion", f"must be a version such as '1.2.0', is {show(version)}")
    if core[0] != "1":
        raise SpecError("ociVersion", f"version {show(version)} is not supported, only 1.x is")


def _namespaces(linux: Linux) -> dict[str, str]:
    """The namespaces by type, each with the path to join ("": a new one)."""
    found: dict[str, str] = {}
    for index, namespace in enumerate(linux.get("namespaces", ())):
        if namespace["type"] in found:
            raise SpecError(
                f"linux.namespaces[{index}].type", f"namespace '{namespace['type']}' is given twice"
            )
        found[namespace["type"]] = namespace.get("path", "")
    return found


def _names(spec: Spec, namespaces: dict[str, str]) -> None:
    for key, name in (
        ("hostname", spec.get("hostname", "")),
        ("domainname", spec.get("domainname", "")),
    ):
        if name and "uts" not in namespaces:
            raise SpecError(key, "needs a uts namespace in linux.namespaces")
        if len(name.encode()) > 64:
            raise SpecError(key, f"must be at most 64 bytes long, is {show(name)}")


def _mappings(linux: Linux, namespaces: dict[str, str]) -> None:
    """Check what user_namespaces(7) and time_namespaces(7) want.

    A new user namespace may come without mappings: the runtime then chooses them, as the config of
    `crun spec --rootless` expects.
    """
    uids, gids = linux.get("uidMappings", []), linux.get("gidMappings", [])
    for key, mappings, other in (
        ("linux.uidMappings", uids, gids),
        ("linux.gidMappings", gids, uids),
    ):
        if mappings and "user" not in namespaces:
            raise SpecError(key, "needs a user namespace in linux.namespaces")
        if other and not mappings and "user" in namespaces:
            raise SpecError(key, "is required with the other mapping")
        _ranges(mappings, key)
    offsets = linux.get("timeOffsets", {})
    for clock in offsets:
        if clock not in ("monotonic", "boottime"):
            raise SpecError("linux.timeOffsets", f"unknown clock {show(clock)}")
    if offsets and namespaces.get("time") != "":
        raise SpecError("linux.timeOffsets", "needs a new time namespace in linux.namespaces")


def _ranges(mappings: list[IdMapping], field: str) -> None:
    inside = [(mapping["containerID"], mapping["size"]) for mapping in mappings]
    outside = [(mapping["hostID"], mapping["size"]) for mapping in mappings]
    for side, ranges in (("containerID", sorted(inside)), ("hostID", sorted(outside))):
        end = 0
        for first, size in ranges:
            if first < end:
                raise SpecError(field, f"ranges overlap at {side} {first}")
            end = first + size
        if end > 0xFFFFFFFF:
            raise SpecError(field, f"a range ends above the last {side}, 4294967294")


def check_mounts(mounts: list[Mount]) -> None:
    """Check ``mounts``, one by one."""
    for index, mount in enumerate(mounts):
        _mount(mount, f"mounts[{index}]")


def _mount(mount: Mount, field: str) -> None:
    options = mount.get("options", ())
    bind = is_bind(mount)
    if "remount" not in options:  # which takes what is mounted there already
        if bind and not mount.get("source"):
            raise SpecError(f"{field}.source", "is required for a bind mount")
        if not bind and not mount.get("type"):
            raise SpecError(f"{field}.type", "is required unless it is a bind mount")
    uids, gids = bool(mount.get("uidMappings")), bool(mount.get("gidMappings"))
    if uids != gids:
        missing = "gidMappings" if uids else "uidMappings"
        raise SpecError(f"{field}.{missing}", "is required with the other mapping")


def sysctl_path(key: str) -> str:
    """The path below /proc/sys of a sysctl, as sysctl(8) reads its name.

    The separator is whichever of ``.`` and ``/`` comes first; the other one then means a ``.``
    in a file name: ``net.ipv4.conf.eth0/1.forwarding`` is ``net/ipv4/conf/eth0.1/forwarding``.
    """
    dot, slash = key.find("."), key.find("/")
    if dot >= 0 and (slash < 0 or dot < slash):
        return key.translate({ord("."): "/", ord("/"): "."})
    return key


def _sysctl(key: str, namespaces: dict[str, str]) -> None:
    field = f"linux.sysctl[{show(key)}]"
    path = sysctl_path(key)
    if any(part in ("", ".", "..") for part in path.split("/")):
        raise SpecError(field, "is not the name of a sysctl")
    if path == "kernel/hostname":
        raise SpecError(field, "belongs in the field hostname")
    if path in IPC_SYSCTLS or path.startswith("fs/mqueue/"):
        needed = "ipc"
    elif path.startswith("net/"):
        needed = "network"
    elif path == "kernel/domainname":
        needed = "uts"
    else:
        raise SpecError(field, "is not namespaced: it would change the host")
    if needed not in namespaces:
        raise SpecError(field, f"needs its own {needed} namespace in linux.namespaces")


def _net_devices(linux: Linux, namespaces: dict[str, str]) -> None:
    """config-linux.md "Network Devices"; names as the kernel takes them (dev_valid_name)."""
    seen = set()
    for old, device in linux.get("netDevices", {}).items():
        field = f"linux.netDevices[{show(old)}]"
        name = device.get("name") or old
        for candidate in (old, name):
            bad = not 0 < len(candidate.encode()) < _IFNAMSIZ or candidate in (".", "..")
            if bad or any(c in "/:" or c.isspace() for c in candidate):
                raise SpecError(field, f"{show(candidate)} is not a name of a network device")
        if name in seen:
            raise SpecError(field, f"two devices of the name {show(name)}")
        seen.add(name)
        if "network" not in namespaces:
            raise SpecError(field, "needs a network namespace in linux.namespaces")


def _devices(linux: Linux) -> None:
    for index, device in enumerate(linux.get("devices", ())):
        if device["type"] != "p":
            for key in ("major", "minor"):
                if key not in device:
                    raise SpecError(f"linux.devices[{index}].{key}", "is required")


def _seccomp(seccomp: Seccomp) -> None:
    """seccomp_unotify(2): notifications need someone to receive them, and `write` to ask him."""
    if seccomp["defaultAction"] == "SCMP_ACT_NOTIFY":
        raise SpecError("linux.seccomp.defaultAction", "SCMP_ACT_NOTIFY can't be the default")
    for index, rule in enumerate(seccomp.get("syscalls", ())):
        if rule["action"] != "SCMP_ACT_NOTIFY":
            continue
        if not seccomp.get("listenerPath"):
            raise SpecError("linux.seccomp.listenerPath", "is required for SCMP_ACT_NOTIFY")
        if "write" in rule["names"]:
            raise SpecError(
                f"linux.seccomp.syscalls[{index}].names", "SCMP_ACT_NOTIFY can't be used for write"
            )
