"""The way to systemd, where there is none."""

from __future__ import annotations

import posix
import socket
import sys
import threading
from pathlib import Path

import pytest

from crunw.effects.cgroups import dbus
from crunw.effects.cgroups.dbus import Systemd
from crunw.errors import CrunwError


def test_without_jeepney(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jeepney", None)
    with pytest.raises(CrunwError, match="needs the Python package jeepney"):
        Systemd(user=False)


def test_without_a_system_bus(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(dbus, "_SYSTEM_BUS", f"{tmp_path}/bus")
    with pytest.raises(CrunwError, match=f"D-Bus at {tmp_path}/bus: there is no socket"):
        Systemd(user=False)


def test_a_bus_that_refuses(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(dbus, "_SYSTEM_BUS", f"{tmp_path}/bus")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(f"{tmp_path}/bus")
        server.listen()

        def refuse() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(1024)
                connection.sendall(b"REJECTED EXTERNAL\r\nERROR\r\n")

        thread = threading.Thread(target=refuse)
        thread.start()
        with pytest.raises(CrunwError, match="it refused the authentication"):
            Systemd(user=False)
        thread.join()


@pytest.mark.parametrize(
    ("environment", "path"),
    [
        ({b"DBUS_SESSION_BUS_ADDRESS": b"unix:path=/a/bus,guid=1"}, "/a/bus"),
        ({b"DBUS_SESSION_BUS_ADDRESS": b"tcp:host=h;unix:path=/b"}, "/b"),
        ({b"XDG_RUNTIME_DIR": b"/run/user/7"}, "/run/user/7/bus"),
    ],
)
def test_where_the_users_bus_is(monkeypatch: pytest.MonkeyPatch, environment, path) -> None:
    monkeypatch.setattr(posix, "environ", environment)
    assert dbus._user_bus() == path


def test_without_a_users_bus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(posix, "environ", {})
    with pytest.raises(CrunwError, match="neither DBUS_SESSION_BUS_ADDRESS nor XDG_RUNTIME_DIR"):
        Systemd(user=True)
