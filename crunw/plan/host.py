"""What a plan depends on besides the specification: facts that ``crunw.effects`` gathers."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crunw.plan.wasm_settings import Settings
    from crunw.workload import Workload


class CgroupMount:
    """One hierarchy as a container's ``cgroup`` mount shows it (cgroup v1 and hybrid)."""

    __slots__ = ("data", "name", "path", "unified")

    def __init__(self, name: str, data: str, path: str, unified: bool = False) -> None:
        self.name = name  # directory below /sys/fs/cgroup: "cpu,cpuacct"
        self.data = data  # mount(2) data: "cpu,cpuacct" or "none,name=systemd"
        self.path = path  # the container's own group on the host
        self.unified = unified


class Host:
    """Everything in a plan that does not come from ``config.json``.

    Descriptors are numbers that ``crunw-init`` inherits; -1 stands for none.
    """

    __slots__ = (
        "artefact",
        "bundle",
        "cgroup_join",
        "cgroup_mounts",
        "cgroup_namespace",
        "cgroup_unified",
        "cgroup_version",
        "console_fd",
        "device_program",
        "engine",
        "engine_library",
        "engine_reason",
        "engine_stub",
        "id",
        "keep_groups",
        "listen_fds",
        "listen_names",
        "module",
        "net_devices",
        "notify",
        "no_new_keyring",
        "no_pivot",
        "preserve_fds",
        "rootfs",
        "rootless",
        "root_entries",
        "seccomp_closed",
        "seccomp_fd",
        "seccomp_flags",
        "seccomp_program",
        "seccomp_state",
        "start",
        "state_after_pid",
        "state_after_pid_creating",
        "state_before_pid",
        "wasm",
        "workload",
    )

    def __init__(self, *, id: str, bundle: str, rootfs: str, workload: Workload) -> None:
        self.id = id
        self.bundle = bundle
        self.rootfs = rootfs
        self.workload = workload
        self.cgroup_version = 0
        self.cgroup_join: list[str] = []  # cgroup v1: the files to which "0" is written
        self.cgroup_unified = ""  # cgroup v2: the directory
        self.cgroup_mounts: list[CgroupMount] = []
        self.cgroup_namespace = False
        self.device_program = b""
        self.seccomp_program = b""
        self.seccomp_flags = 0
        self.seccomp_closed = False  # under it no other filter can be loaded
        self.seccomp_fd = -1  # connected to listenerPath
        self.seccomp_state: list[str] = []  # sent there, around the pids
        self.console_fd = -1
        self.start = ""  # directory of the FIFOs for `start`; "": run at once
        self.preserve_fds = 0
        self.notify = ""  # the program's variable NOTIFY_SOCKET, with its value
        self.keep_groups = False  # the additional groups stay the caller's
        self.listen_fds = 0  # how many of them are sockets of systemd's socket activation
        self.listen_names = ""  # their names, separated by colons
        # Devices that move in, by their name there: family, prefix length, flags, scope, attributes
        self.net_devices: dict[str, list[tuple[int, int, int, int, bytes]]] = {}
        self.no_pivot = False
        self.rootless = False  # paths.is_ordinary_user()
        self.no_new_keyring = False
        self.engine = ""  # "wasmedge", "wasmtime"
        self.engine_reason = ""
        self.engine_library = ""
        self.engine_stub = ""
        self.module = -1  # of a Wasm workload: its file
        self.artefact = ""  # directory of the module's compiled code in the AOT cache
        self.wasm: Settings  # of a Wasm workload alone
        self.root_entries: list[str] = []  # directories in "/" of the rootfs (Wasm, other cwd)
        self.state_before_pid = ""  # the OCI state for hooks, around the pid
        self.state_after_pid = ""
        self.state_after_pid_creating = ""  # for createContainer
