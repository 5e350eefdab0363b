"""The id maps of a new user namespace (user_namespaces(7), newuidmap(1))."""

from __future__ import annotations

import posix

from crunw.errors import SpecError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crunw.oci.model import IdMapping

_SHOWN = 400  # bytes of what newuidmap has to say


def write_maps(pid: int, uids: list[IdMapping], gids: list[IdMapping]) -> None:
    """Write the maps of the user namespace that the process ``pid`` has just made.

    Without mappings, the caller's own ids become root's. An ordinary user may map no other ids by
    himself: newuidmap and newgidmap do it, as far as /etc/subuid and /etc/subgid allow. Raises
    :class:`SpecError`.
    """
    uid, gid = posix.geteuid(), posix.getegid()
    uids = uids or [{"containerID": 0, "hostID": uid, "size": 1}]
    gids = gids or [{"containerID": 0, "hostID": gid, "size": 1}]
    privileged = uid == 0
    if privileged or _only(uids, uid):
        _write(pid, "uid", uids)
    else:
        _run_helper(pid, "uid", uids)
    if not privileged and not _only(gids, gid):
        _run_helper(pid, "gid", gids)
        return
    if not privileged:  # or members of a group could get at what is closed to that group
        _put(f"/proc/{pid}/setgroups", "deny", "gid")
    _write(pid, "gid", gids)


def _only(mappings: list[IdMapping], own: int) -> bool:
    """Whether nothing but one's own id is mapped."""
    return len(mappings) == 1 and mappings[0]["hostID"] == own and mappings[0]["size"] == 1


def _lines(mappings: list[IdMapping]) -> list[tuple[str, str, str]]:
    return [(str(m["containerID"]), str(m["hostID"]), str(m["size"])) for m in mappings]


def _write(pid: int, kind: str, mappings: list[IdMapping]) -> None:
    text = "".join(f"{' '.join(line)}\n" for line in _lines(mappings))
    _put(f"/proc/{pid}/{kind}_map", text, kind)


def _put(path: str, text: str, kind: str) -> None:
    try:
        fd = posix.open(path, posix.O_WRONLY | posix.O_CLOEXEC)
        try:
            posix.write(fd, text.encode())
        finally:
            posix.close(fd)
    except OSError as error:
        raise SpecError(f"linux.{kind}Mappings", f"writing {path}: {error.strerror}") from error


def _run_helper(pid: int, kind: str, mappings: list[IdMapping]) -> None:
    name = f"new{kind}map"
    field = f"linux.{kind}Mappings"
    output = posix.memfd_create("output")
    try:
        helper = posix.posix_spawnp(
            name,
            [name, str(pid), *(number for line in _lines(mappings) for number in line)],
            posix.environ,
            file_actions=[(posix.POSIX_SPAWN_DUP2, output, 1), (posix.POSIX_SPAWN_DUP2, output, 2)],
            setsigmask=(),
        )
        status = posix.waitpid(helper, 0)[1]
        said = posix.pread(output, _SHOWN, 0).decode("utf-8", "replace")
    except FileNotFoundError:
        problem = f"to map more than one's own {kind}, {name} is needed (Debian: uidmap)"
        raise SpecError(field, problem) from None
    except OSError as error:
        raise SpecError(field, f"{name}: {error.strerror}") from error
    finally:
        posix.close(output)
    if status:
        problem = " ".join(said.split()).removeprefix(f"{name}: ") or f"wait status {status}"
        raise SpecError(field, f"{name}: {problem} (a user's ranges are in /etc/sub{kind})")
