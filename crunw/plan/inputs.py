"""What a plan depends on besides the specification: facts that ``crunw.lifecycle`` has found.

Each part is created once, when all of it is known, and stays as it is: its attributes are
``Final``. Descriptors are numbers that ``crunw-init`` inherits; -1 means none.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Final

    from crunw.plan.wasm_settings import Settings

    # Family, prefix length, flags, scope, attributes (rtnetlink(7)).
    Address = tuple[int, int, int, int, bytes]


class Target:
    """The container: its directories on the host, and what its caller may and wants.

    ``rootless``: :func:`crunw.paths.is_ordinary_user`.
    """

    __slots__ = ("bundle", "id", "no_new_keyring", "no_pivot", "rootfs", "rootless")

    def __init__(
        self,
        id: str,
        bundle: str,
        rootfs: str,
        *,
        rootless: bool,
        no_pivot: bool = False,
        no_new_keyring: bool = False,
    ) -> None:
        self.id: Final = id
        self.bundle: Final = bundle
        self.rootfs: Final = rootfs
        self.rootless: Final = rootless
        self.no_pivot: Final = no_pivot
        self.no_new_keyring: Final = no_new_keyring


class Module:
    """The module or component of a Wasm workload, and the engine that executes it.

    ``path`` is in the container (``""``: not found), ``descriptor`` the file. ``directories``: the
    names of those in "/" of the container, where the working directory is another one.
    """

    __slots__ = (
        "descriptor",
        "directories",
        "engine",
        "library",
        "path",
        "reason",
        "settings",
        "stub",
    )

    def __init__(
        self,
        path: str,
        descriptor: int,
        *,
        engine: str,
        reason: str,
        library: str,
        stub: str,
        settings: Settings,
        directories: Sequence[str],
    ) -> None:
        self.path: Final = path
        self.descriptor: Final = descriptor
        self.engine: Final = engine  # "wasmedge", "wasmtime"
        self.reason: Final = reason
        self.library: Final = library
        self.stub: Final = stub
        self.settings: Final = settings
        self.directories: Final = directories


class CgroupMount:
    """One hierarchy as a container's ``cgroup`` mount shows it (cgroup v1 and hybrid)."""

    __slots__ = ("data", "name", "path", "unified")

    def __init__(self, name: str, data: str, path: str, unified: bool = False) -> None:
        self.name: Final = name  # directory below /sys/fs/cgroup: "cpu,cpuacct"
        self.data: Final = data  # mount(2) data: "cpu,cpuacct" or "none,name=systemd"
        self.path: Final = path  # the container's own group on the host
        self.unified: Final = unified


class CgroupView:
    """How the process gets into its cgroup, and what it sees of cgroups.

    ``join`` (v1): the files to which "0" is written; ``unified`` (v2): the directory; neither: it
    stays in its caller's. ``private``: it gets a cgroup namespace. ``devices``: the device filter.
    """

    __slots__ = ("devices", "join", "mounts", "private", "unified", "version")

    def __init__(
        self,
        *,
        version: int = 0,
        private: bool = False,
        mounts: Sequence[CgroupMount] = (),
        join: Sequence[str] = (),
        unified: str = "",
        devices: bytes = b"",
    ) -> None:
        self.version: Final = version
        self.private: Final = private
        self.mounts: Final = mounts
        self.join: Final = join
        self.unified: Final = unified
        self.devices: Final = devices


class Filter:
    """``linux.seccomp``, compiled.

    ``closed``: under it no other filter can be loaded. ``listener`` is connected to listenerPath;
    ``state`` is sent there, around the pids.
    """

    __slots__ = ("closed", "flags", "listener", "program", "state")

    def __init__(
        self,
        program: bytes = b"",
        flags: int = 0,
        *,
        closed: bool = False,
        listener: int = -1,
        state: Sequence[str] = (),
    ) -> None:
        self.program: Final = program
        self.flags: Final = flags
        self.closed: Final = closed
        self.listener: Final = listener
        self.state: Final = state


class Handoff:
    """What the process gets from its caller.

    ``console``: where its terminal is sent. ``preserve`` descriptors from 3 on stay open, the
    first ``listen`` of them are sockets of systemd's socket activation, which ``listen_names``
    names, separated by colons. ``notify``: the variable NOTIFY_SOCKET with its value. ``groups``:
    the additional groups stay the caller's. ``start``: the directory of the FIFOs for ``start``;
    ``""``: the program runs at once.
    """

    __slots__ = ("console", "groups", "listen", "listen_names", "notify", "preserve", "start")

    def __init__(
        self,
        *,
        console: int = -1,
        preserve: int = 0,
        listen: int = 0,
        listen_names: str = "",
        notify: str = "",
        groups: bool = False,
        start: str = "",
    ) -> None:
        self.console: Final = console
        self.preserve: Final = preserve
        self.listen: Final = listen
        self.listen_names: Final = listen_names
        self.notify: Final = notify
        self.groups: Final = groups
        self.start: Final = start


class HookState:
    """The OCI state for the hooks that ``crunw-init`` runs, around the pid.

    ``after_creating`` is for createContainer: the container isn't created yet.
    """

    __slots__ = ("after", "after_creating", "before")

    def __init__(self, before: str = "", after: str = "", after_creating: str = "") -> None:
        self.before: Final = before
        self.after: Final = after
        self.after_creating: Final = after_creating


class Inputs:
    """All of it, for one process: a container's first one, or one of ``exec``.

    ``module`` is None for a native program; ``artefact`` the directory of the module's compiled
    code, ``""`` where there is none. ``net_devices``: those that move in, by their name there.
    """

    __slots__ = (
        "artefact",
        "cgroup",
        "handoff",
        "hook_state",
        "module",
        "net_devices",
        "seccomp",
        "target",
    )

    def __init__(
        self,
        target: Target,
        module: Module | None,
        cgroup: CgroupView,
        handoff: Handoff,
        seccomp: Filter,
        artefact: str = "",
        hook_state: HookState | None = None,
        net_devices: Mapping[str, Sequence[Address]] | None = None,
    ) -> None:
        self.target: Final = target
        self.module: Final = module
        self.cgroup: Final = cgroup
        self.handoff: Final = handoff
        self.seccomp: Final = seccomp
        self.artefact: Final = artefact
        self.hook_state: Final = hook_state or HookState()
        self.net_devices: Final = net_devices or {}
