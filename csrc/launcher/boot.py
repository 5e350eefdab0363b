"""What the launcher has the interpreter run, compiled: ``python -I -S boot.bin [INIT] ARGUMENT…``.

INIT describes a ``crunw-init`` that the launcher has started (``spawn.c``).

The package's modules come from files of compiled code beside this one (``freeze.py`` writes them)
instead of one file each: finding, opening and checking sixty files costs as much as running them.
Whatever is not in them, such as the extension modules, is imported as usual.
"""

import gc
import marshal
import posix
import sys
from _frozen_importlib import ModuleSpec

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import CodeType, ModuleType

gc.disable()  # a call is over before there is anything worth collecting

_LIBRARY = sys.argv[0].rpartition("/")[0]
_ROOT = _LIBRARY.removesuffix("/crunw/lib")
_PRELOADED = ("create", "exec", "run")
_INIT = sys.argv.pop(1) if sys.argv[1:2] and sys.argv[1].startswith("crunw-init=") else ""

# Name → (is a package, source, where its code is in modules.bin, that code's length).
_MODULES: "dict[str, tuple[bool, str, int, int]]" = {}


def _load(name: str) -> object:
    with open(f"{_LIBRARY}/{name}", "rb", buffering=0) as file:
        return marshal.loads(file.readall())


class Modules:
    """Finder and loader of all modules of the package, each decoded when it is first imported."""

    @staticmethod
    def find_spec(name: str, _path: object = None, _target: object = None) -> "ModuleSpec | None":
        """Return the spec of a module of ours (importlib.abc.MetaPathFinder)."""
        if name.partition(".")[0] not in ("crunw", "__future__"):
            return None
        if not _MODULES:
            _MODULES.update(_load("modules.index"))  # type: ignore[call-overload]
        if name not in _MODULES:
            return None
        is_package, source, *_ = _MODULES[name]
        spec = ModuleSpec(name, Modules, origin=f"{_ROOT}/{source}", is_package=is_package)
        spec.has_location = True
        if is_package:
            spec.submodule_search_locations = [spec.origin.rpartition("/")[0]]
        return spec

    @staticmethod
    def create_module(_spec: ModuleSpec) -> None:
        """Leave the making of the module object to the import system."""

    @staticmethod
    def exec_module(module: "ModuleType") -> None:
        """Run the module's code (importlib.abc.Loader)."""
        *_, offset, length = _MODULES[module.__name__]
        with open(f"{_LIBRARY}/modules.bin", "rb", buffering=0) as file:
            code = marshal.loads(posix.pread(file.fileno(), length, offset))
        exec(code, module.__dict__)


def _preload(modules: "list[tuple[str, bool, str, CodeType]]") -> None:
    """Run the modules, each after those that it imports: a third faster than by the import system.

    What they import they find in ``sys.modules``.
    """
    for name, is_package, source, code in modules:
        module = type(sys)(name)
        namespace = module.__dict__
        namespace["__file__"] = f"{_ROOT}/{source}"
        parent, _, child = name.rpartition(".")
        namespace["__package__"] = name if is_package else parent
        if is_package:
            namespace["__path__"] = [namespace["__file__"].rpartition("/")[0]]
        sys.modules[name] = module
        if parent:
            setattr(sys.modules[parent], child, module)
        exec(code, namespace)


def _begin() -> "Callable[[], int]":
    """Load what the verb needs, and return what runs it.

    The verb is the first word that names one; one that is only an option's value preloads in vain.
    """
    sys.meta_path.insert(0, Modules)
    for word in sys.argv[1:]:
        if word in _PRELOADED:
            _preload(_load(f"{word}.bin"))  # type: ignore[arg-type]
            break
    from crunw.cli.main import main

    if _INIT:
        from crunw.effects.init import Init

        Init.started = [int(number) for number in _INIT.partition("=")[2].split(":")]
    return main


try:
    main = _begin()
except Exception as error:  # noqa: BLE001 - a damaged installation, or no memory
    problem = f"crunw: {_LIBRARY}: can't be loaded (install crunw again?): {error!r}\n"
    posix.write(2, problem.encode("utf-8", "replace"))
    posix._exit(1)
status = main()
if _INIT:
    from crunw.effects.init import Init

    Init.discard()
# main() has flushed what it printed: spare the interpreter taking itself apart.
posix._exit(status)
