"""A plan for people and for programs: ``crunw plan``."""

from __future__ import annotations

from crunw.plan import flags

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from crunw.plan.encode import Field, Step

# Names of the operations' fields, in the order of their signatures (csrc/plan.h).
_NAMES: dict[str, str] = {
    "cgroup_join": "file",
    "cgroup_into": "directory",
    "cgroup_devices": "directory program",
    "oom_score_adj": "value",
    "rlimit_raise": "resource hard",
    "ns_enter": "type path",
    "net_address": "device family prefix flags scope attributes",
    "net_up": "device",
    "bind_idmapped": "source target flags userns uids gids recursive extra",
    "relabel": "path label",
    "scheduler": "policy flags nice priority runtime deadline period",
    "io_priority": "value",
    "cpu_affinity": "processors",
    "memory_policy": "mode nodes",
    "home": "uid",
    "ns_enter_pidfd": "pidfd types",
    "ns_unshare": "types",
    "time_offsets": "offsets",
    "fork": "types",
    "engine_open": "engine library llvm_stub",
    "engine_artefact": "directory",
    "engine_plugin": "path",
    "engine_counters": "path",
    "root_propagation": "propagation",
    "rootfs": "path",
    "mount": "source target type flags data extra",
    "mount_propagation": "target propagation",
    "mount_setattr": "target set clear recursive",
    "mknod": "path mode major minor uid gid",
    "symlink": "points_to path",
    "sysctl": "key value",
    "hostname": "name",
    "domainname": "name",
    "hook": "path args env timeout state_before_pid state_after_pid program_env",
    "pivot_root": "no_pivot",
    "console": "socket columns rows bind",
    "mask": "path",
    "readonly": "path",
    "keyring": "name",
    "rlimit": "resource soft hard",
    "personality": "domain",
    "cwd": "path create",
    "credentials": "uid gid groups bounding effective permitted inheritable ambient how",
    "umask": "mask",
    "seccomp": "program flags listener state",
    "lsm_label": "module label now",
    "close_from": "first",
    "process": "args env",
    "open_start": "directory",
    "proc_readonly": "apart",
    "wasm_open": "path",
    "wasm_load": "path preopens function",
    "preopen_readonly": "index path",
    "wasm_insist": "",
    "wasm_limits": "memory_pages initial_pages instructions count milliseconds",
}
_MOUNT_NAMES = {value: name[3:].lower() for name, value in vars(flags).items() if name[:3] == "MS_"}
_CLONE_NAMES = {
    value: name[9:].lower() for name, value in vars(flags).items() if name[:6] == "CLONE_"
}
_MOUNT_FIELDS = (("mount", "flags"), ("bind_idmapped", "flags"))
_CAPABILITY_SETS = ("bounding", "effective", "permitted", "inheritable", "ambient")


def documents(steps: Iterable[Step]) -> list[dict[str, Any]]:
    """Return each step as a dict: ``op`` and its fields by name."""
    return [_document(step) for step in steps]


def lines(steps: list[dict[str, Any]]) -> list[str]:
    """Return the result of :func:`documents` as lines; what is empty or 0 is left out."""
    width = max(len(step["op"]) for step in steps)
    return [
        f"{number:3}  {step['op']:<{width}}  {_fields(step)}".rstrip()
        for number, step in enumerate(steps, 1)
    ]


def _document(step: Step) -> dict[str, Any]:
    names = _NAMES.get(step.op, "").split()
    fields = zip(names, step.fields, strict=True)
    return {"op": step.op, **{name: _readable(step.op, name, value) for name, value in fields}}


def _readable(op: str, name: str, value: Field) -> Field:
    if isinstance(value, bytes):
        return f"{len(value)} bytes"
    if not isinstance(value, int):
        return value
    return _readable_number(op, name, value)


def _readable_number(op: str, name: str, value: int) -> Field:
    if name in ("types", "type"):
        return _bits(value, _CLONE_NAMES)
    if name == "propagation" or (op, name) in _MOUNT_FIELDS:
        return _bits(value, _MOUNT_NAMES)
    if name in _CAPABILITY_SETS:
        return [cap for bit, cap in enumerate(flags.CAPABILITIES) if value >> bit & 1]
    if name == "resource":
        return flags.RLIMITS[value]
    return f"{value:#o}" if name in ("mode", "mask") else value


def _bits(value: int, names: dict[int, str]) -> list[str]:
    return [name for bit, name in sorted(names.items()) if value & bit]


def _fields(step: dict[str, Any]) -> str:
    shown = []
    for name, value in step.items():
        if name == "op" or value in ("", 0, []):
            continue
        text = ",".join(map(str, value)) if isinstance(value, list) else str(value)
        shown.append(f"{name}={text if text.isprintable() else repr(text)}")
    return " ".join(shown)
