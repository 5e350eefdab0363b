"""Read and check ``config.json`` and ``process.json``.

The documents stay what JSON made of them, but completed: ``null`` members are gone, ``linux`` and
``process.user`` with its ids are there, a mount's destination is absolute.
"""

from __future__ import annotations

import posix

from crunw.errors import SpecError
from crunw.files import exists, is_directory
from crunw.notices import degraded
from crunw.oci import check as walker
from crunw.oci import jsontext, rules, schema
from crunw.oci.resources import check_resources

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from crunw.oci.model import Mount, Process, Resources, Spec

MAX_BYTES = 16 << 20


def config_path(bundle: str, name: str) -> str:
    """Where a bundle's configuration is; ``name``: its file there, or an absolute path."""
    return name if name.startswith("/") else f"{bundle}/{name}"


def load(bundle: str, name: str = "config.json", *, warn: bool = False) -> Spec:
    """The checked ``config.json`` of the bundle directory, or another file. Raises SpecError.

    ``warn``: warn of what is accepted though the specification does not allow it.
    """
    if not is_directory(bundle):
        problem = "is not a directory" if exists(bundle) else "no such bundle directory"
        raise SpecError(bundle, problem)
    path = config_path(bundle, name)
    document = _read(path)
    try:
        return check(document, warn=warn)
    except SpecError as error:
        raise _named(path, error) from None


def load_process(path: str) -> Process:
    """The checked process of ``exec --process``: a file with a config.json's ``process``.

    Raises SpecError; fields are named as in config.json (``process.args``).
    """
    document = {"process": _read(path)}
    try:
        walker.check(document, ("object", {"process": schema.PROCESS}, ("process",)))
        process: Process = document["process"]
        _complete_user(process)
        rules.check_process(process)
    except SpecError as error:
        raise _named(path, error) from None
    return process


def load_mounts(path: str, *, destinations: bool) -> list[Mount]:
    """The checked mounts of ``mounts``: a file with a config.json's ``mounts``, bare or by that
    name; ``-``: standard input.

    ``destinations``: no more of them is needed. Raises SpecError; fields are named as in
    config.json (``mounts[0].source``).
    """
    document = _read(path)
    if isinstance(document, list):
        document = {"mounts": document}
    try:
        walker.check(document, ("object", {"mounts": schema.MOUNTS}, ("mounts",)))
        mounts: list[Mount] = document["mounts"]
        _complete_mounts(mounts)
        if not destinations:
            rules.check_mounts(mounts)
    except SpecError as error:
        raise _named(path, error) from None
    return mounts


def load_resources(path: str) -> Resources:
    """The checked resources of ``update --resources``: a file, or ``-`` for standard input.

    Raises SpecError, as :func:`checked_resources`.
    """
    try:
        return checked_resources(_read(path))
    except SpecError as error:
        raise _named(path, error) from None


def checked_resources(resources: Any) -> Resources:
    """Check a decoded ``linux.resources`` on its own, in place.

    Raises SpecError; fields are named as in config.json (``linux.resources.memory.limit``).
    """
    document = {"linux": {"resources": resources}}
    linux = ("object", {"resources": schema.RESOURCES}, ("resources",))
    walker.check(document, ("object", {"linux": linux}, ("linux",)))
    check_resources(resources)
    found: Resources = resources
    return found


def check(document: Any, *, warn: bool = False) -> Spec:
    """Check a decoded ``config.json`` and complete it, in place. Raises SpecError."""
    walker.check(document, schema.CONFIG)
    spec: Spec = document
    _complete(spec, warn=warn)
    rules.check_spec(spec)
    return spec


def _complete(spec: Spec, *, warn: bool) -> None:
    spec.setdefault("linux", {})
    _complete_user(spec["process"])
    _complete_mounts(spec.get("mounts", []), warn=warn)


def _complete_mounts(mounts: list[Mount], *, warn: bool = False) -> None:
    for index, mount in enumerate(mounts):
        destination = mount["destination"]
        if not destination.startswith("/"):
            # Not what the specification allows, but what crun and runc take.
            mount["destination"] = "/" + destination
            if warn:
                why = f"{destination!r} is not absolute: /{destination} is taken (write that)"
                degraded(f"mounts[{index}].destination", why)


def _complete_user(process: Process) -> None:
    user = process.setdefault("user", {"uid": 0, "gid": 0})
    user.setdefault("uid", 0)
    user.setdefault("gid", 0)


def _named(path: str, error: SpecError) -> SpecError:
    """An error of the document as a whole is named after its file."""
    return error if error.field else SpecError(path, error.problem)


def _read(path: str) -> Any:
    try:
        with open(0 if path == "-" else path, "rb", buffering=0) as file:
            data = _read_all(file.fileno())
    except OSError as error:
        raise SpecError(path, f"can't be read: {error.strerror}") from None
    if data is None:
        raise SpecError(path, f"is larger than {MAX_BYTES >> 20} MiB")
    try:
        return jsontext.loads(data.decode())
    except UnicodeDecodeError as error:
        raise SpecError(path, f"is not UTF-8 text: byte {error.start + 1}") from None
    except ValueError as error:
        raise SpecError(path, str(error)) from None


def _read_all(descriptor: int) -> bytes | None:
    """All that is there to read, or None if that is more than MAX_BYTES."""
    data = b""
    while len(data) <= MAX_BYTES:
        more = posix.read(descriptor, 1 << 20)
        if not more:
            return data
        data += more
    return None
