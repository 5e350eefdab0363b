"""``mounts``, devices and the other contents of the root filesystem, as steps.

Follows config.md "Mounts" and config-linux.md "Default Filesystems", "Devices".
"""

from __future__ import annotations

from crunw.errors import SpecError
from crunw.oci.queries import is_bind, user_namespace
from crunw.plan import flags
from crunw.plan.encode import Step
from crunw.plan.idmaps import check_owner, idmap_option, is_idmapped, mount_maps
from crunw.plan.ops import MOUNT_COPY_LINK, MOUNT_COPY_UP, MOUNT_SOURCE_LINK, MOUNT_TARGET_LINK

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crunw.oci.model import Device, Mount, Spec
    from crunw.plan.inputs import CgroupMount, CgroupView, Target

_ATTR_RDONLY = 0x1
_CGROUP_FLAGS = flags.MS_NOSUID | flags.MS_NODEV | flags.MS_NOEXEC

# What a mount below /proc may hide, as runc allows it: files that LXCFS and the like provide.
_PROC_TARGETS = frozenset(
    (
        "/proc/cpuinfo",
        "/proc/diskstats",
        "/proc/loadavg",
        "/proc/meminfo",
        "/proc/net/dev",
        "/proc/slabinfo",
        "/proc/stat",
        "/proc/swaps",
        "/proc/sys/crypto/fips_enabled",
        "/proc/sys/kernel/ns_last_pid",
        "/proc/uptime",
    )
)

# config-linux.md "Default Devices"; /dev/console and /dev/ptmx are made elsewhere.
_DEFAULT_DEVICES = (
    ("/dev/null", 1, 3),
    ("/dev/zero", 1, 5),
    ("/dev/full", 1, 7),
    ("/dev/random", 1, 8),
    ("/dev/urandom", 1, 9),
    ("/dev/tty", 5, 0),
)
_DEVICE_TYPES = {"b": 0o060000, "c": 0o020000, "u": 0o020000, "p": 0o010000}

# Of a devpts for which nothing is asked, as in crun: without, nobody could open its ptmx.
_DEVPTS = ("nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620")

# File systems that know no option "context".
_UNLABELLED = ("proc", "sysfs", "mqueue")

# What becomes of a symbolic link as source or target: crun(1).
LINK_OPTIONS = {
    "copy-symlink": MOUNT_COPY_LINK,
    "dest-nofollow": MOUNT_TARGET_LINK,
    "src-nofollow": MOUNT_SOURCE_LINK,
}

_LINKS = (
    ("/proc/self/fd", "/dev/fd"),
    ("/proc/self/fd/0", "/dev/stdin"),
    ("/proc/self/fd/1", "/dev/stdout"),
    ("/proc/self/fd/2", "/dev/stderr"),
    ("/proc/kcore", "/dev/core"),
    ("pts/ptmx", "/dev/ptmx"),
)


class Options:
    """The options of one mount, sorted into what the kernel calls need."""

    __slots__ = (
        "attr_clr",
        "attr_set",
        "cleared",
        "copy_up",
        "data",
        "flags",
        "links",
        "propagation",
        "recursive_idmap",
    )

    def __init__(self, options: list[str]) -> None:
        self.flags = 0
        self.cleared = 0  # flags that are asked not to be
        self.recursive_idmap = any(name == "ridmap" for name, _ in map(idmap_option, options))
        self.propagation: list[int] = []
        self.attr_set = 0
        self.attr_clr = 0
        self.copy_up = False
        self.links = 0
        data: list[str] = []
        for option in options:
            if option in flags.MOUNT_FLAGS:
                sets, bits = flags.MOUNT_FLAGS[option]
                self.flags = self.flags | bits if sets else self.flags & ~bits
                self.cleared = self.cleared & ~bits if sets else self.cleared | bits
            elif option in flags.PROPAGATION:
                self.propagation.append(flags.PROPAGATION[option])
            elif option in flags.RECURSIVE_ATTRIBUTES:
                attr_set, attr_clr = flags.RECURSIVE_ATTRIBUTES[option]
                self.attr_set = (self.attr_set & ~attr_clr) | attr_set
                self.attr_clr = (self.attr_clr & ~attr_set) | attr_clr
            elif option == "tmpcopyup":
                self.copy_up = True
            elif option in LINK_OPTIONS:
                self.links |= LINK_OPTIONS[option]
            elif not idmap_option(option)[0]:
                data.append(option)
        self.data = ",".join(data)


def clean(path: str) -> str:
    """Return ``path`` absolute and without ``.``, ``..`` and doubled slashes (as Go's Clean)."""
    parts: list[str] = []
    for part in path.split("/"):
        if part == "..":
            del parts[-1:]
        elif part not in ("", "."):
            parts.append(part)
    return "/" + "/".join(parts)


def mount_steps(spec: Spec, owner: Target, cgroup: CgroupView) -> list[Step]:
    """Return the steps for ``mounts`` of the container ``owner``, in their order."""
    steps: list[Step] = []
    label = spec.get("linux", {}).get("mountLabel", "")
    late = _read_only_late(spec)
    for index, mount in enumerate(spec.get("mounts", ())):
        field = f"mounts[{index}]"
        target = clean(mount["destination"])
        kind = mount.get("type", "")
        options = Options(mount.get("options") or _default_options(spec, kind))
        if kind == "bind":
            options.flags |= flags.MS_BIND
        _check_proc(field, target, "bind" if is_bind(mount) else kind)
        _check_links(f"{field}.options", mount, options.links)
        if is_idmapped(mount) and not is_bind(mount):
            raise SpecError(f"{field}.uidMappings", "ids can only be mapped for a bind mount")
        if is_bind(mount):
            steps += _bind(field, mount, target, options, spec, owner)
        elif kind == "cgroup":
            steps += _cgroup(field, target, options, spec, cgroup)
        else:
            for option in options.data.split(","):
                check_owner(spec, option, field, rootless=owner.rootless)
            steps += _filesystem(mount, target, options, label, late)
        steps += [Step("mount_propagation", target, bits) for bits in options.propagation]
        if options.attr_set or options.attr_clr:
            steps.append(Step("mount_setattr", target, options.attr_set, options.attr_clr, 1))
    return steps


def _default_options(spec: Spec, kind: str) -> list[str]:
    if kind != "devpts":
        return []
    return [*_DEVPTS, *(["gid=5"] if user_namespace(spec) is None else [])]  # tty


def mount_directories(spec: Spec) -> list[str]:
    """Return the names of the directories in "/" that file systems are mounted in or below.

    What is bound may be a file: ``crunw.effects.rootfs`` looks at it.
    """
    names = []
    for mount in spec.get("mounts", ()):
        _, name, *below = clean(mount["destination"]).split("/")
        if name and (below or not is_bind(mount)):
            names.append(name)
    return names


def device_steps(spec: Spec) -> list[Step]:
    """Return the steps for the default devices, ``linux.devices`` and the links in /dev.

    A device of ``linux.devices`` takes the place of the default one of its path. /dev/ptmx stays a
    link: the host's would be another one than that of the container's devpts.
    """
    if any(_is_bind_of_dev(mount) for mount in spec.get("mounts", ())):
        return []
    devices = {clean(device["path"]): device for device in spec.get("linux", {}).get("devices", ())}
    steps = [
        Step("mknod", path, 0o020666, major, minor, 0, 0)
        for path, major, minor in _DEFAULT_DEVICES
        if path not in devices
    ]
    steps += [_device(path, device) for path, device in devices.items() if path != "/dev/ptmx"]
    return steps + [Step("symlink", target, path) for target, path in _LINKS]


def late_steps(spec: Spec) -> list[Step]:
    """Return the steps after pivot_root: masked and read-only paths, a read-only /dev and /."""
    linux = spec.get("linux", {})
    steps = [Step("mount_setattr", path, _ATTR_RDONLY, 0, 0) for path in _read_only_late(spec)]
    if spec.get("root", {}).get("readonly", False):
        steps.append(Step("root_readonly"))
    steps += [Step("readonly", clean(path)) for path in linux.get("readonlyPaths", ())]
    steps += [Step("mask", clean(path)) for path in linux.get("maskedPaths", ())]
    return steps


def _check_proc(field: str, target: str, kind: str) -> None:
    if target.startswith("/proc/") and kind != "proc" and target not in _PROC_TARGETS:
        raise SpecError(f"{field}.destination", f"{target}: mounting inside /proc is not allowed")


def _check_links(field: str, mount: Mount, links: int) -> None:
    if links & MOUNT_COPY_LINK and links != MOUNT_COPY_LINK:
        raise SpecError(field, "copy-symlink excludes src-nofollow and dest-nofollow")
    for name, bit in LINK_OPTIONS.items():
        if links & bit and bit != MOUNT_TARGET_LINK and not is_bind(mount):
            raise SpecError(field, f"{name}: is for bind mounts")
    if links and mount.get("type") == "cgroup":
        raise SpecError(field, "dest-nofollow: is not for cgroup mounts")


def _bind(
    field: str, mount: Mount, target: str, options: Options, spec: Spec, owner: Target
) -> list[Step]:
    """The bind, then the attributes that it has from its source but is asked not to have."""
    if options.data:
        # The kernel would ignore it, and with it what its author relies on.
        raise SpecError(f"{field}.options", f"{options.data!r} is not an option of a bind mount")
    source = mount.get("source", "")
    if not source.startswith("/"):
        source = f"{owner.bundle}/{source}"
    if is_idmapped(mount):
        if owner.rootless:
            raise SpecError(f"{field}.uidMappings", "mapping the ids of a mount needs root")
        recursive = int(options.recursive_idmap)
        maps = mount_maps(spec, mount, field)
        steps = [
            Step("bind_idmapped", source, target, options.flags, *maps, recursive, options.links)
        ]
    else:
        steps = [Step("mount", source, target, "", options.flags, "", options.links)]
    return steps + _cleared(target, options)


def _cleared(target: str, options: Options) -> list[Step]:
    cleared = sum(bit for flag, bit in flags.ATTRIBUTES.items() if options.cleared & flag)
    return [Step("mount_setattr", target, 0, cleared, 0)] if cleared else []


def _filesystem(
    mount: Mount, target: str, options: Options, label: str, late: list[str]
) -> list[Step]:
    kind = mount.get("type", "")
    bits = options.flags
    if target in late:
        bits &= ~flags.MS_RDONLY
    data = options.data
    if label and kind not in _UNLABELLED:
        context = f'context="{label}"'
        data = f"{data},{context}" if data else context
    source = mount.get("source", "") or kind
    extra = options.links | (MOUNT_COPY_UP if options.copy_up and kind == "tmpfs" else 0)
    steps = [Step("mount", source, target, kind, bits, data, extra)]
    if bits & flags.MS_REMOUNT:  # of what may have been mounted with the flags
        steps += _cleared(target, options)
    if label and kind == "mqueue":  # takes a label, but not as an option
        steps.append(Step("relabel", target, label))
    return steps


def _cgroup(
    field: str, target: str, options: Options, spec: Spec, cgroup: CgroupView
) -> list[Step]:
    bits = options.flags | _CGROUP_FLAGS
    if not cgroup.mounts:
        raise SpecError(field, "a cgroup mount, but this host has no cgroups mounted")
    if cgroup.version == 2:
        return [_cgroup_v2(cgroup.mounts[0], target, bits, spec, cgroup.private)]
    steps = [Step("mount", "cgroup", target, "tmpfs", _CGROUP_FLAGS, "mode=755", 0)]
    for controller in cgroup.mounts:
        steps += _cgroup_v1(controller, target, bits, cgroup.private)
    if bits & flags.MS_RDONLY:
        steps.append(Step("mount_setattr", target, _ATTR_RDONLY, 0, 0))
    return steps


def _cgroup_v2(hierarchy: CgroupMount, target: str, bits: int, spec: Spec, private: bool) -> Step:
    """The hierarchy; in a user namespace, which may mount only what its own cgroup namespace shows,
    the container's group bound there.
    """
    if user_namespace(spec) is not None and not private:
        return Step("mount", hierarchy.path, target, "", bits | flags.MS_BIND, "", 0)
    return Step("mount", "cgroup2", target, "cgroup2", bits, "", 0)


def _cgroup_v1(controller: CgroupMount, target: str, bits: int, private: bool) -> list[Step]:
    """One v1 hierarchy: as its namespace shows it, or the container's own group bound there."""
    path = f"{target}/{controller.name}"
    if private:
        kind = "cgroup2" if controller.unified else "cgroup"
        steps = [Step("mount", kind, path, kind, bits, controller.data, 0)]
    else:
        steps = [Step("mount", controller.path, path, "", bits | flags.MS_BIND, "", 0)]
    if "," in controller.name:
        for alias in controller.name.split(","):
            steps.append(Step("symlink", controller.name, f"{target}/{alias}"))
    return steps


def _device(path: str, device: Device) -> Step:
    kind = device["type"]
    mode = _DEVICE_TYPES[kind] | device.get("fileMode", 0o666) & 0o7777
    return Step(
        "mknod",
        path,
        mode,
        device.get("major", 0) if kind != "p" else 0,
        device.get("minor", 0) if kind != "p" else 0,
        device.get("uid", 0),
        device.get("gid", 0),
    )


def overlay_layers(mount: Mount) -> list[str]:
    """The directories of an overlay, the uppermost first; none of another mount's."""
    if mount.get("type") != "overlay":
        return []
    values = dict(option.partition("=")[::2] for option in mount.get("options", ()))
    layers = [values.get("upperdir", ""), *values.get("lowerdir", "").split(":")]
    return [layer for layer in layers if layer.startswith("/")]


def _is_bind_of_dev(mount: Mount) -> bool:
    return clean(mount["destination"]) == "/dev" and is_bind(mount)


def _is_below(path: str, directory: str) -> bool:
    return path != directory and path.startswith(directory.rstrip("/") + "/")


def _read_only_late(spec: Spec) -> list[str]:
    """The file systems that are made read-only when all is in them: /dev, for the devices, and each
    tmpfs that another mount, or the working directory, may want a directory in. As in runc.
    """
    mounts = spec.get("mounts", ())
    cwd = clean(spec["process"]["cwd"])
    wanted = [clean(mount["destination"]) for mount in mounts]
    paths = []
    for index, mount in enumerate(mounts):
        path = wanted[index]
        later = wanted[index + 1 :]
        if (
            (path == "/dev" or mount.get("type") == "tmpfs")
            and not is_bind(mount)
            and path not in later  # what is mounted over it would become read-only in its place
            and (path == "/dev" or any(_is_below(each, path) for each in [*later, cwd]))
            and Options(mount.get("options", [])).flags & flags.MS_RDONLY
        ):
            paths.append(path)
    return paths
