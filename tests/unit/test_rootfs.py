"""Finding the program in a root filesystem that was made to mislead."""

from __future__ import annotations

import os
import posix
import resource
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from crunw.effects.rootfs import Root
from crunw.errors import CrunwError
from crunw.plan.ops import MOUNT_COPY_LINK, MOUNT_SOURCE_LINK, MOUNT_TARGET_LINK

PROJECT = Path(__file__).parents[2]
WASM, ELF = b"\0asm\1\0\0\0", b"\x7fELF\0\0\0\0"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A root with a module, beside files of the host with the same names."""
    path = tmp_path / "bundle" / "rootfs"
    (path / "bin").mkdir(parents=True)
    (path / "srv").mkdir()
    (path / "bin/tool").write_bytes(ELF + bytes(100))
    (path / "app.wasm").write_bytes(WASM + b"\1\0\0\0")
    (tmp_path / "app.wasm").write_bytes(b"HOST")
    (tmp_path / "bundle/app.wasm").write_bytes(b"HOST")
    return path


@pytest.fixture(autouse=True)
def no_descriptor_is_left() -> Iterator[None]:
    before = set(os.listdir("/proc/self/fd"))
    yield
    assert set(os.listdir("/proc/self/fd")) == before


def find(
    root: Path,
    name: str,
    *binds: tuple[str, Path | str],
    cwd: str = "/",
    environment: tuple[str, ...] = (),
) -> tuple[str, bytes]:
    found = Root(str(root), [(destination, [str(source)], 0) for destination, source in binds])
    return found.find_program(name, cwd, environment)


MISSING = ("", b"")


@pytest.mark.parametrize(("before", "found"), [(1023, True), (1024, False), (1 << 20, False)])
def test_the_directories_of_path_are_limited(root: Path, before: int, found: bool) -> None:
    """Beyond, nothing is looked for: crunw-init says so."""
    environment = ("PATH=" + before * "/none:" + "/bin",)
    assert find(root, "tool", environment=environment) == (("/bin/tool", ELF) if found else MISSING)


def test_file(root: Path) -> None:
    assert find(root, "/app.wasm") == ("/app.wasm", WASM)
    assert find(root, "/bin/tool") == ("/bin/tool", ELF)


@pytest.mark.parametrize("content", [b"", b"\0", b"\0as"])
def test_short_file(root: Path, content: bytes) -> None:
    (root / "app.wasm").write_bytes(content)
    assert find(root, "/app.wasm") == ("/app.wasm", content)


@pytest.mark.parametrize("name", ["/none", "/none/app.wasm", "/app.wasm/x", "/bin", "/", "/bin/."])
def test_no_file(root: Path, name: str) -> None:
    assert find(root, name) == MISSING


@pytest.mark.parametrize(
    "name",
    ["/../../app.wasm", "/../../../../../../app.wasm", "/bin/../app.wasm", "//./app.wasm",
     "/bin/./.././app.wasm"],
)  # fmt: skip
def test_dots_stay_inside(root: Path, name: str) -> None:
    assert find(root, name) == (name, WASM)


@pytest.mark.parametrize(
    ("link", "target"),
    [
        ("link", "app.wasm"),
        ("link", "/app.wasm"),
        ("link", "../../app.wasm"),
        ("link", "/../../../app.wasm"),
        ("bin/link", "../app.wasm"),
        ("bin/link", "/app.wasm"),
        ("bin/link", "../../../../app.wasm"),
        ("bin/link", "/bin/../../app.wasm"),
        ("bin/link", ".././app.wasm"),
    ],
)
def test_link_is_followed_inside(root: Path, link: str, target: str) -> None:
    (root / link).symlink_to(target)
    assert find(root, f"/{link}") == (f"/{link}", WASM)


def test_link_to_the_host_finds_nothing(root: Path, tmp_path: Path) -> None:
    (root / "link").symlink_to(tmp_path / "app.wasm")
    assert find(root, "/link") == MISSING
    (root / "directory").symlink_to(tmp_path)
    assert find(root, "/directory/app.wasm") == MISSING


def test_link_in_the_middle(root: Path) -> None:
    (root / "usr/bin").mkdir(parents=True)
    (root / "usr/bin/run").write_bytes(WASM)
    (root / "sbin").symlink_to("/usr/../usr/bin/")
    (root / "chain").symlink_to("sbin")
    assert find(root, "/chain/run") == ("/chain/run", WASM)
    assert find(root, "/chain/../../app.wasm")[1] == WASM


def test_dots_after_a_link_go_up_from_where_it_leads(root: Path) -> None:
    (root / "deep/er").mkdir(parents=True)
    (root / "deep/app").write_bytes(WASM)
    (root / "app").write_bytes(ELF)
    (root / "link").symlink_to("deep/er")
    assert find(root, "/link/../app") == ("/link/../app", WASM)


@pytest.mark.parametrize("target", ["loop", "/loop", "./loop/../loop", "other"])
def test_loop(root: Path, target: str) -> None:
    (root / "loop").symlink_to(target)
    (root / "other").symlink_to("/loop")
    assert find(root, "/loop") == MISSING
    assert find(root, "/loop/x") == MISSING


@pytest.mark.parametrize(("links", "found"), [(40, True), (41, False)])
def test_as_many_links_as_the_kernel_follows(root: Path, links: int, found: bool) -> None:
    (root / "l0").symlink_to("app.wasm")
    for number in range(1, links):
        (root / f"l{number}").symlink_to(f"l{number - 1}")
    assert (find(root, f"/l{links - 1}") != MISSING) is found


def test_link_that_grows_ends(root: Path) -> None:
    (root / "grow").symlink_to("grow/" * 300)
    assert find(root, "/grow") == MISSING


@pytest.mark.parametrize("name", ["/proc/self/exe", "/magic/self/exe", "/magic/self/root/app.wasm"])
def test_magic_links_are_taken_as_text(root: Path, name: str) -> None:
    """/proc in the root: what it says is looked for inside."""
    assert find(root, name, ("/proc", "/proc"), ("/magic", "/proc")) in (MISSING, (name, WASM))


def test_fifo_is_not_opened(root: Path) -> None:
    os.mkfifo(root / "fifo")
    assert find(root, "/fifo") == MISSING


@pytest.mark.parametrize("device", ["/dev/null", "/dev/zero", "/dev/tty"])
def test_device_is_no_program(root: Path, device: str) -> None:
    assert find(root, "/device", ("/device", device)) == MISSING


def test_socket_is_no_program(root: Path) -> None:
    import socket

    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(root / "s"))
        assert find(root, "/s") == MISSING


def test_unreadable_file_is_found(root: Path) -> None:
    """For whom it may not be read: it is there, and says nothing."""
    program = (
        "import os, sys\n"
        "sys.path.append(sys.argv[1])\n"
        "from crunw.effects.rootfs import Root\n"
        "os.geteuid() or (os.setgroups([]), os.setresgid(65534, 65534, 65534),\n"
        "                 os.setresuid(65534, 65534, 65534))\n"
        "print(Root('.', []).find_program('/secret', '/', []))\n"
        "print(Root('.', []).find_program('/closed/x', '/', []))\n"
    )
    (root / "secret").write_bytes(WASM)
    (root / "secret").chmod(0)
    (root / "closed").mkdir(mode=0)
    result = subprocess.run(
        [sys.executable, "-I", "-S", "-c", program, str(PROJECT)],
        capture_output=True,
        text=True,
        check=True,
        cwd=root,
    )
    assert result.stdout == "('/secret', b'')\n('', b'')\n"


# Names.


def test_relative_name_starts_at_the_working_directory(root: Path) -> None:
    (root / "srv/run").write_bytes(WASM)
    assert find(root, "./run", cwd="/srv") == ("/srv/./run", WASM)
    assert find(root, "../app.wasm", cwd="/srv") == ("/srv/../app.wasm", WASM)
    assert find(root, "bin/tool", cwd="/") == ("/bin/tool", ELF)


@pytest.mark.parametrize(
    ("environment", "found"),
    [
        (("PATH=/none:/usr/local/bin:/bin",), "/usr/local/bin/tool"),
        (("PATH=/bin:/usr/local/bin",), "/bin/tool"),
        (("PATH=/bin", "PATH=/usr/local/bin"), "/bin/tool"),
        (("A=b",), "/bin/tool"),
        ((), "/bin/tool"),
        (("XPATH=/usr/local/bin",), "/bin/tool"),
        (("PATH=local/bin",), "/usr/local/bin/tool"),
    ],
)
def test_plain_name_is_looked_for_on_path(
    root: Path, environment: tuple[str, ...], found: str
) -> None:
    (root / "usr/local/bin").mkdir(parents=True)
    (root / "usr/local/bin/tool").write_bytes(WASM)
    assert find(root, "tool", cwd="/usr", environment=environment)[0] == found


def test_directory_on_path_is_passed_over(root: Path) -> None:
    (root / "srv/tool").mkdir()
    environment = ("PATH=/srv:/bin",)
    assert find(root, "tool", environment=environment) == ("/bin/tool", ELF)


def test_plain_name_of_an_image_with_one_module(root: Path) -> None:
    assert find(root, "app.wasm", environment=("PATH=/bin",)) == ("/app.wasm", WASM)
    (root / "srv/m").write_bytes(WASM)
    assert find(root, "m", cwd="/srv", environment=("PATH=/bin",)) == ("/srv/m", WASM)


# Bind mounts.


@pytest.fixture
def volume(tmp_path: Path) -> Path:
    path = tmp_path / "volume"
    (path / "sub").mkdir(parents=True)
    (path / "m").write_bytes(WASM)
    (path / "sub/m").write_bytes(ELF)
    return path


def test_program_in_a_volume(root: Path, volume: Path) -> None:
    assert find(root, "/srv/m", ("/srv", volume)) == ("/srv/m", WASM)
    assert find(root, "/srv/sub/m", ("/srv", volume)) == ("/srv/sub/m", ELF)
    assert find(root, "/srvm", ("/srv", volume)) == MISSING


def test_volume_covers_what_is_below(root: Path, volume: Path) -> None:
    assert find(root, "/bin/tool", ("/bin", volume)) == MISSING


def test_destination_that_the_mount_makes(root: Path, volume: Path) -> None:
    assert find(root, "/opt/a/b/m", ("/opt/a/b", volume)) == ("/opt/a/b/m", WASM)


def test_volume_that_is_a_file(root: Path, volume: Path) -> None:
    assert find(root, "/opt/x", ("/opt/x", volume / "m")) == ("/opt/x", WASM)
    assert find(root, "/bin/tool", ("/bin/tool", volume / "m")) == ("/bin/tool", WASM)
    assert find(root, "/bin/tool/y", ("/bin/tool", volume / "m")) == MISSING


def test_later_mount_covers_an_earlier_one(root: Path, volume: Path) -> None:
    first, second = ("/srv", volume), ("/srv/sub", root / "bin")
    assert find(root, "/srv/sub/tool", first, second)[1] == ELF
    assert find(root, "/srv/sub/tool", second, first) == MISSING


def test_link_in_a_volume_stays_in_the_container(root: Path, volume: Path) -> None:
    (volume / "up").symlink_to("../app.wasm")
    (volume / "absolute").symlink_to("/app.wasm")
    (volume / "host").symlink_to(volume / "m")
    assert find(root, "/srv/up", ("/srv", volume))[1] == WASM
    assert find(root, "/srv/absolute", ("/srv", volume))[1] == WASM
    assert find(root, "/srv/host", ("/srv", volume)) == MISSING


def test_link_into_a_volume(root: Path, volume: Path) -> None:
    (root / "run").symlink_to("/srv/m")
    assert find(root, "/run", ("/srv", volume))[1] == WASM


def test_destination_behind_a_link(root: Path, volume: Path) -> None:
    """A merged /usr: what is mounted at /lib/x is seen at /usr/lib/x, too."""
    (root / "usr/lib").mkdir(parents=True)
    (root / "lib").symlink_to("usr/lib")
    for name in ("/lib/x/m", "/usr/lib/x/m"):
        assert find(root, name, ("/lib/x", volume)) == (name, WASM)
        assert find(root, name, ("/usr/lib/x", volume)) == (name, WASM)


def test_destination_out_of_the_root(root: Path, volume: Path) -> None:
    (root / "out").symlink_to("../../..")
    assert find(root, "/out/v/m", ("/out/v", volume)) == ("/out/v/m", WASM)
    assert find(root, "/v/m", ("/out/v", volume)) == ("/v/m", WASM)


def test_destination_that_loops_is_left_to_fail_later(root: Path, volume: Path) -> None:
    (root / "loop").symlink_to("loop")
    assert find(root, "/app.wasm", ("/loop", volume)) == ("/app.wasm", WASM)


def test_source_is_missing_or_a_link(root: Path, volume: Path) -> None:
    (volume / "link").symlink_to("sub")
    assert find(root, "/srv/m", ("/srv", volume / "none")) == MISSING
    assert find(root, "/srv/m", ("/srv", volume / "link")) == ("/srv/m", ELF)


# What an image can make of a start, or a container of an `exec`.


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The paths that are opened from now on."""
    paths: list[str] = []
    real = posix.open

    def note(path: str, *args: int, dir_fd: int | None = None) -> int:
        paths.append(path)
        return real(path, *args, dir_fd=dir_fd)

    monkeypatch.setattr("crunw.effects.rootfs.posix.open", note)
    return paths


def make_deep(root: Path, levels: int) -> None:
    """A directory a/a/a/…, with a module in the lowest."""
    here = os.getcwd()
    os.chdir(root)
    for _ in range(levels):
        os.mkdir("a")
        os.chdir("a")
    Path("m").write_bytes(WASM)
    os.chdir(here)


@pytest.mark.parametrize(("links", "levels"), [(10, 500), (39, 800)])
def test_each_part_of_a_path_is_opened_once(
    root: Path, opened: list[str], links: int, levels: int
) -> None:
    make_deep(root, levels)
    below = "a/" * levels
    for number in range(links):
        (root / f"l{number}").symlink_to("/" + below + "../" * levels + f"l{number + 1}")
    (root / f"l{links}").symlink_to(below + "m")
    assert find(root, "/l0") == ("/l0", WASM)
    assert len(opened) <= (links + 2) * (levels + 2)


def test_up_and_down_again(root: Path, opened: list[str]) -> None:
    """However it is turned, a part costs few parts."""
    make_deep(root, 1000)
    path = "a/" * 1000 + ("../" * 130 + "a/" * 130) * 3 + "m"
    assert find(root, path) == ("/" + path, WASM)
    assert len(opened) <= 10 * path.count("/")


def test_a_path_without_end_is_an_error(root: Path, opened: list[str]) -> None:
    """Each entry of $PATH is a path of its own: as many as fit an environment."""
    make_deep(root, 200)
    for number in range(30):
        (root / f"l{number}").symlink_to("a/" * 200 + "../" * 200 + f"l{number + 1}")
    (root / "l30").symlink_to("a")
    environment = ("PATH=" + "/l0:" * 20000,)
    with pytest.raises(CrunwError, match="its links lead through more than 32768 files"):
        find(root, "tool", environment=environment)
    assert len(opened) <= 32768 + 1


def test_few_descriptors_are_open_at_a_time(root: Path) -> None:
    make_deep(root, 3000)
    (root / "link").symlink_to("a/" * 1500)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))
    try:
        assert find(root, "/link/" + "a/" * 1500 + "m")[1] == WASM
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


# Directories for preopens.


def test_directories(root: Path, volume: Path) -> None:
    (root / "link").symlink_to("bin")
    os.mkfifo(root / "fifo")
    binds = [("/data", volume), ("/m.wasm", volume / "m"), ("/etc/m", volume / "m")]
    found = Root(str(root), [(name, [str(source)], 0) for name, source in binds]).directories()
    assert found == ["bin", "data", "etc", "srv"]


def layers(tmp_path: Path) -> list[str]:
    """An overlay: the upper layer hides ``gone`` and has an ``app`` of its own."""
    for name in ("upper", "middle", "lower"):
        (tmp_path / name).mkdir()
    (tmp_path / "lower/app").write_bytes(ELF)
    (tmp_path / "lower/gone").write_bytes(WASM)
    (tmp_path / "lower/only").write_bytes(WASM)
    (tmp_path / "upper/app").write_bytes(WASM)
    return [str(tmp_path / name) for name in ("upper", "middle", "lower")]


def test_overlay(root: Path, tmp_path: Path) -> None:
    """An image as a volume: the uppermost layer that has the file counts."""
    found = Root(str(root), [("/volume", layers(tmp_path), 0)])
    assert found.find_program("/volume/app", "/", ()) == ("/volume/app", WASM)
    assert found.find_program("/volume/only", "/", ()) == ("/volume/only", WASM)
    assert found.find_program("/volume/none", "/", ()) == MISSING


def test_what_an_upper_layer_has_removed_is_not_found(root: Path, tmp_path: Path) -> None:
    directories = layers(tmp_path)
    try:
        os.mknod(tmp_path / "upper/gone", stat.S_IFCHR, 0)
    except PermissionError:
        pytest.skip("needs root, to make a whiteout")
    found = Root(str(root), [("/volume", directories, 0)])
    assert found.find_program("/volume/gone", "/", ()) == MISSING


def test_a_bind_on_the_root_has_its_directories(root: Path, tmp_path: Path) -> None:
    (tmp_path / "other/inside").mkdir(parents=True)
    binds = [
        ("/before", [str(tmp_path)], 0),
        ("/", [str(tmp_path / "other")], 0),
        ("/after", [str(tmp_path)], 0),
    ]
    assert Root(str(root), binds).directories() == ["after", "inside"]


@pytest.mark.parametrize(
    ("links", "found"),
    [
        (0, WASM),  # the host's link leads to the module, and covers what /app leads to
        (MOUNT_COPY_LINK, ELF),  # there is a link /app to ./own already
        (MOUNT_SOURCE_LINK, MISSING[1]),  # the mounted link leads to itself
        (MOUNT_SOURCE_LINK | MOUNT_TARGET_LINK, ELF),
        (MOUNT_TARGET_LINK, WASM),
    ],
)
def test_links_as_the_mount_options_say(
    root: Path, tmp_path: Path, links: int, found: bytes
) -> None:
    (root / "own").write_bytes(ELF)
    (root / "app").symlink_to("own")
    (tmp_path / "own").write_bytes(WASM)
    (tmp_path / "app").symlink_to("own")
    seen = Root(str(root), [("/app", [str(tmp_path / "app")], links)])
    assert seen.find_program("/app", "/", ())[1] == found
    beside = WASM if links == 0 else found if links == MOUNT_SOURCE_LINK else ELF
    assert seen.find_program("/own", "/", ())[1] == beside
