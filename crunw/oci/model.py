"""The types of a checked ``config.json`` (OCI runtime specification 1.3), for the type checker.

Never imported at run time: a checked document is the plain ``dict`` that JSON gave. Fields that the
specification makes optional are ``NotRequired``; a field that was ``null`` is absent. Where Go's
encoders write ``""`` for "not given" (as a namespace's ``path``), the checker lets it pass: ask
``if namespace.get("path")``.
"""

from __future__ import annotations

from typing import Literal, NotRequired, TypedDict

NamespaceType = Literal["pid", "network", "mount", "ipc", "uts", "user", "cgroup", "time"]


class IdMapping(TypedDict):
    containerID: int
    hostID: int
    size: int


class Root(TypedDict):
    path: str  # absolute, or relative to the bundle
    readonly: NotRequired[bool]


class Mount(TypedDict):
    destination: str  # absolute
    type: NotRequired[str]
    source: NotRequired[str]
    options: NotRequired[list[str]]
    uidMappings: NotRequired[list[IdMapping]]
    gidMappings: NotRequired[list[IdMapping]]


class ConsoleSize(TypedDict):
    height: int
    width: int


class User(TypedDict):
    uid: int
    gid: int
    umask: NotRequired[int]
    additionalGids: NotRequired[list[int]]


class Capabilities(TypedDict):
    bounding: NotRequired[list[str]]
    effective: NotRequired[list[str]]
    inheritable: NotRequired[list[str]]
    permitted: NotRequired[list[str]]
    ambient: NotRequired[list[str]]


class Rlimit(TypedDict):
    type: str
    soft: int
    hard: int


class Scheduler(TypedDict):
    policy: str
    nice: NotRequired[int]
    priority: NotRequired[int]
    flags: NotRequired[list[str]]
    runtime: NotRequired[int]
    deadline: NotRequired[int]
    period: NotRequired[int]


# `class` is a keyword.
IoPriority = TypedDict("IoPriority", {"class": str, "priority": NotRequired[int]})


class ExecCpuAffinity(TypedDict):
    initial: NotRequired[str]
    final: NotRequired[str]


class Process(TypedDict):
    args: list[str]  # at least one
    cwd: str
    user: User  # 0:0 where the document names none
    terminal: NotRequired[bool]
    consoleSize: NotRequired[ConsoleSize]
    env: NotRequired[list[str]]
    capabilities: NotRequired[Capabilities]
    rlimits: NotRequired[list[Rlimit]]
    noNewPrivileges: NotRequired[bool]
    apparmorProfile: NotRequired[str]
    selinuxLabel: NotRequired[str]
    oomScoreAdj: NotRequired[int]
    scheduler: NotRequired[Scheduler]
    ioPriority: NotRequired[IoPriority]
    execCPUAffinity: NotRequired[ExecCpuAffinity]


class Hook(TypedDict):
    path: str
    args: NotRequired[list[str]]
    env: NotRequired[list[str]]
    timeout: NotRequired[int]  # seconds


class Hooks(TypedDict):
    prestart: NotRequired[list[Hook]]
    createRuntime: NotRequired[list[Hook]]
    createContainer: NotRequired[list[Hook]]
    startContainer: NotRequired[list[Hook]]
    poststart: NotRequired[list[Hook]]
    poststop: NotRequired[list[Hook]]


class Namespace(TypedDict):
    type: NamespaceType
    path: NotRequired[str]


class TimeOffset(TypedDict):
    secs: NotRequired[int]
    nanosecs: NotRequired[int]


class Device(TypedDict):
    type: Literal["c", "b", "u", "p"]
    path: str
    major: NotRequired[int]  # present unless type is "p"
    minor: NotRequired[int]
    fileMode: NotRequired[int]
    uid: NotRequired[int]
    gid: NotRequired[int]


class NetDevice(TypedDict):
    name: NotRequired[str]


class DeviceRule(TypedDict):
    allow: bool
    type: NotRequired[str]
    major: NotRequired[int]
    minor: NotRequired[int]
    access: NotRequired[str]


class Memory(TypedDict):
    limit: NotRequired[int]
    reservation: NotRequired[int]
    swap: NotRequired[int]
    kernel: NotRequired[int]
    kernelTCP: NotRequired[int]
    swappiness: NotRequired[int]
    disableOOMKiller: NotRequired[bool]
    useHierarchy: NotRequired[bool]
    checkBeforeUpdate: NotRequired[bool]


class Cpu(TypedDict):
    shares: NotRequired[int]
    quota: NotRequired[int]
    burst: NotRequired[int]
    period: NotRequired[int]
    realtimeRuntime: NotRequired[int]
    realtimePeriod: NotRequired[int]
    cpus: NotRequired[str]
    mems: NotRequired[str]
    idle: NotRequired[int]


class Pids(TypedDict):
    limit: NotRequired[int]


class WeightDevice(TypedDict):
    major: int
    minor: int
    weight: NotRequired[int]
    leafWeight: NotRequired[int]


class ThrottleDevice(TypedDict):
    major: int
    minor: int
    rate: int


class BlockIo(TypedDict):
    weight: NotRequired[int]
    leafWeight: NotRequired[int]
    weightDevice: NotRequired[list[WeightDevice]]
    throttleReadBpsDevice: NotRequired[list[ThrottleDevice]]
    throttleWriteBpsDevice: NotRequired[list[ThrottleDevice]]
    throttleReadIOPSDevice: NotRequired[list[ThrottleDevice]]
    throttleWriteIOPSDevice: NotRequired[list[ThrottleDevice]]


class HugepageLimit(TypedDict):
    pageSize: str
    limit: int


class InterfacePriority(TypedDict):
    name: str
    priority: int


class Network(TypedDict):
    classID: NotRequired[int]
    priorities: NotRequired[list[InterfacePriority]]


class Rdma(TypedDict):
    hcaHandles: NotRequired[int]
    hcaObjects: NotRequired[int]


class Resources(TypedDict):
    devices: NotRequired[list[DeviceRule]]
    memory: NotRequired[Memory]
    cpu: NotRequired[Cpu]
    pids: NotRequired[Pids]
    blockIO: NotRequired[BlockIo]
    hugepageLimits: NotRequired[list[HugepageLimit]]
    network: NotRequired[Network]
    rdma: NotRequired[dict[str, Rdma]]
    unified: NotRequired[dict[str, str]]


class SyscallArg(TypedDict):
    index: int
    value: int
    valueTwo: NotRequired[int]
    op: str


class SyscallRule(TypedDict):
    names: list[str]
    action: str
    errnoRet: NotRequired[int]
    args: NotRequired[list[SyscallArg]]


class Seccomp(TypedDict):
    defaultAction: str
    defaultErrnoRet: NotRequired[int]
    architectures: NotRequired[list[str]]
    flags: NotRequired[list[str]]
    listenerPath: NotRequired[str]
    listenerMetadata: NotRequired[str]
    syscalls: NotRequired[list[SyscallRule]]


class IntelRdt(TypedDict):
    closID: NotRequired[str]
    schemata: NotRequired[list[str]]
    l3CacheSchema: NotRequired[str]
    memBwSchema: NotRequired[str]
    enableCMT: NotRequired[bool]
    enableMBM: NotRequired[bool]
    enableMonitoring: NotRequired[bool]


class MemoryPolicy(TypedDict):
    mode: str
    nodes: NotRequired[str]
    flags: NotRequired[list[str]]


class Personality(TypedDict):
    domain: Literal["LINUX", "LINUX32"]
    flags: NotRequired[list[str]]


class Linux(TypedDict):
    namespaces: NotRequired[list[Namespace]]
    uidMappings: NotRequired[list[IdMapping]]
    gidMappings: NotRequired[list[IdMapping]]
    timeOffsets: NotRequired[dict[str, TimeOffset]]
    devices: NotRequired[list[Device]]
    netDevices: NotRequired[dict[str, NetDevice]]
    resources: NotRequired[Resources]
    cgroupsPath: NotRequired[str]
    rootfsPropagation: NotRequired[str]
    seccomp: NotRequired[Seccomp]
    sysctl: NotRequired[dict[str, str]]
    maskedPaths: NotRequired[list[str]]
    readonlyPaths: NotRequired[list[str]]
    mountLabel: NotRequired[str]
    intelRdt: NotRequired[IntelRdt]
    memoryPolicy: NotRequired[MemoryPolicy]
    personality: NotRequired[Personality]


class Spec(TypedDict):
    ociVersion: str
    process: Process
    root: Root
    linux: Linux  # {} where the document has none
    hostname: NotRequired[str]
    domainname: NotRequired[str]
    mounts: NotRequired[list[Mount]]
    hooks: NotRequired[Hooks]
    annotations: NotRequired[dict[str, str]]
