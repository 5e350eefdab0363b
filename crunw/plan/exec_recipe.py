"""What the launcher needs to make the plan of another ``exec`` itself (``csrc/launcher/exec.c``).

The plan of a native program is the same for each call but for a few steps: by which descriptor the
namespaces are entered, the working directory, arguments and environment. That of a module is one
module's, in the root directory: it names the module and its compiled code.
"""

from __future__ import annotations

from crunw.oci.jsontext import loads
from crunw.plan.encode import field, record
from crunw.plan.ops import RECIPE_HOME, RECIPE_MAGIC, RECIPE_VERSION, VERSION

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crunw.plan.encode import Step

_HEAD = RECIPE_MAGIC + RECIPE_VERSION.to_bytes(4, "little") + VERSION.to_bytes(4, "little")
NATIVE: tuple[int, ...] = (0, 0, 0, 0, 0)
_CUT = ("ns_enter_pidfd", "cwd", "process")


def is_current(data: bytes) -> bool:
    """Whether a recipe is of this version of crunw."""
    return data.startswith(_HEAD)


def recipe(
    steps: list[Step],
    before: bytes = b"",
    after: bytes = b"",
    module: str = "",
    identity: tuple[int, ...] = NATIVE,
) -> bytes:
    """Return the recipe made of a plan by :func:`crunw.plan.exec.exec_plan`.

    ``before``, ``after``: what :func:`around_arguments` finds in a process file. ``module``: the
    absolute path that the arguments begin with; ``identity``: what shows that its file is the same
    (device, inode, size, when content and anything was changed in ns).
    """
    pieces = [b""]
    holes: dict[str, Step] = {}
    for step in steps:
        if step.op in _CUT:
            holes[step.op] = step
            pieces.append(b"")
        else:
            pieces[-1] += record(step)
    if tuple(holes) != _CUT or len(pieces) != len(_CUT) + 1:
        raise ValueError(f"not a plan of exec: {steps!r}")
    namespaces = holes["ns_enter_pidfd"].fields[1]
    cwd = holes["cwd"].fields[0]
    environment = holes["process"].fields[1]
    fields = (
        ("u", RECIPE_HOME * any(step.op == "home" for step in steps)),
        ("u", namespaces),
        ("u", len(steps)),
        *(("b", piece) for piece in pieces),
        ("s", cwd),
        ("S", environment),
        ("b", before),
        ("b", after),
        ("s", module),
        *(("u", number) for number in identity),
    )
    return _HEAD + b"".join(field(kind, value) for kind, value in fields)


def around_arguments(text: bytes) -> tuple[bytes, bytes]:
    """The text of a process file before and after the value of its "args"; empty where that can't
    be seen for sure: it must be the one member of that name, at the top, without white space.
    """
    before, name, rest = text.partition(b'"args":')
    end = rest.find(b"]") + 1
    while end and _loaded(rest[:end]) is None:  # a bracket in an argument
        end = rest.find(b"]", end) + 1
    before, after = before + name, rest[end:]
    given, changed = _loaded(text), _loaded(before + b'["x"]' + after)
    if not end or b'"args"' in after or not isinstance(given, dict):
        return b"", b""
    return (before, after) if changed == {**given, "args": ["x"]} else (b"", b"")


def _loaded(text: bytes) -> object:
    """The JSON document, None for what is not one."""
    try:
        return loads(text.decode())
    except ValueError:
        return None
