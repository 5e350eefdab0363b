"""``mounts add`` and ``mounts remove``: the mounts of a container that runs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from support.commands import Result, wait_for
from support.containers import Bundle, Runtime, in_user_namespace, skip_without_root

FOREVER = ("sh", "-c", "while :; do sleep 0.1; done")


@pytest.fixture
def volume(tmp_path: Path) -> Path:
    """A directory of the host's root, below one that is closed to others."""
    skip_without_root("to copy a mount of the host's")
    path = tmp_path / "closed" / "volume"
    path.mkdir(parents=True)
    path.parent.chmod(0o700)
    (path / "file").write_text("of the host\n")
    return path


def change(crunw: Runtime, action: str, made: Bundle, *mounts: dict[str, Any]) -> Result:
    return crunw("mounts", action, made.id, "-", stdin=json.dumps(mounts))


def bind(source: Path, destination: str, *options: str) -> dict[str, Any]:
    options = options or ("bind",)
    return {"destination": destination, "source": str(source), "options": list(options)}


def inside(crunw: Runtime, made: Bundle, script: str) -> str:
    return crunw("exec", made.id, "sh", "-c", script).ok()


def points(crunw: Runtime, made: Bundle) -> list[str]:
    return [line.split()[4] for line in inside(crunw, made, "cat /proc/1/mountinfo").splitlines()]


def test_add_and_remove(crunw: Runtime, bundle, volume: Path, tmp_path: Path) -> None:
    made = crunw.start(bundle(*FOREVER))
    before = points(crunw, made)
    mounts = [
        bind(volume, "/volume", "rbind", "ro"),
        bind(volume / "file", "/etc/file"),
        {"destination": "/tmpfs", "type": "tmpfs", "source": "tmpfs", "options": ["size=1m"]},
        {"destination": "/tmpfs/proc", "type": "proc", "source": "proc"},
    ]
    file = tmp_path / "mounts.json"
    file.write_text(json.dumps({"mounts": mounts}))
    crunw("mounts", "add", made.id, file).ok()
    assert points(crunw, made)[len(before) :] == [m["destination"] for m in mounts]
    assert inside(crunw, made, "cat /volume/file /etc/file") == "of the host\n" * 2
    assert "Read-only" in inside(crunw, made, "touch /volume/new 2>&1 || true")
    assert inside(crunw, made, "head -n 1 /tmpfs/proc/1/status") == "Name:\tsh\n"
    assert inside(crunw, made, "ls -d /tmpfs/proc/[0-9]* | wc -l").strip() < "9"
    recorded = json.loads((crunw.root / made.id / "config.json").read_text())["mounts"]
    assert recorded[-4:] == mounts
    crunw("mounts", "remove", made.id, file).ok()
    assert points(crunw, made) == before
    recorded = json.loads((crunw.root / made.id / "config.json").read_text())["mounts"]
    assert recorded == made.config["mounts"]
    assert crunw("mounts", "remove", made.id, file).error() == (
        "umount /tmpfs/proc: No such file or directory"
    )


def test_all_or_nothing(crunw: Runtime, bundle, volume: Path) -> None:
    made = crunw.start(bundle(*FOREVER))
    before = points(crunw, made)
    missing = bind(volume / "missing", "/b")
    result = change(crunw, "add", made, bind(volume, "/a"), bind(volume, "/a/in"), missing)
    assert result.error() == f"open_tree {volume}/missing: No such file or directory"
    assert points(crunw, made) == before


def test_in_a_user_namespace(crunw: Runtime, bundle, volume: Path) -> None:
    made = crunw.start(in_user_namespace(bundle(*FOREVER)))
    tmpfs = {"destination": "/tmpfs", "type": "tmpfs", "source": "tmpfs"}
    change(crunw, "add", made, bind(volume, "/volume"), tmpfs).ok()
    script = "cat /volume/file; touch /tmpfs/new; stat -c %u /tmpfs /tmpfs/new"
    assert inside(crunw, made, script) == "of the host\n0\n0\n"
    change(crunw, "remove", made, bind(volume, "/volume"), tmpfs).ok()
    assert not {"/volume", "/tmpfs"}.intersection(points(crunw, made))


def test_links_stay_inside(crunw: Runtime, bundle, volume: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    made = crunw.start(bundle(*FOREVER))
    up = "../" * 20
    inside(crunw, made, f"ln -s /{up}{outside} /link; ln -s /proc/1/cwd /magic")
    change(crunw, "add", made, bind(volume, "/link/to")).ok()
    assert list(outside.iterdir()) == []
    assert points(crunw, made)[-1] == f"{outside}/to"
    change(crunw, "remove", made, bind(volume, "/link/to")).ok()
    assert points(crunw, made)[-1] != f"{outside}/to"
    error = change(crunw, "add", made, bind(volume, "/magic/to")).error()
    assert error.endswith("Too many levels of symbolic links")


def test_a_proc_that_lies(crunw: Runtime, bundle, volume: Path) -> None:
    """What is unmounted is what the path names, whatever the container has made of its /proc."""
    script = (
        "mount -t tmpfs lie /proc && mkdir -p /proc/self/fd /kept && mount -t tmpfs kept /kept; "
        "for n in $(seq 0 40); do ln -s /kept /proc/self/fd/$n; done; echo >/ready; "
        "while :; do sleep 0.1; done"
    )
    made = bundle("sh", "-c", script)
    capabilities = made.process["capabilities"]
    for name in ("bounding", "effective", "permitted"):
        capabilities[name] = [*capabilities[name], "CAP_SYS_ADMIN"]
    crunw.start(made.write())
    wait_for((made.rootfs / "ready").exists, "the lie")
    change(crunw, "add", made, bind(volume, "/volume")).ok()
    pid = crunw.state(made)["pid"]
    seen = Path(f"/proc/{pid}/mountinfo")
    assert " /volume " in seen.read_text()
    long = {"destination": "/long", "type": "tmpfs", "source": "x" * 300}  # for mount(2) alone
    change(crunw, "add", made, long).ok()
    assert " /long " in seen.read_text()
    change(crunw, "remove", made, bind(volume, "/volume"), long).ok()
    assert " /volume " not in seen.read_text()
    assert " /long " not in seen.read_text()
    assert " /kept " in seen.read_text()


@pytest.mark.parametrize(
    ("mount", "problem"),
    [
        ({"destination": "/"}, "mounts[0].destination: the root directory stays as it is"),
        ({"source": "/tmp", "options": ["bind"]}, "mounts[0].destination: is required"),
        ({"destination": "/a", "options": ["bind"]},
         "mounts[0].source: is required for a bind mount"),
        ({"destination": "/a", "type": "cgroup"}, "mounts[0].type: cgroup can't be mounted later"),
        ({"destination": "/proc/a", "type": "tmpfs"},
         "mounts[0].destination: /proc/a: mounting inside /proc is not allowed"),
        ({"destination": "/a", "type": "nosuch", "source": "x"},
         "mount /a: no file system of type nosuch"),
    ],
)  # fmt: skip
def test_bad_mounts(crunw: Runtime, bundle, mount: dict[str, Any], problem: str) -> None:
    made = crunw.start(bundle(*FOREVER))
    if mount == {"destination": "/"}:
        assert change(crunw, "remove", made, mount).error() == problem
        mount = {**mount, "type": "tmpfs"}
    before = points(crunw, made)
    assert change(crunw, "add", made, mount).error() == problem
    assert points(crunw, made) == before


def test_bad_command_lines(crunw: Runtime, bundle, tmp_path: Path) -> None:
    made = bundle(*FOREVER)
    assert crunw("mounts").error() == "add or remove is needed"
    assert crunw("mounts", "move", "a", "b").error() == "mounts: 'move' is not an action"
    assert crunw("mounts", "add", "a").error() == "mounts add: a container id and a file are needed"
    assert change(crunw, "add", made).error() == f"container {made.id} does not exist"
    crunw.start(made)
    missing = tmp_path / "missing"
    assert crunw("mounts", "add", made.id, missing).error() == (
        f"{missing}: can't be read: No such file or directory"
    )
    assert crunw("mounts", "add", made.id, "-", stdin="3").error() == "-: must be an object, is 3"
    crunw("kill", made.id, "KILL").ok()
    crunw.wait_status(made, "stopped")
    assert "the container is stopped" in change(crunw, "add", made).error()
