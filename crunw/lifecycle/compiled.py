"""A container's module as compiled code of the node's cache, by the policy for the container."""

from __future__ import annotations

import posix

from crunw import notices
from crunw.aot import config, lookup
from crunw.aot.digest import of_module
from crunw.aot.options import Options
from crunw.errors import CrunwError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from crunw.effects.rootfs import Root
    from crunw.plan.host import Host


NOT_YET = "not compiled yet"


class Compiled:
    """What the cache has for one start, and what is left to do after it.

    ``reason`` says why the module is interpreted; ``""``: it is not, or the program is native.
    """

    __slots__ = ("_key", "_missing", "_module", "_name", "_options", "reason")

    def __init__(self) -> None:
        """Nothing: a native program, or the policy ``off``."""
        self.reason = ""
        self._module = -1
        self._name = ""
        self._key = ""
        self._missing = False
        self._options = Options()

    def find(self, host: Host, root: Root, annotations: Mapping[str, str], trusted: str) -> None:
        """Set ``host.artefact`` if the module's code is in the cache, or by policy put it there.

        ``trusted``: the root file system if the engine has made it, whose inodes may be indexed.
        Without a usable cache, library or module the start goes on without; ``crunw-init`` says
        what is wrong with the last two. Raises :class:`CrunwError` for a policy that is none.
        """
        policy = config.policy(annotations)
        if policy == "off":
            self.reason = "the policy is off"
        if policy == "off" or not host.workload.path:
            return
        self._options.statistics = host.wasm.counted()
        self._name = host.workload.path.rpartition("/")[2]
        try:
            self._module = root.open_file(host.workload.path)
            self._key = lookup.key_of(of_module(self._module, trusted), self._options)
            found = lookup.usable(self._key) or (policy == "always" and self._build())
        except (CrunwError, OSError) as error:
            self.close()
            self.reason = str(error)
            notices.degraded("compiled code", f"{error} (the module is interpreted)")
            return
        if found:
            host.artefact = lookup.directory(self._key)
        else:
            self.reason = NOT_YET
        self._missing = not found and policy == "auto"

    def _build(self) -> bool:
        from crunw.aot.build import build

        return build(self._module, self._name, self._options) == self._key

    def compile_later(self) -> None:
        """Start the background compiler if there is something for it to do."""
        if not self._missing:
            return
        from crunw.aot import background

        try:
            background.start(self._module, self._name, self._key, self._options)
        except OSError:
            pass  # the next start tries again

    def finish(self, interpreted: str) -> None:
        """Do what has been left for the end of this process.

        ``interpreted``: why the code could not be used, ``""``.
        """
        if interpreted:
            lookup.doubt(self._key)
        self.close()

    def close(self) -> None:
        """Let go of the module's file, with which its file system can't be unmounted."""
        if self._module >= 0:
            posix.close(self._module)
            self._module = -1
