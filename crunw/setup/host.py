"""Checks of the kernel. Each takes the directory that ``/`` is, and returns a :class:`Finding`."""

from __future__ import annotations

import os
import re

from crunw.setup.finding import BROKEN, OK, WARNING, Finding, read

_KERNEL = (5, 12)
_CONTROLLERS = ("cpu", "cpuset", "memory", "pids")
_NEEDED_NAMESPACES = {"mnt", "pid", "net", "ipc", "uts"}
_OTHER_NAMESPACES = {"cgroup", "time", "user"}


def kernel(root: str) -> Finding:
    """Linux 5.12: mount_setattr(2) is the newest system call that crunw can't do without."""
    release = read(f"{root}/proc/sys/kernel/osrelease").strip()
    numbers = re.match(r"(\d+)\.(\d+)", release)
    if numbers and (int(numbers[1]), int(numbers[2])) >= _KERNEL:
        return Finding("kernel", OK, release)
    return Finding("kernel", BROKEN, release or "unknown", "Linux 5.12 or newer is needed")


def cgroups(root: str) -> Finding:
    """The layout of /sys/fs/cgroup and the controllers of the common limits (cgroups(7))."""
    mounts = re.findall(
        r"(/sys/fs/cgroup\S*) .* - (cgroup2?) ", read(f"{root}/proc/self/mountinfo")
    )
    kinds = {kind for _, kind in mounts}
    if not kinds:
        advice = "mount cgroup2 on /sys/fs/cgroup, or run containers with --cgroup-manager disabled"
        return Finding("cgroups", BROKEN, "not mounted", advice)
    layout = "hybrid" if len(kinds) == 2 else {"cgroup": "v1", "cgroup2": "v2"}[kinds.pop()]
    controllers = {os.path.basename(path) for path, kind in mounts if kind == "cgroup"}
    controllers |= {name for joined in controllers for name in joined.split(",")}
    for path, kind in mounts:
        if kind == "cgroup2":
            controllers |= set(read(f"{root}{path}/cgroup.controllers").split())
    absent = [name for name in _CONTROLLERS if name not in controllers]
    found = f"{layout}: {', '.join(name for name in _CONTROLLERS if name in controllers)}"
    if absent:
        advice = f"limits of {', '.join(absent)} can't be set; see cgroup_enable= of the kernel"
        return Finding("cgroups", WARNING, found.rstrip(": "), advice)
    return Finding("cgroups", OK, found)


def namespaces(root: str) -> Finding:
    """The kinds of namespaces that the kernel has (namespaces(7))."""
    try:
        kinds = set(os.listdir(f"{root}/proc/self/ns"))
    except OSError:
        kinds = set()
    known = _NEEDED_NAMESPACES | _OTHER_NAMESPACES
    found = ", ".join(sorted(kinds & known))
    for status, wanted in ((BROKEN, _NEEDED_NAMESPACES), (WARNING, _OTHER_NAMESPACES)):
        if absent := sorted(wanted - kinds):
            advice = f"the kernel was built without namespaces: {', '.join(absent)}"
            return Finding("namespaces", status, found or "none", advice)
    return Finding("namespaces", OK, found)


def user_namespaces(root: str) -> Finding:
    """Whether a user namespace may be made: for ``--userns``, and without root for anything."""
    name = "user namespaces"
    limit = read(f"{root}/proc/sys/user/max_user_namespaces").strip()
    if limit in ("", "0"):
        advice = "sysctl user.max_user_namespaces=10000"
        return Finding(name, WARNING, "none may be made", advice)
    if read(f"{root}/proc/sys/kernel/unprivileged_userns_clone").strip() == "0":
        advice = "sysctl kernel.unprivileged_userns_clone=1"
        return Finding(name, WARNING, "for root only", advice)
    if read(f"{root}/proc/sys/kernel/apparmor_restrict_unprivileged_userns").strip() == "1":
        advice = "sysctl kernel.apparmor_restrict_unprivileged_userns=0"
        return Finding(name, WARNING, "for root only", advice)
    return Finding(name, OK, f"up to {limit}")


def seccomp(root: str) -> Finding:
    """Filters of system calls, which all engines ask for (seccomp(2))."""
    actions = read(f"{root}/proc/sys/kernel/seccomp/actions_avail").split()
    if not actions:
        advice = "a kernel with CONFIG_SECCOMP_FILTER, or engines without seccomp profiles"
        return Finding("seccomp", BROKEN, "the kernel has no filters", advice)
    if "user_notif" not in actions:
        advice = "profiles with SCMP_ACT_NOTIFY need a newer kernel"
        return Finding("seccomp", WARNING, "no notifications", advice)
    return Finding("seccomp", OK, ", ".join(actions))


def overlayfs(root: str) -> Finding:
    """The file system that engines put images together with."""
    filesystems = read(f"{root}/proc/filesystems").split()
    if "overlay" in filesystems:
        return Finding("overlayfs", OK, "available")
    advice = "modprobe overlay, unless the engine uses another storage driver"
    return Finding("overlayfs", WARNING, "not loaded", advice)


CHECKS = (kernel, cgroups, namespaces, user_namespaces, seccomp, overlayfs)
