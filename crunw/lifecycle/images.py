"""What ``checkpoint`` and ``restore`` have in common: options, directories, mounts, errors."""

from __future__ import annotations

import posix

from crunw.effects.criu import service
from crunw.effects.criu.mountinfo import mounts
from crunw.effects.rootfs import Root
from crunw.errors import CrunwError, KernelError
from crunw.files import absolute, exists, is_directory
from crunw.paths import is_rootless
from crunw.plan.restore import bind_mounts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crunw.effects.criu.wire import Value
    from crunw.oci.model import Spec
    from crunw.plan.inputs import CgroupView, Target

DESCRIPTORS = "descriptors.json"  # what 0, 1 and 2 were, as runc and crun write it
CGROUP_MODES = {"ignore": 0, "soft": 3, "full": 4, "strict": 5}  # criu_cg_mode
NETWORK_LOCKS = {"iptables": 1, "nftables": 2, "skip": 3}  # criu_network_lock_method
# The namespaces that CRIU takes as they are: what it calls them, and what we call them to it.
EXTERNAL = {"network": ("net", "extRootNetNS"), "pid": ("pid", "extRootPidNS")}

_CLONE_NEWNET = 0x40000000
_CONFIG_ANNOTATION = "org.criu.config"
_CONFIG_FILES = ("/etc/criu/crunw.conf", "/etc/criu/runc.conf")


class Options:
    """What the command line asks of CRIU, for either verb."""

    __slots__ = ("cgroups_mode", "empty_network", "image_path", "settings", "work_path")

    def __init__(self, image_path: str, work_path: str) -> None:
        self.image_path = absolute(image_path)
        self.work_path = absolute(work_path) if work_path else self.image_path
        self.cgroups_mode = "soft"
        self.empty_network = False
        self.settings: dict[str, Value] = {}  # passed on as they are

    def values(self, spec: Spec, log: str, root: str = "") -> dict[str, Value]:
        """Return the request's options that depend on nothing else; opens the directories.

        ``root``: the root directory of the mount namespace that CRIU is in, where it isn't ours.
        """
        config = _config_file(spec)
        lock = _network_lock()
        return {
            "images_dir_fd": _open_directory(self.image_path, root),
            "work_dir_fd": _open_directory(self.work_path, root),
            "log_level": 4,
            "log_file": log,
            "orphan_pts_master": True,
            "manage_cgroups_mode": CGROUP_MODES[self.cgroups_mode],
            **({"config_file": config} if config else {}),
            **({"network_lock": lock} if lock else {}),
            **({"empty_ns": _CLONE_NEWNET} if self.empty_network else {}),
            **self.settings,
        }

    def failed(self, verb: str, container_id: str, log: str, error: CrunwError) -> CrunwError:
        """The error of a request that CRIU has refused: its last words, and where the rest is."""
        path = f"{self.work_path}/{log}"
        said = service.last_error(path) or str(error) or "CRIU does not say why"
        return CrunwError(f"{verb} {container_id}: {said}; see {path}")


def criu_program(verb: str, container_id: str) -> str:
    """Where CRIU is. Raises :class:`CrunwError` where it can't be used."""
    program = service.find()
    if not program:
        raise CrunwError(f"{verb} {container_id}: criu is not installed")
    if is_rootless():
        raise CrunwError(f"{verb} {container_id}: CRIU needs the host's root")
    return program


def external_mounts(
    spec: Spec, target: Target, cgroup: CgroupView, pid: int = 0
) -> list[tuple[str, str]]:
    """``(mount point, source)`` of what is bound from the host, and of the host's mounts in it.

    ``pid``: of the container that has those mounts already; a mount of its own in their place is
    none of them. Links in the mount points are followed in its root directory, else in the rootfs.
    """
    found = []
    resolver, host_root = Root(f"/proc/{pid}/root" if pid else target.rootfs, ()), Root("/", ())
    outside, inside = mounts("self"), mounts(pid) if pid else {}
    for destination, source, recursive in bind_mounts(spec, target, cgroup):
        point = _resolved(resolver, destination)
        above = _resolved(host_root, source).rstrip("/")
        found.append((point, source))
        for path, what in outside.items() if recursive else ():
            below = point + path.removeprefix(above)
            if path.startswith(f"{above}/") and (not pid or inside.get(below) == what):
                found.append((below, path))
    return found


def _resolved(root: Root, path: str) -> str:
    """``path`` without links; as it is where that can't be said."""
    try:
        return root.resolve(path)
    except OSError:
        return path


def make_directory(path: str) -> None:
    """Make a directory for images or logs unless it is there. Raises :class:`KernelError`."""
    if is_directory(path):
        return
    try:
        posix.mkdir(path, 0o700)
    except OSError as error:
        raise KernelError("mkdir", path, error) from error


def _open_directory(path: str, root: str) -> int:
    """For CRIU, which goes to our descriptors by way of /proc, and mounts in its directory."""
    flags = posix.O_RDONLY | posix.O_DIRECTORY | posix.O_CLOEXEC
    try:
        found = posix.open(path, flags)
        if not root:
            return found
        try:  # links followed: an absolute one would lead out of ``root``
            return posix.open(root + posix.readlink(f"/proc/self/fd/{found}"), flags)
        finally:
            posix.close(found)
    except OSError as error:
        raise KernelError("open", path, error) from error


def _network_lock() -> int:
    """How connections are held where CRIU's own choice, iptables, is not installed; 0: so."""
    missing = not service.find("iptables-restore")
    return NETWORK_LOCKS["nftables"] if missing and service.find("nft") else 0


def _config_file(spec: Spec) -> str:
    """CRIU's configuration: that of an annotation (empty: none), else the first that exists."""
    asked = spec.get("annotations", {}).get(_CONFIG_ANNOTATION)
    if asked is not None:
        return asked
    return next(filter(exists, _CONFIG_FILES), "")
