"""State directories: ids, locks, records."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from crunw.effects import store
from crunw.effects.store import Container, check_id, container_ids, containers, write_file
from crunw.errors import KernelError, StateError

PROJECT = Path(__file__).parents[2]


@pytest.fixture
def root(tmp_path: Path) -> str:
    return str(tmp_path / "run" / "crunw")


@pytest.mark.parametrize("name", ["a", "web-1_2.3+x", "A" * 255, "...", "-", "0"])
def test_id(name: str) -> None:
    check_id(name)


@pytest.mark.parametrize(
    "name",
    ["", ".", "..", "a/b", "../a", "/", "a b", "a\n", "a\0b", "ä", "²", "a" * 1025, "\udcff"],
)
def test_no_id(name: str, root: str) -> None:
    with pytest.raises(StateError, match=r": use only letters, digits and _ \+ - \.$"):
        Container(root, name)


def test_make_is_private_and_locked(root: str) -> None:
    container = Container(root, "a")
    container.make()
    for path in (root, container.directory):
        assert stat.S_IMODE(os.stat(path).st_mode) == 0o700
    assert Container(root, "a").lock(wait=False) is False
    container.unlock()
    other = Container(root, "a")
    assert other.lock(wait=False) is True
    other.unlock()


def test_id_is_taken_once(root: str) -> None:
    Container(root, "a").make()
    with pytest.raises(StateError, match=r"^container a already exists$"):
        Container(root, "a").make()


def test_root_that_is_no_directory(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(KernelError, match=r"^mkdir .*/file/a: Not a directory$"):
        Container(str(tmp_path / "file"), "a").make()


def test_missing_container(root: str) -> None:
    for action in ("lock", "read"):
        with pytest.raises(StateError, match=r"^container a does not exist$"):
            getattr(Container(root, "a"), action)()
    assert not os.path.exists(root)
    Container(root, "a").remove()


def test_record_comes_back(root: str) -> None:
    record = {
        "pid": 2**31,
        "text": 'ä\udcff"\\\n',
        "none": None,
        "list": [1, True, {}],
        "big": 2**64,
    }
    container = Container(root, "a")
    container.make()
    assert container.read() == {}
    container.write(record)
    assert Container(root, "a").read() == record
    container.write({"pid": 1})
    assert Container(root, "a").read() == {"pid": 1}
    path = Path(container.directory, "state.json")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_reader_never_sees_half_a_record(root: str) -> None:
    container = Container(root, "a")
    container.make()
    container.write({"n": 0, "text": ""})
    stop = threading.Event()
    seen = []

    def read() -> None:
        while not stop.is_set():
            record = Container(root, "a").read()
            seen.append(len(record["text"]) == record["n"])

    reader = threading.Thread(target=read)
    reader.start()
    for number in range(0, 200_000, 2_000):
        container.write({"n": number, "text": "x" * number})
    stop.set()
    reader.join()
    assert seen
    assert all(seen)


def test_nothing_is_left_beside_the_record(root: str) -> None:
    container = Container(root, "a")
    container.make()
    container.write({})
    assert set(os.listdir(container.directory)) == {"lock", "state.json"}


def test_write_file_replaces_a_link_not_its_target(tmp_path: Path) -> None:
    (tmp_path / "target").write_text("old")
    (tmp_path / "file").symlink_to("target")
    write_file(str(tmp_path / "file"), "new\udcff")
    assert (tmp_path / "target").read_text() == "old"
    assert (tmp_path / "file").read_bytes() == b"new\xff"
    assert not (tmp_path / "file").is_symlink()


@pytest.mark.parametrize("kind", ["link", "dangling link", "hard link", "file"])
def test_write_file_follows_nothing_in_the_place_of_its_temporary_file(
    tmp_path: Path, kind: str
) -> None:
    """A file for a pid, say, in a directory to which others may write."""
    secret = tmp_path / "secret"
    secret.write_text("secret")
    before = tmp_path / f"file.{os.getpid()}"
    if kind == "file":
        before.write_text("left by another")
    elif kind == "hard link":
        before.hardlink_to(secret)
    else:
        before.symlink_to(secret if kind == "link" else tmp_path / "none")
    write_file(str(tmp_path / "file"), "new")
    assert not (tmp_path / "file").is_symlink()
    assert (tmp_path / "file").read_text() == "new"
    assert secret.read_text() == "secret"
    assert sorted(os.listdir(tmp_path)) == ["file", "secret"]


def test_write_file_where_there_is_no_directory(tmp_path: Path) -> None:
    with pytest.raises(KernelError, match=r"^write .*/none/file: No such file or directory$"):
        write_file(str(tmp_path / "none/file"), "")


def test_remove(root: str) -> None:
    container = Container(root, "a")
    container.make()
    container.write({})
    container.make_fifos()
    container.remove()
    assert os.listdir(root) == []
    container.remove()


def test_what_cannot_be_removed_is_named(root: str) -> None:
    container = Container(root, "a")
    container.make()
    Path(container.directory, "directory").mkdir()
    with pytest.raises(KernelError, match=r"^remove .*/a: "):
        container.remove()


def test_fifos(root: str) -> None:
    container = Container(root, "a")
    container.make()
    container.make_fifos()
    for path in (container.start_fifo(), container.started_fifo()):
        assert stat.S_ISFIFO(os.stat(path).st_mode)


HOLD = """
import sys
sys.path.append(sys.argv[1])
from crunw.effects.store import Container
container = Container(sys.argv[2], "a")
container.lock()
print("held", flush=True)
sys.stdin.read()
if sys.argv[3] == "remove":
    container.remove()
"""


def hold(root: str, end: str) -> subprocess.Popen[str]:
    """Another process that has the lock until its standard input ends."""
    process = subprocess.Popen(
        [sys.executable, "-I", "-S", "-c", HOLD, str(PROJECT), root, end],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout
    assert process.stdout.readline() == "held\n"
    return process


@pytest.fixture
def made(root: str) -> Container:
    container = Container(root, "a")
    container.make()
    container.unlock()
    return container


def test_lock_of_another_process(root: str, made: Container) -> None:
    with hold(root, "keep") as other:
        assert made.lock(wait=False) is False
        other.kill()
        other.wait()
        assert made.lock() is True  # given back by its end, however it ended
    made.unlock()


def test_deleted_while_waiting_for_the_lock(root: str, made: Container) -> None:
    with hold(root, "remove") as other:
        assert other.stdin
        threading.Timer(0.3, other.stdin.close).start()
        began = time.monotonic()
        with pytest.raises(StateError, match=r"^container a does not exist$"):
            made.lock()
        assert time.monotonic() - began > 0.2
        other.wait()
    assert os.listdir(root) == []


def test_late_lock_does_not_stop_the_removal(
    root: str, made: Container, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody opens (makes) the lock file between its removal and the directory's."""
    real, late = os.rmdir, []

    def rmdir(path: str) -> None:
        if not late:
            late.append(Path(path, "lock").touch())
        real(path)

    monkeypatch.setattr(store.posix, "rmdir", rmdir)
    made.remove()
    assert late
    assert os.listdir(root) == []


def test_ids_are_sorted_directories(root: str) -> None:
    assert container_ids(root) == []
    for name in ("b", "a", "c-1"):
        Container(root, name).make()
    Path(root, "file").touch()
    assert container_ids(root) == ["a", "b", "c-1"]
    assert [container.id for container in containers(root)] == ["a", "b", "c-1"]


@pytest.mark.parametrize(
    ("uid", "runtime_dir", "expected"),
    [
        (0, "/run/user/0", "/run/crunw"),
        (1000, "/run/user/1000", "/run/user/1000/crunw"),
        (1000, None, "/run/user/1000/crunw"),
        (1000, "", "/run/user/1000/crunw"),
        (1000, "/elsewhere", "/elsewhere/crunw"),
    ],
)
def test_default_root(
    uid: int, runtime_dir: str | None, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store.posix, "geteuid", lambda: uid)
    if runtime_dir is None:
        monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    else:
        monkeypatch.setenv("XDG_RUNTIME_DIR", runtime_dir)
    assert store.default_root() == expected
