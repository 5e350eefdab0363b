"""``linux.devices``: made, or in a user namespace bound, whatever the host calls them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from support.containers import Bundle, Runtime, in_user_namespace, skip_without_root

MakeBundle = Callable[..., Bundle]

SHOW = ("sh", "-c", "ls -ln /dev/foo | cut -c1-10; stat -c %t:%T /dev/foo; cat /dev/foo")


def null(path: str, **others: Any) -> dict[str, Any]:
    return {"type": "c", "major": 1, "minor": 3, "path": path, **others}


def allow(bundle: Bundle, *devices: dict[str, Any]) -> Bundle:
    rule = {"allow": True, "access": "rwm"}
    return bundle.change(linux__devices=list(devices), linux__resources={"devices": [rule]})


def test_a_device_that_the_host_has_under_another_name(crunw: Runtime, bundle: MakeBundle) -> None:
    made = in_user_namespace(allow(bundle(*SHOW), null("/dev/foo")))
    assert crunw.run(made).ok() == "crw-rw-rw-\n1:3\n"


def test_a_device_outside_of_dev(crunw: Runtime, bundle: MakeBundle) -> None:
    made = in_user_namespace(allow(bundle("cat", "/below/foo"), null("/below/foo")))
    assert crunw.run(made).ok() == ""


def test_another_mode_than_the_host_s_is_told_of(crunw: Runtime, bundle: MakeBundle) -> None:
    made = in_user_namespace(allow(bundle(*SHOW), null("/dev/foo", fileMode=0o600)))
    result = crunw.run(made)
    assert (result.status, result.out) == (0, "crw-rw-rw-\n1:3\n")
    assert result.err == (
        "crunw: warning: /dev/foo: has the host's mode 0666, not 0600: in a user namespace a "
        "device can only be bound\n"
    )


def test_a_device_that_the_host_lacks(crunw: Runtime, bundle: MakeBundle) -> None:
    device = {"type": "c", "major": 200, "minor": 77, "path": "/dev/foo"}
    made = in_user_namespace(allow(bundle(), device))
    assert crunw.run(made).error() == (
        "mknod /dev/foo: not permitted in a user namespace, and the host has no device c 200:77 to "
        "bind"
    )


def test_a_fifo_in_a_user_namespace(crunw: Runtime, bundle: MakeBundle) -> None:
    fifo = {"type": "p", "path": "/dev/foo", "fileMode": 0o640, "uid": 5, "gid": 6}
    made = in_user_namespace(allow(bundle("sh", "-c", "ls -ln /dev/foo"), fifo))
    assert crunw.run(made).ok().split()[:4] == ["prw-r-----", "1", "5", "6"]


def test_dev_may_be_a_link(crunw: Runtime, bundle: MakeBundle) -> None:
    """Also for masked files, for which the null device is bound."""
    skip_without_root("to make devices")
    made = allow(bundle("ls", "/elsewhere/foo"), null("/dev/foo"))
    (made.rootfs / "elsewhere").mkdir()
    (made.rootfs / "dev").symlink_to("elsewhere")
    assert crunw.run(made).ok() == "/elsewhere/foo\n"


@pytest.mark.parametrize("kind", ["file", "link"])
def test_what_is_not_the_device_is_not_taken_for_it(
    crunw: Runtime, bundle: MakeBundle, kind: str
) -> None:
    """config-linux.md "Devices": an error, where crun and runc leave the file."""
    made = allow(bundle(), null(f"/place/{kind}"))
    (made.rootfs / "place").mkdir()
    (made.rootfs / "place/file").touch()
    (made.rootfs / "place/link").symlink_to("file")
    assert crunw.run(made).error() == (f"mknod /place/{kind}: the path exists and is not this node")
