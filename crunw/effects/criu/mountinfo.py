"""What is mounted where: proc_pid_mountinfo(5)."""

from __future__ import annotations

_ESCAPES = ((b"\\040", b" "), (b"\\011", b"\t"), (b"\\012", b"\n"), (b"\\134", b"\\"))


def mounts(process: int | str) -> dict[str, tuple[bytes, bytes]]:
    """Mount point → ``(device, root in the file system)`` in the process's mount namespace.

    Of mounts on one another the last. ``process``: a pid, or ``self``.
    """
    with open(f"/proc/{process}/mountinfo", "rb", buffering=0) as file:
        return parsed(file.readall())


def parsed(text: bytes) -> dict[str, tuple[bytes, bytes]]:
    """:func:`mounts` of the file's text."""
    found = {}
    for line in text.split(b"\n")[:-1]:
        _, _, device, root, point, *_ = line.split(b" ")
        for escape, character in _ESCAPES:
            point = point.replace(escape, character)
        found[point.decode("utf-8", "surrogateescape")] = (device, root)
    return found
