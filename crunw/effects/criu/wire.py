"""The messages of CRIU's RPC (``images/rpc.proto``), in the encoding of Protocol Buffers.

Only what is needed of it: integers, strings, nested messages.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    # Of a repeated field: its values. A nested message: its fields in order, from 1; None: absent.
    Nested = tuple[int | str | None, ...]
    Value = int | str | list[str] | list[Nested]

DUMP, RESTORE, PRE_DUMP, NOTIFY = 1, 2, 4, 6

# criu_opts
_OPTIONS = {
    "images_dir_fd": 1,
    "pid": 2,
    "leave_running": 3,
    "ext_unix_sk": 4,
    "tcp_established": 5,
    "evasive_devices": 6,
    "shell_job": 7,
    "file_locks": 8,
    "log_level": 9,
    "log_file": 10,
    "notify_scripts": 12,
    "root": 13,
    "parent_img": 14,
    "track_mem": 15,
    "auto_dedup": 16,
    "work_dir_fd": 17,
    "cg_root": 25,
    "rst_sibling": 26,
    "inherit_fd": 27,
    "manage_cgroups_mode": 34,
    "external": 37,
    "empty_ns": 38,
    "join_ns": 39,
    "cgroup_dump_controller": 43,
    "freeze_cgroup": 44,
    "orphan_pts_master": 50,
    "config_file": 51,
    "tcp_close": 52,
    "lsm_profile": 53,
    "lsm_mount_context": 63,
    "network_lock": 64,
}
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_U64 = (1 << 64) - 1
_CUT_OFF = "the message is cut off"


class Answer:
    """A ``criu_resp``: the end of a request, or a notification."""

    __slots__ = ("kind", "message", "pid", "script", "success")

    def __init__(self, data: bytes) -> None:
        fields = _fields(data)
        self.kind = _number(fields, 1)
        self.success = bool(_number(fields, 2))
        self.message = _text(fields, 9)
        notify = _fields(_data(fields, 5))
        self.script = _text(notify, 1)
        self.pid = _number(notify, 2) or _number(_fields(_data(fields, 4)), 1)


def request(kind: int, options: Mapping[str, Value]) -> bytes:
    """A ``criu_req`` of type :data:`DUMP`, :data:`PRE_DUMP` or :data:`RESTORE`."""
    nested = b"".join(_encoded(_OPTIONS[name], value) for name, value in options.items())
    return _field(1, kind) + _field(2, nested)


def notified(*, success: bool) -> bytes:
    """The answer to a notification; CRIU gives up where that has failed."""
    return _field(1, NOTIFY) + _field(3, int(success))


def _encoded(number: int, value: Value) -> bytes:
    if not isinstance(value, list):
        return _field(number, value)
    return b"".join(_field(number, _message(v) if isinstance(v, tuple) else v) for v in value)


def _message(values: Iterable[int | str | None]) -> bytes:
    numbered = enumerate(values, 1)
    return b"".join(_field(number, value) for number, value in numbered if value is not None)


def _field(number: int, value: int | str | bytes) -> bytes:
    if isinstance(value, int):
        return _varint(number << 3 | _VARINT) + _varint(value & _U64)
    data = value.encode("utf-8", "surrogateescape") if isinstance(value, str) else value
    return _varint(number << 3 | _BYTES) + _varint(len(data)) + data


def _varint(value: int) -> bytes:
    """Seven bits a byte, the lowest first; the eighth says that more follow."""
    data = b""
    while value > 0x7F:
        data += bytes((value & 0x7F | 0x80,))
        value >>= 7
    return data + bytes((value,))


def _fields(data: bytes) -> dict[int, int | bytes]:
    """The fields of a message, by number; of a repeated one the last. Raises ValueError."""
    found: dict[int, int | bytes] = {}
    at = 0
    while at < len(data):
        key, at = _read_varint(data, at)
        kind = key & 7
        if kind == _VARINT:
            found[key >> 3], at = _read_varint(data, at)
            continue
        if kind == _BYTES:
            size, at = _read_varint(data, at)
        elif kind in (_FIXED64, _FIXED32):
            size = 8 if kind == _FIXED64 else 4
        else:
            raise ValueError(f"unknown wire type {kind}")
        if at + size > len(data):
            raise ValueError(_CUT_OFF)
        found[key >> 3] = data[at : at + size]
        at += size
    return found


def _read_varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        if at >= len(data):
            raise ValueError(_CUT_OFF)
        byte = data[at]
        value |= (byte & 0x7F) << shift
        shift += 7
        at += 1
        if byte < 0x80:
            return value, at


def _number(fields: dict[int, int | bytes], number: int) -> int:
    value = fields.get(number, 0)
    return value if isinstance(value, int) else 0


def _data(fields: dict[int, int | bytes], number: int) -> bytes:
    value = fields.get(number, b"")
    return value if isinstance(value, bytes) else b""


def _text(fields: dict[int, int | bytes], number: int) -> str:
    return _data(fields, number).decode("utf-8", "surrogateescape")
