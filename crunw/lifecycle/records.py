"""What is recorded of a container, when it is made."""

from __future__ import annotations

import posix
import time

from crunw.effects import fast
from crunw.lifecycle.facts import rootfs_of
from crunw.lifecycle.state import state_around
from crunw.oci.queries import namespaces

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crunw.effects.cgroups.group import Cgroup
    from crunw.effects.store import Container, Record
    from crunw.lifecycle.request import Request
    from crunw.oci.model import Spec


def first_record(spec: Spec, request: Request, cgroup: Cgroup | None, notify: str = "") -> Record:
    """The record before there is a process: enough for ``delete`` to clean up.

    ``notify``: the kind of the program that reports when it is ready (sd_notify(3)); "" for none.
    """
    spec_hooks = spec.get("hooks", {})
    return {
        **({"notify": notify} if notify else {}),
        "bundle": request.bundle,
        "rootfs": rootfs_of(spec, request.bundle),
        "created": timestamp(),
        "owner": _user_name(),
        "annotations": spec.get("annotations", {}),
        "cgroup": cgroup.record() if cgroup else None,
        "sharedPids": namespaces(spec).get("pid") != "",
        "hooks": {
            name: spec_hooks[name]  # type: ignore[literal-required]
            for name in ("poststart", "poststop")
            if spec_hooks.get(name)
        },
    }


def fast_record(container: Container, record: Record, cgroup: Cgroup | None) -> str:
    """The record from which the launcher answers (:mod:`crunw.effects.fast`)."""
    before_pid, before_status, after_status = state_around(container, record)
    return fast.encode(
        record["pid"],
        record["startTime"],
        _verbs_with_work(record),
        (before_pid, f'{before_status}"', f'"{after_status}'),
        cgroup.freezer_state() if cgroup else ("", ""),
        cgroup.directories() if cgroup else (),
        {key: value for key, value in record.items() if key != "annotations"},
    )


def _verbs_with_work(record: Record) -> list[str]:
    """The hooks, or what takes as much as they do: the launcher leaves ``start`` and ``delete`` to
    Python then.
    """
    wanted = [*record["hooks"], *(["poststop"] if record.get("rdt") else [])]
    if record.get("sharedPids"):
        wanted.append("sharedPids")
    return [*wanted, "poststart", "poststop"] if record.get("notify") else wanted


def timestamp() -> str:
    """Now, as RFC 3339 in UTC with nanoseconds."""
    seconds, nanoseconds = divmod(time.time_ns(), 1_000_000_000)
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)) + f".{nanoseconds:09d}Z"


def _user_name() -> str:
    """Who calls. Root is not looked up: that asks name services, which takes its time."""
    user = posix.geteuid()
    if user == 0:
        return "root"
    from pwd import getpwuid

    try:
        return getpwuid(user).pw_name
    except KeyError:
        return str(user)
