"""What the launcher has the interpreter run, compiled: ``python -I -S boot.pyc ARGUMENT…``.

The package's modules come from one file of compiled code beside this one (``freeze.py`` writes it)
instead of one file each: finding, opening and checking forty files costs as much as running them.
Whatever is not in it, such as the extension modules, is imported as usual.
"""

import gc
import marshal
import posix
import sys
from _frozen_importlib import ModuleSpec

gc.disable()  # a call is over before there is anything worth collecting

_LIBRARY = sys.argv[0].rpartition("/")[0]
_ROOT = _LIBRARY.removesuffix("/crunw/lib")

with open(f"{_LIBRARY}/modules.bin", "rb", buffering=0) as file:
    _MODULES: dict[str, tuple[bool, str, bytes]] = marshal.loads(file.readall())


class Modules:
    """Finder and loader of the modules in the file, each decoded when it is first imported."""

    @staticmethod
    def find_spec(name, path=None, target=None):  # type: ignore[no-untyped-def]
        """Return the spec of a module of ours (importlib.abc.MetaPathFinder)."""
        if name not in _MODULES:
            return None
        is_package, source, _ = _MODULES[name]
        spec = ModuleSpec(name, Modules, origin=f"{_ROOT}/{source}", is_package=is_package)
        spec.has_location = True
        if is_package:
            spec.submodule_search_locations = [spec.origin.rpartition("/")[0]]
        return spec

    @staticmethod
    def create_module(spec):  # type: ignore[no-untyped-def]
        """Leave the making of the module object to the import system."""

    @staticmethod
    def exec_module(module):  # type: ignore[no-untyped-def]
        """Run the module's code (importlib.abc.Loader)."""
        exec(marshal.loads(_MODULES[module.__name__][2]), module.__dict__)


sys.meta_path.insert(0, Modules)

from crunw.cli.main import main  # noqa: E402

# main() has flushed what it printed: spare the interpreter taking itself apart.
posix._exit(main())
