"""What a checked specification says in more than one field. Pure."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crunw.oci.model import Mount, Seccomp, Spec


def namespaces(spec: Spec) -> dict[str, str]:
    """Namespace type → path to join (``""``: a new one)."""
    entries = spec.get("linux", {}).get("namespaces", ())
    return {entry["type"]: entry.get("path", "") for entry in entries}


def user_namespace(spec: Spec) -> str | None:
    """The path of the user namespace to join, "" for a new one, None for the runtime's."""
    return namespaces(spec).get("user")


def is_bind(mount: Mount) -> bool:
    """Whether the mount shows a file or directory of the host's."""
    options = mount.get("options", ())
    return mount.get("type") == "bind" or "bind" in options or "rbind" in options


def allows(filters: Seccomp, call: str) -> bool:
    """Whether ``linux.seccomp`` allows a system call with any arguments."""
    allowing = ("SCMP_ACT_ALLOW", "SCMP_ACT_LOG")
    rules = [rule for rule in filters.get("syscalls", ()) if call in rule["names"]]
    if not rules:
        return filters["defaultAction"] in allowing
    return all(rule["action"] in allowing and not rule.get("args") for rule in rules)
