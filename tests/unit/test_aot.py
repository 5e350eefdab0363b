"""Keys, settings and conditions of the cache of compiled modules."""

from __future__ import annotations

import hashlib
import os
import time
from pathlib import Path

import pytest

from crunw.aot import config, digest, lookup, places, platform, store
from crunw.aot.options import Options
from crunw.cli.compile import default_output
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


@pytest.mark.parametrize("text", ["", "x", "1X", "G", "1.5G"])
def test_bad_sizes(text: str) -> None:
    with pytest.raises(ValueError, match="invalid literal"):
        config.size(text)


def test_configuration(tmp_path: Path) -> None:
    path = tmp_path / "crunw.toml"
    assert config.load(str(path)).policy == "auto"
    path.write_text('[aot]\npolicy = "off"\nmax-size = "3M"\n')
    for _ in range(2):  # parsed, then remembered
        found = config.load(str(path))
        assert (found.policy, found.max_size) == ("off", 3 << 20)
    path.write_text("[other]\n")
    assert config.load(str(path)).policy == "auto"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[aot]\npolicy = 1", "aot.policy: 1 is not one of auto, always, off"),
        ("[aot]\nmax-size = 'big'", "aot.max-size: 'big' is not a size"),
        ("[aot]\nspeed = 1", "unknown key aot.speed"),
        ("aot = 1", "aot is not a table"),
        ("[aot", "Expected ']'"),
    ],
)
def test_bad_configuration(tmp_path: Path, text: str, problem: str) -> None:
    path = tmp_path / "crunw.toml"
    path.write_text(text)
    with pytest.raises(CrunwError, match=r"^/.*crunw\.toml: ") as caught:
        config.load(str(path))
    assert problem in str(caught.value)


def test_annotation() -> None:
    assert config.policy({config.ANNOTATION: "always"}) == "always"
    with pytest.raises(SpecError, match="'maybe' is not one of"):
        config.policy({config.ANNOTATION: "maybe"})


def test_options_make_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "current", lambda: "platform")
    options = Options()
    assert options.text() == "native-O1"
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


@pytest.mark.parametrize("mode", [0o755, 0o710, 0o701, 0o777])
def test_a_directory_that_is_not_ours(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "directory"
    assert places.make(str(path))
    assert places.is_ours(str(path))
    path.chmod(mode)
    assert not places.is_ours(str(path))
    assert not places.make(str(path))
    (tmp_path / "link").symlink_to(path)
    path.chmod(0o700)
    assert not places.is_ours(str(tmp_path / "link"))


def test_entries(tmp_path: Path) -> None:
    store.prepare()
    artefact = tmp_path / "artefact"
    artefact.write_bytes(b"code")
    meta = store.Meta("module", 7, "", 0, "platform", "native-O1", "a.wasm", 1.0, 2.0)
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
