"""Devices of the host that move into a container's network namespace (rtnetlink(7)).

They keep their addresses (config-linux.md "Network Devices"), which the kernel drops on the way:
:func:`addresses` reads them before, ``crunw-init`` adds them again.
"""

from __future__ import annotations

import posix
from _socket import if_nametoindex, socket

from crunw.errors import SpecError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    Address = tuple[int, int, int, int, bytes]

_AF_NETLINK = 16
_SOCK_RAW = 3
_NLMSG_ERROR = 2
_NLMSG_DONE = 3
_NLM_F_REQUEST = 0x1
_NLM_F_ACK = 0x4
_NLM_F_DUMP = 0x300
_RTM_NEWLINK = 16
_RTM_NEWADDR = 20
_RTM_GETADDR = 22
_IFLA_IFNAME = 3
_IFLA_NET_NS_PID = 19
_IFA_CACHEINFO = 6
_IFA_FLAGS = 8
_IFA_F_PERMANENT = 0x80
_SCOPE_GLOBAL = 0
_HEADER = 16  # struct nlmsghdr


def addresses(name: str) -> list[Address]:
    """The permanent global addresses of a device of this network namespace.

    Each as family, prefix length, flags, scope and attributes for RTM_NEWADDR. Raises
    :class:`SpecError` for a device that is not there.
    """
    index = _index(name)
    request = bytes(8)  # struct ifaddrmsg: of all families and devices
    found = []
    for kind, body in _ask(name, _RTM_GETADDR, _NLM_F_REQUEST | _NLM_F_DUMP, request):
        if kind != _RTM_NEWADDR or int.from_bytes(body[4:8], "little") != index:
            continue
        family, prefix, flags, scope = body[:4]
        if scope == _SCOPE_GLOBAL and flags & _IFA_F_PERMANENT:
            found.append((family, prefix, flags, scope, _kept(body[8:])))
    return found


def move(name: str, pid: int, new_name: str) -> None:
    """Give the device to the network namespace of ``pid``, there under ``new_name``.

    Raises :class:`SpecError`.
    """
    message = bytes(4) + _index(name).to_bytes(4, "little") + bytes(8)  # struct ifinfomsg
    message += _attribute(_IFLA_NET_NS_PID, pid.to_bytes(4, "little"))
    message += _attribute(_IFLA_IFNAME, new_name.encode() + b"\0")
    for _ in _ask(name, _RTM_NEWLINK, _NLM_F_REQUEST | _NLM_F_ACK, message):
        pass


def _index(name: str) -> int:
    try:
        return if_nametoindex(name)
    except OSError:
        raise SpecError(f"linux.netDevices.{name}", "the host has no such device") from None


def _ask(name: str, kind: int, flags: int, body: bytes) -> Iterator[tuple[int, bytes]]:
    """Send a request; yield type and body of each message of the answer."""
    length = _HEADER + len(body)
    header = length.to_bytes(4, "little") + kind.to_bytes(2, "little") + flags.to_bytes(2, "little")
    kernel = socket(_AF_NETLINK, _SOCK_RAW, 0)
    try:
        kernel.send(header + bytes(8) + body)
        while True:
            for answer, content in _messages(kernel.recv(1 << 17)):
                if answer == _NLMSG_DONE:
                    return
                if answer == _NLMSG_ERROR:
                    _check(name, -int.from_bytes(content[:4], "little", signed=True))
                    return
                yield answer, content
    finally:
        kernel.close()


def _messages(data: bytes) -> Iterator[tuple[int, bytes]]:
    while data:
        length = int.from_bytes(data[:4], "little")
        yield int.from_bytes(data[4:6], "little"), data[_HEADER:length]
        data = data[length + 3 & ~3 :]


def _check(name: str, errno: int) -> None:
    if errno:
        raise SpecError(f"linux.netDevices.{name}", posix.strerror(errno))


def _attribute(kind: int, value: bytes) -> bytes:
    """A ``struct rtattr`` with its padding."""
    length = 4 + len(value)
    head = length.to_bytes(2, "little") + kind.to_bytes(2, "little")
    return head + value + bytes(-length % 4)


def _kept(attributes: bytes) -> bytes:
    """The attributes without what the kernel only reports: times, flags of an address's state."""
    kept = b""
    while attributes:
        length = int.from_bytes(attributes[:2], "little")
        if int.from_bytes(attributes[2:4], "little") not in (_IFA_CACHEINFO, _IFA_FLAGS):
            kept += attributes[:length] + bytes(-length % 4)
        attributes = attributes[length + 3 & ~3 :]
    return kept
