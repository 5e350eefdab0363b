"""Keys, settings and conditions of the cache of compiled modules."""

from __future__ import annotations

import errno
import hashlib
import os
import re
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from crunw import directories, notices
from crunw.aot import (
    background,
    build,
    config,
    digest,
    estimate,
    failures,
    lookup,
    metrics,
    places,
    platform,
    queue,
    store,
)
from crunw.aot.options import Options
from crunw.cli import cache
from crunw.cli.compile import default_output
from crunw.cli.options import Parsed
from crunw.errors import CrunwError, SpecError


@pytest.fixture(autouse=True)
def own_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(places, "cache", lambda: f"{tmp_path}/cache")
    monkeypatch.setattr(places, "run_dir", lambda: f"{tmp_path}/run")


@pytest.mark.parametrize(
    ("text", "expected"), [("0", 0), ("123", 123), ("4K", 4096), ("2m", 2 << 20), ("1G", 1 << 30)]
)
def test_sizes(text: str, expected: int) -> None:
    assert config.size(text) == expected


@pytest.mark.parametrize("text", ["", "x", "1X", "G", "1.5G", "-1", "-1G", "1_0"])
def test_bad_sizes(text: str) -> None:
    with pytest.raises(ValueError, match=re.escape(text)):
        config.size(text)


def test_configuration(tmp_path: Path) -> None:
    path = tmp_path / "crunw.toml"
    assert config.load(str(path)).policy == "auto"
    path.write_text('[aot]\npolicy = "off"\nmax-size = "3M"\n')
    for _ in range(2):  # parsed, then remembered
        found = config.load(str(path))
        assert (found.policy, found.max_size) == ("off", 3 << 20)
    path.write_text("[plugins]\n")
    assert config.load(str(path)).policy == "auto"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[aot]\npolicy = 1", "aot.policy: 1 is not one of auto, always, off"),
        ("[aot]\nmax-size = 'big'", "aot.max-size: 'big' is not a size"),
        ("[aot]\nspeed = 1", "unknown key aot.speed"),
        ("aot = 1", "aot is not a table"),
        ("[aott]\npolicy = 'off'", "unknown table aott (there are aot, engine, plugins)"),
        ("[aot]\nmax-size = -1", "aot.max-size: -1 is not a size"),
        ("[aot]\nwait = '99999999999999999999s'", "aot.wait: invalid duration"),
        ("[aot]\npolicy = 'caf\udce9'", "is not UTF-8 text: byte 20"),
        ("[aot", "Expected ']'"),
    ],
)
def test_bad_configuration(tmp_path: Path, text: str, problem: str) -> None:
    path = tmp_path / "crunw.toml"
    path.write_text(text, errors="surrogateescape")
    with pytest.raises(CrunwError, match=r"^/.*crunw\.toml: ") as caught:
        config.load(str(path))
    assert problem in str(caught.value)


def test_annotation() -> None:
    assert config.policy({config.ANNOTATION: "always"}) == "always"
    with pytest.raises(SpecError, match="'maybe' is not one of"):
        config.policy({config.ANNOTATION: "maybe"})


@pytest.mark.parametrize("verb", ["ls", "prune", "verify", "retry", "metrics"])
def test_a_cache_that_is_not_used_is_not_an_empty_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, verb: str
) -> None:
    above = tmp_path / "above"
    monkeypatch.setattr(places, "cache", lambda: f"{above}/cache")
    parsed = Parsed()
    parsed.arguments = [verb]
    assert cache.run(parsed, Parsed()) == 0  # nothing has been compiled yet
    above.write_text("")
    with pytest.raises(CrunwError, match=f"{above}: not a directory"):
        cache.run(parsed, Parsed())
    above.unlink()
    above.mkdir()
    (above / "cache").symlink_to(tmp_path)
    with pytest.raises(CrunwError, match=f"the cache can't be used: {above}/cache: "):
        cache.run(parsed, Parsed())


def test_options_make_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "current", lambda: "platform")
    options = Options()
    assert options.text() == "native-O1"
    options.any_import = True  # the code is the same
    key = lookup.key_of("module", options)
    assert key == hashlib.sha256(b"module platform native-O1").hexdigest()
    options.statistics = True
    options.without = ("simd", "gc")
    assert options.text() == "native-O1+statistics+no-gc+no-simd"
    assert lookup.key_of("module", options) != key


@pytest.mark.parametrize("size", [0, 1, 100_000, 3 << 20])
def test_digest(tmp_path: Path, size: int) -> None:
    path = tmp_path / "file"
    data = os.urandom(size)
    path.write_bytes(data)
    with path.open("rb") as file:
        assert digest.of_file(file.fileno()) == hashlib.sha256(data).hexdigest()


def indexed(tmp_path: Path) -> list[str]:
    path = tmp_path / "run" / "index"
    return os.listdir(path) if path.exists() else []


def test_index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = tmp_path / "root"
    root.mkdir()
    path = root / "module"
    path.write_bytes(bytes(digest.INDEXED))
    expected = hashlib.sha256(path.read_bytes()).hexdigest()
    now = time.time_ns()
    with path.open("rb") as file:
        number = file.fileno()
        assert digest.of_module(number, str(root)) == expected
        assert indexed(tmp_path) == []  # changed a moment ago
        monkeypatch.setattr(time, "time_ns", lambda: now + 10**10)
        assert digest.of_module(number, "") == expected
        assert digest.of_module(number, "/proc") == expected
        assert indexed(tmp_path) == []  # no root, another device
        monkeypatch.setattr(digest, "_PLAIN_INODE", 1)
        assert digest.of_module(number, str(root)) == expected
        assert indexed(tmp_path) == []


def test_index_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "module"
    path.write_bytes(bytes(digest.INDEXED))
    now = time.time_ns()
    monkeypatch.setattr(time, "time_ns", lambda: now + 10**10)
    with path.open("rb") as file:
        found = digest.of_module(file.fileno(), str(tmp_path))
        (name,) = indexed(tmp_path)
        assert f"-{path.stat().st_ino}-" in name
        monkeypatch.setattr(digest, "of_file", lambda _: pytest.fail("hashed again"))
        assert digest.of_module(file.fileno(), str(tmp_path)) == found


@pytest.mark.parametrize("mode", [0o720, 0o702, 0o777])
def test_a_directory_that_others_may_write_to(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "directory"
    assert directories.private(str(path)) == ""
    path.chmod(mode)
    expected = f"{path}: others may write to it, mode {mode:04o} (remove it)"
    assert directories.problem(str(path)) == directories.private(str(path)) == expected
    assert path.stat().st_mode & 0o777 == mode


@pytest.mark.parametrize("mode", [0o755, 0o710, 0o701, 0o500, 0o1700])
def test_a_directory_of_another_mode_is_set_right(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "directory"
    path.mkdir()
    path.chmod(mode)
    assert directories.problem(str(path)) == f"{path}: mode {mode:04o} instead of 0700"
    assert directories.private(str(path)) == ""
    assert path.stat().st_mode & 0o7777 == 0o700


def test_what_is_no_directory(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path)
    (tmp_path / "file").touch()
    for name in ("link", "file"):
        wrong = directories.private(f"{tmp_path}/{name}")
        assert wrong == f"{tmp_path}/{name}: not a directory (remove it)"
    assert "Not a directory" in directories.private(f"{tmp_path}/file/below")


@pytest.mark.parametrize("umask", [0o022, 0o027, 0o077, 0o777])
def test_modes_do_not_depend_on_the_umask(tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        assert directories.private(f"{tmp_path}/above/directory") == ""
    finally:
        assert os.umask(before) == umask
    assert (tmp_path / "above/directory").stat().st_mode & 0o777 == 0o700
    above = 0o700 if os.geteuid() else 0o755
    assert (tmp_path / "above").stat().st_mode & 0o777 == above


def test_tmpfiles() -> None:
    """What the package has systemd create is what crunw would: tmpfiles.d(5)."""
    text = Path(__file__).parents[2].joinpath("deploy/packaging/tmpfiles.conf").read_text()
    lines = [line.split() for line in text.splitlines() if not line.startswith("#")]
    shared, private = f"{directories.SHARED:04o}", f"{directories.PRIVATE:04o}"
    assert lines == [
        ["d", path, mode, "root", "root", "-"]
        for path, mode in (
            ("/run/crunw", private),
            ("/run/crunw-aot", private),
            ("/var/cache/crunw", shared),
            ("/var/cache/crunw/aot", private),
            ("/var/cache/crunw/seccomp", private),
        )
    ]


def test_failures_are_noted(monkeypatch: pytest.MonkeyPatch) -> None:
    failure = failures.Failure("key", "a\nb.wasm", "native-O1", 7, "LLVM\ngave up")
    failure.seconds = 2.5
    failures.write(failure)
    found = failures.read("key")
    assert found
    assert (found.name, found.options, found.size) == ("a?b.wasm", "native-O1", 7)
    assert (found.reason, found.lasting, found.seconds) == ("LLVM gave up", False, 2.5)
    assert found.is_settled()  # for a while
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 60)
    assert not found.is_settled()
    failure.lasting = True
    failures.write(failure)
    monkeypatch.setattr(time, "time", lambda: now + 1e6)
    (found,) = failures.all_of_them()
    assert found.is_settled()
    failures.forget("key")
    assert failures.read("key") is None


@pytest.mark.parametrize("text", ["landlock: Permission denied\n", "", "1\nx\nx\nx\n0\n0\n0\nx"])
def test_notes_of_other_versions_are_void(text: str) -> None:
    places.write_note("failed", "key", text)
    assert failures.read("key") is None
    assert failures.all_of_them() == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [("0", 0), ("500ms", 0.5), ("30s", 30), ("1.5s", 1.5), ("2m", 120), ("0s", 0)],
)
def test_durations(text: str, expected: float) -> None:
    assert config.duration(text) == expected


@pytest.mark.parametrize(
    "text", ["", "30", "s", "-1s", "1h", "1.2.3s", "1e3s", "infs", f"{10**20}s"]
)
def test_bad_durations(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 -- of two kinds
        config.duration(text)
    with pytest.raises(
        SpecError, match=r"^annotations\.run\.oci\.wasm\.aot-wait: invalid duration"
    ):
        config.wait({config.WAIT_ANNOTATION: text})


def test_a_pod_waits() -> None:
    assert config.wait({}) == 0
    assert config.wait({"io.kubernetes.cri.container-type": "container"}) == 30
    assert config.wait({"io.kubernetes.cri-o.ContainerType": "container"}) == 30
    pod = {"io.kubernetes.cri-o.ContainerType": "container", config.WAIT_ANNOTATION: "1s"}
    assert config.wait(pod) == 1


@pytest.mark.parametrize("kind", [Path.mkdir, os.mkfifo])
def test_a_configuration_that_is_no_file(tmp_path: Path, kind: Callable[[Path], None]) -> None:
    path = tmp_path / "crunw.toml"
    kind(path)
    with pytest.raises(CrunwError, match=r"crunw.toml: is not a regular file$"):
        config.load(str(path))


@pytest.mark.parametrize("number", [errno.EACCES, errno.EIO])
def test_a_configuration_that_can_not_be_read(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    def stat(path: str) -> None:
        raise OSError(number, os.strerror(number), path)

    monkeypatch.setattr(config.posix, "stat", stat)
    with pytest.raises(CrunwError, match=rf"^read /etc/crunw/crunw.toml: {os.strerror(number)}$"):
        config.policy({})


def module_of(*sections: tuple[int, int]) -> bytes:
    """Sections of such numbers and sizes."""
    text = b"\0asm\1\0\0\0"
    for number, size in sections:
        text += bytes([number, *(size >> shift & 0x7F | 0x80 for shift in (0, 7, 14)), size >> 21])
        text += bytes(size)
    return text


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (module_of((1, 10), (0, 3000), (10, 500), (11, 100_000)), 500),
        (module_of((1, 10), (11, 70_000)), 0),
        (b"", 0),
        (module_of((1, 10)) + b"\x0a\xff\xff\xff\xff\xff\xff", 30),
        (module_of() + b"\x0a\xff\xff\xff\xff\x0f", 14),
        (module_of() + b"\0\0" * 20_000, 40_008),
    ],
)
def test_code_size(tmp_path: Path, data: bytes, expected: int) -> None:
    path = tmp_path / "module"
    path.write_bytes(data)
    with path.open("rb") as file:
        assert estimate.code_size(file.fileno()) == expected


def test_estimates_are_learnt(tmp_path: Path) -> None:
    first = estimate.seconds(100_000, "1")
    places.prepare()
    (tmp_path / "artefact").write_bytes(b"code")
    meta = store.Meta("m", 7, "", 0, "p", "native-O1", "a.wasm", 1.0, 100.2, 50_000)
    store.add("key", f"{tmp_path}/artefact", meta)
    assert estimate.seconds(100_000, "1") == pytest.approx(200.2)
    assert estimate.seconds(100_000, "1") > first
    assert estimate.seconds(1_000_000, "1") < 100  # not alike
    assert estimate.seconds(100_000, "0") < 1


def test_holes_stay_holes(tmp_path: Path) -> None:
    with (tmp_path / "sparse").open("w+b") as source, (tmp_path / "copy").open("w+b") as copy:
        source.truncate(64 << 20)
        os.pwrite(source.fileno(), b"middle", 32 << 20)
        build.copy_data(source.fileno(), copy.fileno())
        assert os.fstat(copy.fileno()).st_size == 64 << 20
        assert os.fstat(copy.fileno()).st_blocks * 512 < 1 << 20
        assert os.pread(copy.fileno(), 6, 32 << 20) == b"middle"


def put_in_queue(tmp_path: Path, key: str, origin: str, *, better: bool = False) -> None:
    path = tmp_path / "module"
    path.write_bytes(b"\0asm\1\0\0\0")
    with path.open("rb") as file:
        queue.enqueue(file.fileno(), key, build.Order(f"{key}.wasm", origin))
    os.utime(f"{places.cache()}/queue/{key}/module", (1000 + len(queue.items()),) * 2)
    if better:
        os.mkdir(f"{places.cache()}/queue/{key}/better")


def test_the_queue_is_fair(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Images take turns; who has code already comes last."""
    clock = iter(range(1000))
    done = []

    def work_on(item: queue.Item) -> None:
        done.append(item.key)
        shutil.rmtree(item.path)

    monkeypatch.setattr(time, "monotonic", lambda: next(clock))
    monkeypatch.setattr(queue, "_work_on", work_on)
    put_in_queue(tmp_path, "slow", "one", better=True)
    for key in ("a1", "a2", "a3"):
        put_in_queue(tmp_path, key, "one")
    put_in_queue(tmp_path, "b1", "two")
    put_in_queue(tmp_path, "c1", "")
    queue.work()
    assert done == ["a1", "b1", "c1", "a2", "a3", "slow"]


def test_the_queue_has_an_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queue, "_MAX_OF_ONE", 3)
    for number in range(3):
        put_in_queue(tmp_path, f"a{number}", "one")
    with pytest.raises(CrunwError, match=r"^a3\.wasm: 3 modules of one are waiting already$"):
        put_in_queue(tmp_path, "a3", "one")
    put_in_queue(tmp_path, "b", "two")
    monkeypatch.setattr(queue, "MAX_WAITING", 4)
    with pytest.raises(CrunwError, match=r"^c\.wasm: the queue is full: 4 modules are waiting$"):
        put_in_queue(tmp_path, "c", "three")


def test_the_queue_is_part_of_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(config, "load", lambda: config.Config(max_size=16_000))
    put_in_queue(tmp_path, "a", "one")
    with pytest.raises(CrunwError, match=r"take half of aot\.max-size already$"):
        put_in_queue(tmp_path, "b", "two")


def test_metrics(tmp_path: Path) -> None:
    places.prepare()
    (tmp_path / "artefact").write_bytes(b"code")
    meta = store.Meta("m", 7, "", 0, "p", "native-O1+statistics", "a.wasm", 1.0, 2.5, 50)
    store.add("key", f"{tmp_path}/artefact", meta)
    places.count("hits", "key")
    places.count("hits", "key")
    put_in_queue(tmp_path, "a", "one")
    lines = metrics.text().splitlines()
    assert 'crunw_aot_entries{tier="O1"} 1' in lines
    assert 'crunw_aot_bytes{tier="O1"} 4' in lines
    assert 'crunw_aot_compile_seconds{tier="O1"} 2.5' in lines
    assert 'crunw_aot_hits_total{tier="O1"} 2' in lines
    assert "crunw_aot_waiting 1" in lines
    assert 'crunw_aot_failed{lasting="true"} 0' in lines
    for line in lines:
        assert re.fullmatch(r"# (HELP|TYPE) crunw_aot_\w+ .+|crunw_aot_\w+(\{.+\})? [\d.]+", line)


def test_entries(tmp_path: Path) -> None:
    places.prepare()
    artefact = tmp_path / "artefact"
    artefact.write_bytes(b"code")
    meta = store.Meta("module", 7, "", 0, "platform", "native-O1", "a.wasm", 1.0, 2.0, 5)
    for key in ("one", "two", "one"):
        store.add(key, str(artefact), meta)
    assert store.keys() == ["one", "two"]
    assert store.damage("one") == ""
    assert store.meta("one") == meta._replace(size=4, artefact=hashlib.sha256(b"code").hexdigest())
    assert lookup.usable("one")
    assert places.read(places.note("verified", "one"))
    lookup.doubt("one")
    assert not places.read(places.note("verified", "one"))
    os.utime(places.entry("one"), (1000, 1000))
    assert [entry.key for entry in store.prune(4)] == ["one"]
    assert store.keys() == ["two"]
    assert store.damage("one") != ""
    assert os.listdir(f"{places.cache()}/new") == []


def test_output_names() -> None:
    assert default_output("a/b.wasm", Options(native=False)) == "a/b.aot.wasm"
    assert default_output("a/b.wasm", Options()) == "a/b.so"
    assert default_output("module", Options()) == "module.so"


def test_a_note_that_can_not_be_written_is_a_detail(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    monkeypatch.setattr(notices, "detail", told.append)
    (tmp_path / "run").write_text("")  # where the directory should be
    wrong = places.write_note("hits", "key", "")
    assert wrong == f"{tmp_path}/run: not a directory (remove it)"
    places.count("hits", "key")
    assert told == [f"a note about modules is not kept: {wrong}"] * 2


def test_what_is_waited_for_no_longer_comes_last() -> None:
    job = subprocess.Popen(["sleep", "60"], start_new_session=True)
    try:
        assert background.wait(job.pid, 0.01) is None
        assert os.getpriority(os.PRIO_PROCESS, job.pid) == background.LAST
        group = Path(f"/proc/{job.pid}/autogroup")
        if os.geteuid() == 0 and group.exists():  # others' may be told to try again
            assert group.read_text().endswith(" nice 19\n")
    finally:
        job.kill()
        job.wait()
