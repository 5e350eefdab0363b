"""``config.json`` of the OCI runtime specification 1.3, common part and ``linux``, as a table.

A node is a tuple: its kind (a function of ``crunw.oci.check``), then the kind's arguments:

    ("string",)  ("text",)          any string; one that is not empty
    ("path",)  ("path?",)           an absolute path; or also ""
    ("bool",)  ("int", low, high)
    ("enum", noun, names)           one of the names; the noun is for the error
    ("strings",)  ("list", node)  ("list", node, minimum length)
    ("map", node)                   an object with keys of the user's choice
    ("object", {key: node}, keys that are required)

and ("variable",), ("cpus",), ("access",), ("page size",) for strings of one form.
Keys that stand nowhere here are ignored, as the specification wants; so are the sections for other
platforms (``solaris``, ``windows``, ``vm``, ``zos``, ``freebsd``).
"""

from __future__ import annotations

STRING = ("string",)
TEXT = ("text",)
PATH = ("path",)
BOOL = ("bool",)
STRINGS = ("strings",)
CPUS = ("cpus",)
UINT16 = ("int", 0, 0xFFFF)
UINT32 = ("int", 0, 0xFFFFFFFF)
INT32 = ("int", -0x80000000, 0x7FFFFFFF)
INT64 = ("int", -0x8000000000000000, 0x7FFFFFFFFFFFFFFF)
UINT64 = ("int", 0, 0xFFFFFFFFFFFFFFFF)
# -1 is "no limit" in cgroup files.
LIMIT = ("int", -1, 0x7FFFFFFFFFFFFFFF)
# (uid_t) -1 means "leave as it is" to the system calls: it names nobody.
ID = ("int", 0, 0xFFFFFFFE)
# dev_t of the kernel: 12 and 20 bits.
MAJOR = ("int", 0, 0xFFF)
MINOR = ("int", 0, 0xFFFFF)

ID_MAPPINGS = (
    "list",
    (
        "object",
        {"containerID": ID, "hostID": ID, "size": ("int", 1, 0xFFFFFFFF)},
        ("containerID", "hostID", "size"),
    ),
)

USER = (
    "object",
    {"uid": ID, "gid": ID, "umask": ("int", 0, 0o777), "additionalGids": ("list", ID)},
    (),
)

CAPABILITIES = STRINGS  # the plan leaves out what it does not know, and says so

RLIMITS = (
    "list",
    (
        "object",
        {
            "type": (
                "enum",
                "resource limit",
                (
                    "RLIMIT_AS",
                    "RLIMIT_CORE",
                    "RLIMIT_CPU",
                    "RLIMIT_DATA",
                    "RLIMIT_FSIZE",
                    "RLIMIT_LOCKS",
                    "RLIMIT_MEMLOCK",
                    "RLIMIT_MSGQUEUE",
                    "RLIMIT_NICE",
                    "RLIMIT_NOFILE",
                    "RLIMIT_NPROC",
                    "RLIMIT_RSS",
                    "RLIMIT_RTPRIO",
                    "RLIMIT_RTTIME",
                    "RLIMIT_SIGPENDING",
                    "RLIMIT_STACK",
                ),
            ),
            "soft": UINT64,
            "hard": UINT64,
        },
        ("type", "soft", "hard"),
    ),
)

SCHEDULER = (
    "object",
    {
        "policy": (
            "enum",
            "scheduling policy",
            (
                "SCHED_OTHER",
                "SCHED_FIFO",
                "SCHED_RR",
                "SCHED_BATCH",
                "SCHED_ISO",
                "SCHED_IDLE",
                "SCHED_DEADLINE",
            ),
        ),
        "nice": ("int", -20, 19),
        "priority": INT32,
        "flags": (
            "list",
            (
                "enum",
                "scheduling flag",
                (
                    "SCHED_FLAG_RESET_ON_FORK",
                    "SCHED_FLAG_RECLAIM",
                    "SCHED_FLAG_DL_OVERRUN",
                    "SCHED_FLAG_KEEP_POLICY",
                    "SCHED_FLAG_KEEP_PARAMS",
                    "SCHED_FLAG_UTIL_CLAMP_MIN",
                    "SCHED_FLAG_UTIL_CLAMP_MAX",
                ),
            ),
        ),
        "runtime": UINT64,
        "deadline": UINT64,
        "period": UINT64,
    },
    ("policy",),
)

IO_PRIORITY = (
    "object",
    {
        "class": (
            "enum",
            "I/O priority class",
            ("IOPRIO_CLASS_RT", "IOPRIO_CLASS_BE", "IOPRIO_CLASS_IDLE"),
        ),
        "priority": ("int", 0, 7),
    },
    ("class",),
)

PROCESS = (
    "object",
    {
        "terminal": BOOL,
        "consoleSize": ("object", {"height": UINT16, "width": UINT16}, ("height", "width")),
        "user": USER,
        "args": ("list", STRING, 1),
        "env": ("list", ("variable",)),
        "cwd": PATH,
        "capabilities": (
            "object",
            {
                "bounding": CAPABILITIES,
                "effective": CAPABILITIES,
                "inheritable": CAPABILITIES,
                "permitted": CAPABILITIES,
                "ambient": CAPABILITIES,
            },
            (),
        ),
        "rlimits": RLIMITS,
        "noNewPrivileges": BOOL,
        "apparmorProfile": STRING,
        "selinuxLabel": STRING,
        "oomScoreAdj": ("int", -1000, 1000),
        "scheduler": SCHEDULER,
        "ioPriority": IO_PRIORITY,
        "execCPUAffinity": ("object", {"initial": CPUS, "final": CPUS}, ()),
    },
    ("args", "cwd"),
)

MOUNTS = (
    "list",
    (
        "object",
        {
            # A relative one is taken from "/", as crun and runc do: crunw.oci.rules.
            "destination": TEXT,
            "type": STRING,
            "source": STRING,
            "options": STRINGS,
            "uidMappings": ID_MAPPINGS,
            "gidMappings": ID_MAPPINGS,
        },
        ("destination",),
    ),
)

HOOKS = (
    "list",
    (
        "object",
        {
            "path": PATH,
            "args": STRINGS,
            "env": ("list", ("variable",)),
            "timeout": ("int", 1, 0x7FFFFFFF),
        },
        ("path",),
    ),
)

DEVICES = (
    "list",
    (
        "object",
        {
            "type": ("enum", "device type", ("c", "b", "u", "p")),
            "path": PATH,
            "major": MAJOR,
            "minor": MINOR,
            # Some callers leave the file type of st_mode in it.
            "fileMode": ("int", 0, 0o177777),
            "uid": ID,
            "gid": ID,
        },
        ("type", "path"),
    ),
)

WEIGHT = ("int", 0, 1000)
THROTTLE = (
    "list",
    (
        "object",
        {"major": MAJOR, "minor": MINOR, "rate": UINT64},
        ("major", "minor", "rate"),
    ),
)

RESOURCES = (
    "object",
    {
        "devices": (
            "list",
            (
                "object",
                {
                    "allow": BOOL,
                    "type": ("enum", "device type", ("a", "c", "b", "")),
                    # -1 means all, as an absent one does.
                    "major": ("int", -1, 0xFFF),
                    "minor": ("int", -1, 0xFFFFF),
                    "access": ("access",),
                },
                ("allow",),
            ),
        ),
        "memory": (
            "object",
            {
                "limit": LIMIT,
                "reservation": LIMIT,
                "swap": LIMIT,
                "kernel": LIMIT,
                "kernelTCP": LIMIT,
                "swappiness": ("int", 0, 100),
                "disableOOMKiller": BOOL,
                "useHierarchy": BOOL,
                "checkBeforeUpdate": BOOL,
            },
            (),
        ),
        "cpu": (
            "object",
            {
                "shares": UINT64,
                "quota": INT64,
                "burst": UINT64,
                "period": UINT64,
                "realtimeRuntime": INT64,
                "realtimePeriod": UINT64,
                "cpus": CPUS,
                "mems": CPUS,
                "idle": ("int", 0, 1),
            },
            (),
        ),
        "pids": ("object", {"limit": LIMIT}, ()),
        "blockIO": (
            "object",
            {
                "weight": WEIGHT,
                "leafWeight": WEIGHT,
                "weightDevice": (
                    "list",
                    (
                        "object",
                        {"major": MAJOR, "minor": MINOR, "weight": WEIGHT, "leafWeight": WEIGHT},
                        ("major", "minor"),
                    ),
                ),
                "throttleReadBpsDevice": THROTTLE,
                "throttleWriteBpsDevice": THROTTLE,
                "throttleReadIOPSDevice": THROTTLE,
                "throttleWriteIOPSDevice": THROTTLE,
            },
            (),
        ),
        "hugepageLimits": (
            "list",
            (
                "object",
                {"pageSize": ("page size",), "limit": UINT64},
                ("pageSize", "limit"),
            ),
        ),
        "network": (
            "object",
            {
                "classID": UINT32,
                "priorities": (
                    "list",
                    ("object", {"name": TEXT, "priority": UINT32}, ("name", "priority")),
                ),
            },
            (),
        ),
        "rdma": ("map", ("object", {"hcaHandles": UINT32, "hcaObjects": UINT32}, ())),
        "unified": ("map", STRING),
    },
    (),
)

ACTION = (
    "enum",
    "seccomp action",
    (
        "SCMP_ACT_KILL",
        "SCMP_ACT_KILL_PROCESS",
        "SCMP_ACT_KILL_THREAD",
        "SCMP_ACT_TRAP",
        "SCMP_ACT_ERRNO",
        "SCMP_ACT_TRACE",
        "SCMP_ACT_ALLOW",
        "SCMP_ACT_LOG",
        "SCMP_ACT_NOTIFY",
    ),
)

SECCOMP = (
    "object",
    {
        "defaultAction": ACTION,
        "defaultErrnoRet": UINT16,
        "architectures": (
            "list",
            (
                "enum",
                "architecture",
                (
                    "SCMP_ARCH_X86",
                    "SCMP_ARCH_X86_64",
                    "SCMP_ARCH_X32",
                    "SCMP_ARCH_ARM",
                    "SCMP_ARCH_AARCH64",
                    "SCMP_ARCH_LOONGARCH64",
                    "SCMP_ARCH_M68K",
                    "SCMP_ARCH_MIPS",
                    "SCMP_ARCH_MIPS64",
                    "SCMP_ARCH_MIPS64N32",
                    "SCMP_ARCH_MIPSEL",
                    "SCMP_ARCH_MIPSEL64",
                    "SCMP_ARCH_MIPSEL64N32",
                    "SCMP_ARCH_PARISC",
                    "SCMP_ARCH_PARISC64",
                    "SCMP_ARCH_PPC",
                    "SCMP_ARCH_PPC64",
                    "SCMP_ARCH_PPC64LE",
                    "SCMP_ARCH_RISCV64",
                    "SCMP_ARCH_S390",
                    "SCMP_ARCH_S390X",
                    "SCMP_ARCH_SH",
                    "SCMP_ARCH_SHEB",
                ),
            ),
        ),
        "flags": (
            "list",
            (
                "enum",
                "seccomp flag",
                (
                    "SECCOMP_FILTER_FLAG_TSYNC",
                    "SECCOMP_FILTER_FLAG_LOG",
                    "SECCOMP_FILTER_FLAG_SPEC_ALLOW",
                    "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV",
                ),
            ),
        ),
        "listenerPath": ("path?",),
        "listenerMetadata": STRING,
        "syscalls": (
            "list",
            (
                "object",
                {
                    "names": ("list", TEXT, 1),
                    "action": ACTION,
                    "errnoRet": UINT16,
                    "args": (
                        "list",
                        (
                            "object",
                            {
                                "index": ("int", 0, 5),
                                "value": UINT64,
                                "valueTwo": UINT64,
                                "op": (
                                    "enum",
                                    "operator",
                                    (
                                        "SCMP_CMP_NE",
                                        "SCMP_CMP_LT",
                                        "SCMP_CMP_LE",
                                        "SCMP_CMP_EQ",
                                        "SCMP_CMP_GE",
                                        "SCMP_CMP_GT",
                                        "SCMP_CMP_MASKED_EQ",
                                    ),
                                ),
                            },
                            ("index", "value", "op"),
                        ),
                    ),
                },
                ("names", "action"),
            ),
        ),
    },
    ("defaultAction",),
)

MEMORY_POLICY = (
    "object",
    {
        "mode": (
            "enum",
            "memory policy",
            (
                "MPOL_DEFAULT",
                "MPOL_BIND",
                "MPOL_INTERLEAVE",
                "MPOL_WEIGHTED_INTERLEAVE",
                "MPOL_PREFERRED",
                "MPOL_PREFERRED_MANY",
                "MPOL_LOCAL",
            ),
        ),
        "nodes": CPUS,
        "flags": (
            "list",
            (
                "enum",
                "memory policy flag",
                ("MPOL_F_NUMA_BALANCING", "MPOL_F_RELATIVE_NODES", "MPOL_F_STATIC_NODES"),
            ),
        ),
    },
    ("mode",),
)

LINUX = (
    "object",
    {
        "namespaces": (
            "list",
            (
                "object",
                {
                    "type": (
                        "enum",
                        "namespace",
                        ("pid", "network", "mount", "ipc", "uts", "user", "cgroup", "time"),
                    ),
                    "path": ("path?",),
                },
                ("type",),
            ),
        ),
        "uidMappings": ID_MAPPINGS,
        "gidMappings": ID_MAPPINGS,
        "timeOffsets": ("map", ("object", {"secs": INT64, "nanosecs": ("int", 0, 999999999)}, ())),
        "devices": DEVICES,
        "netDevices": ("map", ("object", {"name": STRING}, ())),
        "resources": RESOURCES,
        "cgroupsPath": STRING,
        "rootfsPropagation": (
            "enum",
            "propagation",
            (
                "",
                "shared",
                "slave",
                "private",
                "unbindable",
                "rshared",
                "rslave",
                "rprivate",
                "runbindable",
            ),
        ),
        "seccomp": SECCOMP,
        "sysctl": ("map", STRING),
        "maskedPaths": ("list", PATH),
        "readonlyPaths": ("list", PATH),
        "mountLabel": STRING,
        "intelRdt": (
            "object",
            {
                "closID": STRING,
                "schemata": STRINGS,
                "l3CacheSchema": STRING,
                "memBwSchema": STRING,
                "enableCMT": BOOL,
                "enableMBM": BOOL,
                "enableMonitoring": BOOL,
            },
            (),
        ),
        "memoryPolicy": MEMORY_POLICY,
        "personality": (
            "object",
            {
                "domain": ("enum", "personality", ("LINUX", "LINUX32")),
                # The specification defines none.
                "flags": ("list", ("enum", "personality flag", ())),
            },
            ("domain",),
        ),
    },
    (),
)

CONFIG = (
    "object",
    {
        "ociVersion": TEXT,
        "root": ("object", {"path": TEXT, "readonly": BOOL}, ("path",)),
        "process": PROCESS,
        "hostname": STRING,
        "domainname": STRING,
        "mounts": MOUNTS,
        "hooks": (
            "object",
            {
                "prestart": HOOKS,
                "createRuntime": HOOKS,
                "createContainer": HOOKS,
                "startContainer": HOOKS,
                "poststart": HOOKS,
                "poststop": HOOKS,
            },
            (),
        ),
        "annotations": ("map", STRING),
        "linux": LINUX,
    },
    ("ociVersion", "root", "process"),
)
