"""What a WebAssembly program may use, and the steps that give it that (docs/wasm.md)."""

from __future__ import annotations

from crunw.plan import flags
from crunw.plan.encode import Step
from crunw.plan.mounts import clean
from crunw.plan.wasm_settings import COMPILED, FAMILY, MOST_PAGES, Preopen, Settings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crunw.oci.model import Spec

_PAGE = 65536
_MIB = 1 << 20


def settings(spec: Spec) -> Settings:
    """What the annotations and the memory limit say. Raises :class:`crunw.errors.SpecError`."""
    found = Settings()
    asked = {
        name: text
        for name, text in spec.get("annotations", {}).items()
        if name.startswith(FAMILY) and name[len(FAMILY) :] not in COMPILED
    }
    if asked:
        from crunw.plan.wasm_annotations import read

        read(found, asked)
    if found.within_limit:
        limit = spec.get("linux", {}).get("resources", {}).get("memory", {}).get("limit", 0)
        found.memory_pages, found.initial_pages = pages_within(limit)
    return found


def pages_within(limit: int) -> tuple[int, int]:
    """The largest memory, in pages, below a limit of the cgroup in bytes, and the largest initial.

    The engine, the stacks and the page tables need memory too: a sixteenth is kept for them, 4 MiB
    at least, but never more than the half. A memory that is larger from the beginning is left as it
    is (a module need not touch all of it) unless it is larger than the whole limit.
    """
    if limit <= 0:
        return 0, 0
    reserve = min(limit // 2, max(4 * _MIB, limit // 16))
    pages = max(1, (limit - reserve) // _PAGE)
    initial = max(1, limit // _PAGE)
    return (pages if pages < MOST_PAGES else 0, initial if initial < MOST_PAGES else 0)


def engine_steps(wanted: Settings) -> list[Step]:
    """What is opened on the host's files, once the engine is there."""
    steps = [
        Step("engine_plugin", plugin_path(wanted.plugin_directory, name)) for name in wanted.plugins
    ]
    return [*steps, Step("engine_counters", wanted.counters)] if wanted.counters else steps


def plugin_path(directory: str, name: str) -> str:
    """The file of a plugin, which WasmEdge's installer names so."""
    return f"{directory}/libwasmedgePlugin{name}.so"


def mount_steps(wanted: Settings) -> list[Step]:
    """The plugins' directory, read-only where the host has it: for what a plugin loads later."""
    if not wanted.plugins:
        return []
    how = flags.MS_BIND | flags.MS_RDONLY | flags.MS_NOSUID | flags.MS_NODEV
    return [Step("mount", wanted.plugin_directory, wanted.plugin_directory, "", how, "", 0)]


def load_steps(program: str, opened: list[Preopen], wanted: Settings) -> list[Step]:
    """Load the module with what :func:`preopens` says."""
    limits = (
        wanted.memory_pages,
        wanted.initial_pages,
        wanted.instructions,
        int(wanted.statistics),
        wanted.milliseconds,
    )
    steps = [Step("wasm_limits", *limits)] if any(limits) else []
    if wanted.insist:
        steps.append(Step("wasm_insist"))
    names = [f"{entry.guest}:{entry.host}" for entry in opened]
    return [*steps, Step("wasm_load", program, names, wanted.function)]


def read_only_steps(opened: list[Preopen]) -> list[Step]:
    """Make the preopens that only read, while the process has the rights to."""
    return [
        Step("preopen_readonly", number, entry.host)
        for number, entry in enumerate(opened)
        if entry.read_only
    ]


def preopens(cwd: str, directories: list[str], wanted: Settings) -> list[Preopen]:
    """The directories a WASI program is given; one that is asked for replaces its namesake.

    ``directories``: the names of those in "/".
    wasi-libc takes "/" and "." for the same place: the longest matching prefix wins, among equals
    the last one. So that both absolute and relative paths work with a working directory other
    than "/", each directory in "/" is given by its name, and "." last.
    """
    cwd = clean(cwd)
    found = {"/": Preopen("/", "/")}
    if cwd != "/":
        names = sorted({*directories, cwd.split("/")[1]})
        found.update((f"/{name}", Preopen(f"/{name}", f"/{name}")) for name in names)
        found["."] = Preopen(".", cwd)
    extra = {entry.guest: entry for entry in wanted.preopens}
    return list({**found, **extra}.values())
