"""User namespaces and id-mapped mounts: what can be refused, and the maps as text.

Follows config-linux.md "User namespace mappings" and config.md "Mounts".
"""

from __future__ import annotations

from crunw.errors import SpecError
from crunw.oci.queries import user_namespace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crunw.oci.model import IdMapping, Mount, Spec


def check_user_namespace(spec: Spec, *, rootless: bool) -> None:
    """Refuse what the caller is not allowed to do. Raises :class:`SpecError`."""
    linux = spec["linux"]
    path = user_namespace(spec)
    if rootless and path is None:
        raise SpecError("linux.namespaces", "without root, a user namespace is required")
    if path == "" and not rootless and not linux.get("uidMappings"):
        raise SpecError("linux.uidMappings", "is required for a new user namespace")


def is_idmapped(mount: Mount) -> bool:
    """Whether the mount is to have mapped ids."""
    return bool(mount.get("uidMappings")) or any(
        idmap_option(option)[0] for option in mount.get("options", ())
    )


def idmap_option(option: str) -> tuple[str, str]:
    """``idmap`` or ``ridmap`` and its value, of such an option of a mount; else two times ""."""
    name, _, value = option.partition("=")
    return (name, value) if name in ("idmap", "ridmap") else ("", "")


def needs_opener(spec: Spec, *, rootless: bool) -> bool:
    """Whether the container's process will lack rights of the runtime that its mounts need."""
    if rootless:
        return False
    return user_namespace(spec) is not None or any(map(is_idmapped, spec.get("mounts", ())))


def mount_maps(spec: Spec, mount: Mount, field: str) -> tuple[str, str, str]:
    """The user namespace (a path, or ""), the uid map and the gid map of an id-mapped mount.

    As in runc, those of the mount, else those of the container's user namespace.
    """
    uids, gids = mount.get("uidMappings", []), mount.get("gidMappings", [])
    if uids:
        return "", map_text(uids), map_text(gids)
    for option in mount.get("options", ()):
        if value := idmap_option(option)[1]:
            return "", *_option_maps(spec, value, f"{field}.options")
    path = user_namespace(spec)
    if path is None:
        raise SpecError(f"{field}.uidMappings", "is required, as there is no user namespace")
    linux = spec["linux"]
    return path, map_text(linux.get("uidMappings", [])), map_text(linux.get("gidMappings", []))


def _option_maps(spec: Spec, value: str, field: str) -> tuple[str, str]:
    """The maps of ``uids=0-1-10#10-11-10;gids=0-100-10``, as crun(1) "idmap mount options" has it:
    first id of the file system, first id of the host, number of ids. ``@`` before a range: the
    second is an id of the container's.
    """
    maps = {"uids": "", "gids": ""}
    for part in value.split(";"):
        key, _, ranges = part.partition("=")
        if key not in maps or maps[key]:
            raise SpecError(field, f"{value!r}: must be like uids=0-1-10;gids=0-1-10")
        linux = spec["linux"]
        own = linux.get("uidMappings", []) if key == "uids" else linux.get("gidMappings", [])
        maps[key] = "".join(_range_text(text, own, field) for text in ranges.split("#"))
    if not all(maps.values()):
        raise SpecError(field, f"{value!r}: needs both uids= and gids=")
    return maps["uids"], maps["gids"]


def _range_text(text: str, mappings: list[IdMapping], field: str) -> str:
    numbers = text.removeprefix("@").split("-")
    if len(numbers) != 3 or not all(number.isdecimal() for number in numbers):
        raise SpecError(field, f"{text!r}: must be three numbers, as 0-1000-10")
    inside, outside, size = map(int, numbers)
    if text.startswith("@"):
        for mapping in mappings:
            if 0 <= outside - mapping["containerID"] < mapping["size"]:
                outside += mapping["hostID"] - mapping["containerID"]
                break
        else:
            raise SpecError(field, f"{text!r}: {outside} is not mapped in the container")
    return f"{inside} {outside} {size}\n"


def map_text(mappings: list[IdMapping]) -> str:
    """The mappings as /proc/PID/uid_map takes them."""
    return "".join(f"{m['containerID']} {m['hostID']} {m['size']}\n" for m in mappings)


def check_owner(spec: Spec, option: str, field: str, *, rootless: bool) -> None:
    """Refuse a mount option ``uid=`` or ``gid=`` with an id that the new user namespace lacks.

    The kernel would say no more than that the options are invalid.
    """
    name, _, value = option.partition("=")
    if name not in ("uid", "gid") or not value.isdecimal() or user_namespace(spec) != "":
        return
    mappings: list[IdMapping] = spec["linux"].get(f"{name}Mappings", [])  # type: ignore[assignment]
    if not mappings and rootless:
        mappings = [{"containerID": 0, "hostID": 0, "size": 1}]
    if not any(0 <= int(value) - m["containerID"] < m["size"] for m in mappings):
        raise SpecError(f"{field}.options", f"{option}: not mapped by linux.{name}Mappings")
