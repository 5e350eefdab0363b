"""The ``config.json`` that ``crunw spec`` writes: in content what ``runc spec`` writes."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crunw.oci.model import Mount, Namespace, Spec


def example(*, rootless: bool, uid: int = 0, gid: int = 0) -> Spec:
    """A config for a shell in ``rootfs``.

    With ``rootless``, one that an ordinary user can run: a user namespace whose root is ``uid`` and
    ``gid`` of the host, the host's network, its /sys, and no resources.
    """
    capabilities = ["CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE"]
    spec: Spec = {
        "ociVersion": "1.2.0",
        "process": {
            "terminal": True,
            "user": {"uid": 0, "gid": 0},
            "args": ["sh"],
            "env": [
                "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
                "TERM=xterm",
            ],
            "cwd": "/",
            "capabilities": {
                "bounding": capabilities,
                "effective": capabilities,
                "permitted": capabilities,
                "ambient": capabilities,
            },
            "rlimits": [{"type": "RLIMIT_NOFILE", "hard": 1024, "soft": 1024}],
            "noNewPrivileges": True,
        },
        "root": {"path": "rootfs", "readonly": True},
        "hostname": "crunw",
        "mounts": _mounts(rootless=rootless),
        "linux": {
            "namespaces": _namespaces(rootless=rootless),
            "maskedPaths": [
                "/proc/acpi",
                "/proc/asound",
                "/proc/kcore",
                "/proc/keys",
                "/proc/latency_stats",
                "/proc/timer_list",
                "/proc/timer_stats",
                "/proc/sched_debug",
                "/sys/firmware",
                "/proc/scsi",
            ],
            "readonlyPaths": [
                "/proc/bus",
                "/proc/fs",
                "/proc/irq",
                "/proc/sys",
                "/proc/sysrq-trigger",
            ],
        },
    }
    if rootless:
        spec["linux"]["uidMappings"] = [{"containerID": 0, "hostID": uid, "size": 1}]
        spec["linux"]["gidMappings"] = [{"containerID": 0, "hostID": gid, "size": 1}]
    else:
        spec["linux"]["resources"] = {"devices": [{"allow": False, "access": "rwm"}]}
    return spec


def _namespaces(*, rootless: bool) -> list[Namespace]:
    namespaces: list[Namespace] = [{"type": "pid"}]
    if not rootless:
        namespaces.append({"type": "network"})
    namespaces += [{"type": "ipc"}, {"type": "uts"}, {"type": "mount"}]
    if rootless:
        namespaces.append({"type": "user"})
    return namespaces


def _mounts(*, rootless: bool) -> list[Mount]:
    # The group tty, 5, is not mapped in a rootless user namespace.
    tty = [] if rootless else ["gid=5"]
    closed = ["nosuid", "noexec", "nodev"]
    # A sysfs of one's own needs a network namespace of one's own.
    sys: Mount = (
        {
            "destination": "/sys",
            "type": "none",
            "source": "/sys",
            "options": ["rbind", *closed, "ro"],
        }
        if rootless
        else {
            "destination": "/sys",
            "type": "sysfs",
            "source": "sysfs",
            "options": [*closed, "ro"],
        }
    )
    return [
        {"destination": "/proc", "type": "proc", "source": "proc"},
        {
            "destination": "/dev",
            "type": "tmpfs",
            "source": "tmpfs",
            "options": ["nosuid", "strictatime", "mode=755", "size=65536k"],
        },
        {
            "destination": "/dev/pts",
            "type": "devpts",
            "source": "devpts",
            "options": ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", *tty],
        },
        {
            "destination": "/dev/shm",  # noqa: S108  (inside the container)
            "type": "tmpfs",
            "source": "shm",
            "options": [*closed, "mode=1777", "size=65536k"],
        },
        {"destination": "/dev/mqueue", "type": "mqueue", "source": "mqueue", "options": closed},
        sys,
        {
            "destination": "/sys/fs/cgroup",
            "type": "cgroup",
            "source": "cgroup",
            "options": [*closed, "relatime", "ro"],
        },
    ]
