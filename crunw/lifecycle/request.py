"""What a caller asks of ``create``, ``run`` and ``restore``."""

from __future__ import annotations

from crunw.files import absolute, environment
from crunw.lifecycle.descriptors import passed, socket_activation


class Request:
    """What the command line asks of ``create`` and ``run``."""

    __slots__ = (
        "bundle",
        "console_socket",
        "id",
        "inherited",
        "listen_fds",
        "no_new_keyring",
        "no_pivot",
        "notify",
        "pid_file",
        "pidfd_socket",
        "preserve_fds",
        "root",
        "cgroup_manager",
        "config",
    )

    def __init__(self, root: str, container_id: str, bundle: str) -> None:
        self.root = root
        self.id = container_id
        self.bundle = absolute(bundle)
        self.console_socket = ""
        self.pid_file = ""
        self.pidfd_socket = ""
        self.config = "config.json"
        self.preserve_fds = 0
        self.listen_fds = socket_activation()
        self.inherited = range(0)
        self.no_pivot = False
        self.notify = environment("NOTIFY_SOCKET") != ""
        self.no_new_keyring = False
        self.cgroup_manager = "cgroupfs"

    def look_at_descriptors(self) -> None:
        """See that those to pass on are there, before any is opened. Raises :class:`UsageError`."""
        self.inherited = passed(self.listen_fds, self.preserve_fds)
