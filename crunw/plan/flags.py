"""Names of the OCI specification and the kernel's numbers for them."""

from __future__ import annotations

CLONE_NEWTIME = 0x00000080
CLONE_NEWNS = 0x00020000
CLONE_NEWCGROUP = 0x02000000
CLONE_NEWUTS = 0x04000000
CLONE_NEWIPC = 0x08000000
CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000

# linux.namespaces[].type -> (clone flag, name below /proc/PID/ns). In the order in which root joins
# them: the user namespace after those that the runtime's own user namespace may own, the mount
# namespace last (the paths of the others are the caller's).
NAMESPACES: dict[str, tuple[int, str]] = {
    "cgroup": (CLONE_NEWCGROUP, "cgroup"),
    "ipc": (CLONE_NEWIPC, "ipc"),
    "uts": (CLONE_NEWUTS, "uts"),
    "network": (CLONE_NEWNET, "net"),
    "time": (CLONE_NEWTIME, "time"),
    "pid": (CLONE_NEWPID, "pid"),
    "user": (CLONE_NEWUSER, "user"),
    "mount": (CLONE_NEWNS, "mnt"),
}

MS_RDONLY = 0x1
MS_NOSUID = 0x2
MS_NODEV = 0x4
MS_NOEXEC = 0x8
MS_SYNCHRONOUS = 0x10
MS_REMOUNT = 0x20
MS_MANDLOCK = 0x40
MS_DIRSYNC = 0x80
MS_NOSYMFOLLOW = 0x100
MS_NOATIME = 0x400
MS_NODIRATIME = 0x800
MS_BIND = 0x1000
MS_REC = 0x4000
MS_SILENT = 0x8000
MS_UNBINDABLE = 0x20000
MS_PRIVATE = 0x40000
MS_SLAVE = 0x80000
MS_SHARED = 0x100000
MS_RELATIME = 0x200000
MS_I_VERSION = 0x800000
MS_STRICTATIME = 0x1000000
MS_LAZYTIME = 0x2000000

# mounts[].options that set (True) or clear (False) a mount(2) flag.
MOUNT_FLAGS: dict[str, tuple[bool, int]] = {
    "async": (False, MS_SYNCHRONOUS),
    "atime": (False, MS_NOATIME),
    "bind": (True, MS_BIND),
    "defaults": (True, 0),
    "dev": (False, MS_NODEV),
    "diratime": (False, MS_NODIRATIME),
    "dirsync": (True, MS_DIRSYNC),
    "exec": (False, MS_NOEXEC),
    "iversion": (True, MS_I_VERSION),
    "lazytime": (True, MS_LAZYTIME),
    "loud": (False, MS_SILENT),
    "mand": (True, MS_MANDLOCK),
    "noatime": (True, MS_NOATIME),
    "nodev": (True, MS_NODEV),
    "nodiratime": (True, MS_NODIRATIME),
    "noexec": (True, MS_NOEXEC),
    "noiversion": (False, MS_I_VERSION),
    "nolazytime": (False, MS_LAZYTIME),
    "nomand": (False, MS_MANDLOCK),
    "norelatime": (False, MS_RELATIME),
    "nostrictatime": (False, MS_STRICTATIME),
    "nosuid": (True, MS_NOSUID),
    "nosymfollow": (True, MS_NOSYMFOLLOW),
    "rbind": (True, MS_BIND | MS_REC),
    "relatime": (True, MS_RELATIME),
    "remount": (True, MS_REMOUNT),
    "ro": (True, MS_RDONLY),
    "rw": (False, MS_RDONLY),
    "silent": (True, MS_SILENT),
    "strictatime": (True, MS_STRICTATIME),
    "suid": (False, MS_NOSUID),
    "symfollow": (False, MS_NOSYMFOLLOW),
    "sync": (True, MS_SYNCHRONOUS),
}

# The flags that name a mount attribute, with which mount_setattr(2) clears them.
ATTRIBUTES: dict[int, int] = {
    MS_RDONLY: 0x1,
    MS_NOSUID: 0x2,
    MS_NODEV: 0x4,
    MS_NOEXEC: 0x8,
    MS_NOATIME: 0x70,
    MS_NODIRATIME: 0x80,
    MS_NOSYMFOLLOW: 0x200000,
}

# mounts[].options and linux.rootfsPropagation.
PROPAGATION: dict[str, int] = {
    "private": MS_PRIVATE,
    "rprivate": MS_PRIVATE | MS_REC,
    "rshared": MS_SHARED | MS_REC,
    "rslave": MS_SLAVE | MS_REC,
    "runbindable": MS_UNBINDABLE | MS_REC,
    "shared": MS_SHARED,
    "slave": MS_SLAVE,
    "unbindable": MS_UNBINDABLE,
}

# mounts[].options for mount_setattr(2) with AT_RECURSIVE: attr_set, attr_clr.
_ATIME = 0x70
RECURSIVE_ATTRIBUTES: dict[str, tuple[int, int]] = {
    "ratime": (0, _ATIME),
    "rdev": (0, 0x4),
    "rdiratime": (0, 0x80),
    "rexec": (0, 0x8),
    "rnoatime": (0x10, _ATIME),
    "rnodev": (0x4, 0),
    "rnodiratime": (0x80, 0),
    "rnoexec": (0x8, 0),
    "rnorelatime": (0, _ATIME),
    "rnostrictatime": (0, _ATIME),
    "rnosuid": (0x2, 0),
    "rnosymfollow": (0x200000, 0),
    "rrelatime": (0, _ATIME),
    "rro": (0x1, 0),
    "rrw": (0, 0x1),
    "rstrictatime": (0x20, _ATIME),
    "rsuid": (0, 0x2),
    "rsymfollow": (0, 0x200000),
}

# capabilities(7), by number.
CAPABILITIES = (
    "CAP_CHOWN CAP_DAC_OVERRIDE CAP_DAC_READ_SEARCH CAP_FOWNER CAP_FSETID CAP_KILL CAP_SETGID "
    "CAP_SETUID CAP_SETPCAP CAP_LINUX_IMMUTABLE CAP_NET_BIND_SERVICE CAP_NET_BROADCAST "
    "CAP_NET_ADMIN CAP_NET_RAW CAP_IPC_LOCK CAP_IPC_OWNER CAP_SYS_MODULE CAP_SYS_RAWIO "
    "CAP_SYS_CHROOT CAP_SYS_PTRACE CAP_SYS_PACCT CAP_SYS_ADMIN CAP_SYS_BOOT CAP_SYS_NICE "
    "CAP_SYS_RESOURCE CAP_SYS_TIME CAP_SYS_TTY_CONFIG CAP_MKNOD CAP_LEASE CAP_AUDIT_WRITE "
    "CAP_AUDIT_CONTROL CAP_SETFCAP CAP_MAC_OVERRIDE CAP_MAC_ADMIN CAP_SYSLOG CAP_WAKE_ALARM "
    "CAP_BLOCK_SUSPEND CAP_AUDIT_READ CAP_PERFMON CAP_BPF CAP_CHECKPOINT_RESTORE"
).split()

# getrlimit(2), by number.
RLIMITS = (
    "RLIMIT_CPU RLIMIT_FSIZE RLIMIT_DATA RLIMIT_STACK RLIMIT_CORE RLIMIT_RSS RLIMIT_NPROC "
    "RLIMIT_NOFILE RLIMIT_MEMLOCK RLIMIT_AS RLIMIT_LOCKS RLIMIT_SIGPENDING RLIMIT_MSGQUEUE "
    "RLIMIT_NICE RLIMIT_RTPRIO RLIMIT_RTTIME"
).split()

# personality(2): linux.personality.domain.
PERSONALITIES = {"LINUX": 0x0, "LINUX32": 0x8}

# sched_setattr(2): process.scheduler. The kernel has no SCHED_ISO.
SCHEDULER_POLICIES = {
    "SCHED_OTHER": 0,
    "SCHED_FIFO": 1,
    "SCHED_RR": 2,
    "SCHED_BATCH": 3,
    "SCHED_IDLE": 5,
    "SCHED_DEADLINE": 6,
}
SCHEDULER_FLAGS = {
    "SCHED_FLAG_RESET_ON_FORK": 0x01,
    "SCHED_FLAG_RECLAIM": 0x02,
    "SCHED_FLAG_DL_OVERRUN": 0x04,
    "SCHED_FLAG_KEEP_POLICY": 0x08,
    "SCHED_FLAG_KEEP_PARAMS": 0x10,
    "SCHED_FLAG_UTIL_CLAMP_MIN": 0x20,
    "SCHED_FLAG_UTIL_CLAMP_MAX": 0x40,
}

# ioprio_set(2): process.ioPriority.class.
IO_CLASSES = {"IOPRIO_CLASS_RT": 1, "IOPRIO_CLASS_BE": 2, "IOPRIO_CLASS_IDLE": 3}

# set_mempolicy(2): linux.memoryPolicy.
MEMORY_POLICIES = {
    "MPOL_DEFAULT": 0,
    "MPOL_PREFERRED": 1,
    "MPOL_BIND": 2,
    "MPOL_INTERLEAVE": 3,
    "MPOL_LOCAL": 4,
    "MPOL_PREFERRED_MANY": 5,
    "MPOL_WEIGHTED_INTERLEAVE": 6,
}
MEMORY_POLICY_FLAGS = {
    "MPOL_F_STATIC_NODES": 1 << 15,
    "MPOL_F_RELATIVE_NODES": 1 << 14,
    "MPOL_F_NUMA_BALANCING": 1 << 13,
}
