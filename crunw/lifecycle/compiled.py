"""A container's module as compiled code of the node's cache, by the policy for the container."""

from __future__ import annotations

import posix
from time import time

from crunw import notices
from crunw.aot import config, lookup, places
from crunw.aot.digest import of_module
from crunw.aot.estimate import MAX_MODULE, is_beyond
from crunw.aot.options import BEST, FAST
from crunw.errors import CrunwError, SpecError
from crunw.paths import has_llvm
from crunw.workload import WASMEDGE, WASMTIME

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from crunw.effects.store import Record
    from crunw.plan.inputs import Module

NOT_YET = "not compiled yet"
# What CRI implementations call the image of a container.
_IMAGES = ("io.kubernetes.cri-o.ImageName", "io.kubernetes.cri.image-name")
_ALWAYS_BUDGET = 30.0  # s: for `always` the better tier is waited for where it takes no longer
_SETTLED = 1.0  # s: a file that changes again so soon may have the same times
_FOREVER = float(1 << 31)
# What is done without code, as at the end of crunw-init's notice (csrc/init/wasm.c).
_INSTEAD = {WASMEDGE: " (the module is interpreted)", WASMTIME: " (it is compiled at each start)"}


class Compiled:
    """What the cache has for one start, and what is left to do after it.

    ``reason`` says why the module is interpreted, or by wasmtime compiled as it starts; ``""``: it
    is not, or the program is native.
    ``artefact`` is the directory of the code in use, ``tier`` its level of optimisation.
    """

    __slots__ = (
        "_engine",
        "_file",
        "_module",
        "_order",
        "_policy",
        "_tiers",
        "_worse",
        "artefact",
        "reason",
        "tier",
    )

    def __init__(self) -> None:
        """Nothing: a native program."""
        self.artefact = ""
        self.reason = ""
        self.tier = ""
        self._engine = ""
        self._file = ""
        self._module = -1
        self._order: list[str] = []
        self._policy = ""
        self._tiers: lookup.Tiers | None = None
        self._worse = False  # interpreted, and no later start will be better by itself

    def find(
        self,
        module: Module,
        annotations: Mapping[str, str],
        trusted: str,
        *,
        may_wait: bool,
    ) -> None:
        """Find the module's code in the cache, or by policy put it there: see ``artefact``.

        ``trusted``: the root file system if the engine has made it, whose inodes may be indexed.
        Without a usable cache, library or module the start goes on without, for a ``reason``;
        ``crunw-init`` says what is wrong with the last two. Raises :class:`CrunwError` for a policy
        that is none, or that can't be kept, and for a module that no engine could load.
        """
        self._policy = config.policy(annotations)
        self._engine = module.engine
        if not module.path:
            return
        self._file = module.path.rpartition("/")[2]
        self._module = module.descriptor
        if self._module < 0:
            self.reason = "the module can't be read"  # crunw-init says why
            return
        _check_size(module.path, self._module)
        if self._policy == "off":
            self.reason = "the policy is off"
            return
        self._order = _order(module, self._file, annotations)
        try:
            self._look_up(trusted, module)
        except (CrunwError, OSError) as error:
            self._give_up(str(error))
            return
        if self._tiers and self.reason:
            self._wait(self._tiers, annotations, may_wait=may_wait)
        self._settle()

    def _look_up(self, trusted: str, module: Module) -> None:
        limit = config.load().max_module
        if too_large := is_beyond(self._module, limit):
            self._give_up(too_large)
            return
        tiers = lookup.Tiers(
            of_module(self._module, trusted),
            statistics=module.settings.counted(),
            engine=module.engine,
        )
        if tiers.find():
            self._tiers = tiers
            return
        if not self._can_compile():
            self._give_up("this installation has no LLVM")
            self._worse = False  # by its administrator's choice
            return
        places.prepare()
        if failure := tiers.failure():
            self._give_up(f"failed: {failure}")
            return
        self._tiers = tiers
        self.reason = NOT_YET

    def _can_compile(self) -> bool:
        return self._engine != WASMEDGE or has_llvm()

    def _give_up(self, reason: str) -> None:
        """Interpret the module, unless that is not allowed."""
        self.reason = reason
        self._worse = True
        self._tiers = None
        if self._policy == "always":
            asked = f"{config.ANNOTATION}=always"
            raise CrunwError(f"{self._file}: no compiled code, which {asked} asks for: {reason}")

    def _wait(self, tiers: lookup.Tiers, annotations: Mapping[str, str], *, may_wait: bool) -> None:
        """Have it compiled now, if there is time for that."""
        if self._policy == "always":
            budget, patience, nice = _ALWAYS_BUDGET, _FOREVER, 10
        else:
            budget = config.wait(annotations) if may_wait else 0.0
            patience, nice = budget, 0
        if budget == 0:
            return
        from crunw.aot.build import first_levels
        from crunw.aot.estimate import code_size

        levels = first_levels(code_size(self._module, self._engine), budget, self._engine)
        if self._policy == "always":
            levels = levels or (FAST, *BEST)
        if not levels:
            self._worse = True
            self.reason = f"{NOT_YET}: that takes longer than the {budget:g} s of aot.wait"
            return
        self._compile_now(tiers, levels, nice, patience)

    def _compile_now(
        self, tiers: lookup.Tiers, levels: Sequence[str], nice: int, patience: float
    ) -> None:
        """By a process that goes on when this one is killed; the next start then joins it."""
        from crunw.aot import background

        said = posix.memfd_create("said", posix.MFD_CLOEXEC)
        try:
            words = ["build", "--", "".join(levels), *self._order]
            job = background.start(self._module, nice, words, said)
            ended = background.wait(job, patience)
            text = posix.pread(said, 4096, 0).decode("utf-8", "replace").strip()
        except OSError as error:
            self._give_up(f"the compiler can't be started: {error.strerror}")
            return
        finally:
            posix.close(said)
        if tiers.find():
            self.reason = ""
        elif ended is None:
            self._worse = True
            self.reason = f"{NOT_YET}: it took longer than the {patience:g} s of aot.wait"
        else:
            reason = text.rpartition("\n")[2].removeprefix("crunw: ")
            self._give_up(f"failed: {reason or _how_it_ended(ended)}")

    def _settle(self) -> None:
        if self._tiers and self._tiers.level:
            self.tier = self._tiers.level
            self.artefact = self._tiers.directory()
            places.count("hits", self._tiers.key(self.tier))

    def compile_later(self, file: str = "") -> None:
        """Start the background compiler if there is something for it to do.

        With ``file`` leave that there for ``start`` (:func:`crunw.aot.background.leave`).
        """
        if not self._tiers or self._tiers.is_final() or not self._can_compile():
            return
        from crunw.aot import background

        if background.is_waiting(self._tiers.name):
            return
        try:
            words = ["enqueue", "--", self._tiers.name, *self._order]
            if file:
                background.leave(file, self._module, words)
            else:
                background.start(self._module, background.LAST, words)
        except OSError as error:
            why = f"the compiler can't be started: {error.strerror}"
            if self.tier:
                notices.degraded("compiled code", f"{why} (the code stays at -O{self.tier})")
            else:
                self.reason = why
                self._worse = True

    def check(self, interpreted: str) -> None:
        """After the module has been loaded: report what is worse than it could be. Raises
        :class:`CrunwError` if it had to be compiled.

        ``interpreted``: why the code could not be used, which has been reported; ``""``: it could.
        """
        if self._worse:
            notices.degraded("compiled code", f"{self.reason}{_INSTEAD[self._engine]}")
        if interpreted:
            if self._tiers:
                lookup.doubt(self._tiers.key(self.tier))
            self.tier = ""
            self._give_up(f"unusable code: {interpreted.removesuffix(_INSTEAD[self._engine])}")

    def lasting(self) -> tuple[int, ...]:
        """What shows that the module's file is the same and unchanged (as
        :func:`crunw.plan.exec_recipe.recipe` takes it), if nothing better will be found for it than
        was for this start; empty where that is not sure. After :meth:`check`.
        """
        final = self.tier and self._tiers and self._tiers.is_final()
        if self._module < 0 or self._worse or not (final or self._policy == "off"):
            return ()
        status = posix.fstat(self._module)
        if time() - status.st_ctime <= _SETTLED:
            return ()
        times = (status.st_mtime_ns, status.st_ctime_ns)
        return (status.st_dev, status.st_ino, status.st_size, *times)

    def execution(self) -> Record:
        """How the module is executed, for the record: ``wasm``, and the entries that it may get."""
        by = {} if self._engine == WASMEDGE else {"engine": self._engine}
        if self.tier:
            return {"wasm": {"execution": "compiled", **by}}
        how = "interpreted" if self._engine == WASMEDGE else "compiled at start"
        keys = self._tiers.keys() if self._tiers else []
        return {"wasm": {"execution": how, "reason": self.reason, **by}, "codeKeys": keys}

    def close(self) -> None:
        """Let go of the module's file, with which its file system can't be unmounted."""
        if self._module >= 0:
            posix.close(self._module)
            self._module = -1


def _how_it_ended(status: int) -> str:
    """Of a compiler that has reported nothing: its wait status in words."""
    if posix.WIFSIGNALED(status):
        return f"the compiler was killed by signal {posix.WTERMSIG(status)}"
    return f"the compiler ended with status {posix.WEXITSTATUS(status)}, and reported nothing"


def _check_size(path: str, module: int) -> None:
    size = posix.fstat(module).st_size
    if size > MAX_MODULE:
        raise SpecError("process.args[0]", f"{path}: the module is larger than 4 GiB")


def _order(module: Module, name: str, annotations: Mapping[str, str]) -> list[str]:
    """What the compiler gets to know of the module, as :class:`crunw.aot.build.Order` has it."""
    image = next((annotations[key] for key in _IMAGES if key in annotations), "")
    asked = {
        "statistics": module.settings.counted(),
        "plugins": module.settings.plugins,
        WASMTIME: module.engine == WASMTIME,
    }
    return [name, image, *(word for word, is_asked in asked.items() if is_asked)]
