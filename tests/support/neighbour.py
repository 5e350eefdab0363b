"""A process that watches a start from another container, and takes what the kernel lets it have."""

from __future__ import annotations

import ctypes
import json
import os
import signal
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

LIBC = ctypes.CDLL(None, use_errno=True)
SYS_PIDFD_GETFD = 438
CAPABILITY_VERSION_3 = 0x20080522
DEFAULT_CAPABILITIES = 0xA80425FB  # of docker
DESCRIPTORS = range(64)


def get_descriptor(pid: int, number: int) -> int:
    """A copy of another process's descriptor. Raises :class:`OSError`."""
    pidfd = os.pidfd_open(pid)
    try:
        found: int = LIBC.syscall(SYS_PIDFD_GETFD, pidfd, number, 0)
        if found < 0:
            raise OSError(ctypes.get_errno(), f"descriptor {number} of {pid}")
        return found
    finally:
        os.close(pidfd)


def taken(pid: int) -> list[str]:
    """What this process can take from ``pid``, which it must be able to see.

    To open the memory for writing takes what ptrace(2) takes.
    """
    os.stat(f"/proc/{pid}")
    ways: dict[str, Callable[[], Any]] = {
        "memory": lambda: os.close(os.open(f"/proc/{pid}/mem", os.O_RDWR)),
        "root": lambda: os.stat(f"/proc/{pid}/root/."),
        "cwd": lambda: os.stat(f"/proc/{pid}/cwd/."),
        "environment": lambda: Path(f"/proc/{pid}/environ").read_bytes(),
        **{f"descriptor {n}": lambda n=n: os.close(get_descriptor(pid, n)) for n in DESCRIPTORS},
    }
    found = []
    for name, way in ways.items():
        try:
            way()
        except OSError:
            continue
        found.append(name)
    return found


def in_namespace_of(pid: int, attack: Callable[[], Any]) -> Any:
    """What ``attack`` returns as root of the user namespace of ``pid``, with all its rights, but
    with the host's processes in view.
    """
    user = os.open(f"/proc/{pid}/ns/user", os.O_RDONLY)

    def become() -> None:
        os.setns(user, os.CLONE_NEWUSER)
        os.setresgid(0, 0, 0)
        os.setresuid(0, 0, 0)

    try:
        return apart(become, attack)
    finally:
        os.close(user)


def as_ordinary_root(attack: Callable[[], Any]) -> Any:
    """What ``attack`` returns as root in an ordinary container with the host's processes: of the
    host's user namespace, but with the capabilities that engines give by default.
    """
    return apart(_keep_default_capabilities, attack)


def _keep_default_capabilities() -> None:
    class Header(ctypes.Structure):
        _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))

    header = Header(CAPABILITY_VERSION_3, 0)
    sets = (ctypes.c_uint32 * 6)(DEFAULT_CAPABILITIES, DEFAULT_CAPABILITIES)
    if LIBC.capset(ctypes.byref(header), sets) < 0:
        raise OSError(ctypes.get_errno(), "capset")


def apart(become: Callable[[], None], attack: Callable[[], Any]) -> Any:
    """What ``attack`` returns in a process of its own that has done ``become``."""
    here, there = socket.socketpair()
    pid = os.fork()
    if pid == 0:
        try:
            here.close()
            become()
            there.sendall(json.dumps(attack()).encode())
        finally:
            os.kill(os.getpid(), signal.SIGKILL)
    there.close()
    with here, here.makefile("rb") as answer:
        data = answer.read()
    os.waitpid(pid, 0)
    assert data, "the attack itself has failed"
    return json.loads(data)
