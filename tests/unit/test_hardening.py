"""How the installed programs were built: what makes an exploit of a mistake harder.

The linker's part stands in a file's headers, the compiler's in the section that it leaves with
-frecord-gcc-switches: one line for each set of options that an object was compiled with.
"""

from __future__ import annotations

import platform
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

import crunw
from crunw import paths

BRANCHES = {"x86_64": "-fcf-protection=full", "aarch64": "-mbranch-protection=standard"}
COMPILED = ["-fstack-protector-strong", "-fstack-clash-protection", BRANCHES[platform.machine()]]
FORTIFIED = "-D_FORTIFY_SOURCE=3"  # is not recorded: the checked functions are imported
LINKED = ["-pie", "-Wl,-z,relro", "-Wl,-z,now"]
UNFORTIFIED = {
    "crunw": "musl has no checked functions",
    "libLLVM-stub": "calls write(2) alone",
    "_seccomp": "calls memset alone, for sizes that the compiler knows",
}


def installed() -> list[Path]:
    """The launcher, and every program and library of the package."""
    package = Path(crunw.__file__).parent
    files = sorted(path for path in package.rglob("*") if path.is_file())
    return [Path(paths.program_path()), *filter(is_elf, files)]


def is_elf(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(4) == b"\x7fELF"


def readelf(path: Path, *options: str) -> str:
    command = ["readelf", "--wide", *options, path]
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout


def lacks(path: Path) -> set[str]:
    """What the file was built without, each as the option that was missing or was too much."""
    headers = readelf(path, "--file-header", "--segments", "--dynamic")
    records = re.findall(r"GNU C.*", readelf(path, "--string-dump=.GCC.command.line"))
    found = {
        "-pie": bool(re.search(r"Type: +DYN", headers)),
        "-Wl,-z,noexecstack": "GNU_STACK" in headers and " RWE " not in headers,
        "-Wl,-z,relro": "GNU_RELRO" in headers,
        "-Wl,-z,now": "BIND_NOW" in headers,
        "-Wl,-rpath": not re.search(r"\((RPATH|RUNPATH)\)", headers),
        "-Wl,-z,notext": "TEXTREL" not in headers,
        FORTIFIED: bool(re.search(r"UND __(?!stack)\w+_chk", readelf(path, "--dyn-syms"))),
        **{option: recorded(records, option) for option in COMPILED},
    }
    return {option for option, there in found.items() if not there}


def recorded(records: list[str], option: str) -> bool:
    return bool(records) and all(option in record.split() for record in records)


@pytest.mark.parametrize("path", installed(), ids=lambda path: path.name)
def test_hardened(path: Path) -> None:
    unfortified = {FORTIFIED} if path.name.partition(".")[0] in UNFORTIFIED else set()
    assert lacks(path) == unfortified


PROGRAM = """
#include <stdio.h>
extern char **environ;
int main(int count, char **words) {
    char text[9000];
    return snprintf(text, sizeof text, "%s%d", words[0], count) + (environ == NULL);
}
"""


@pytest.fixture
def build(tmp_path: Path) -> Callable[..., Path]:
    """Compile a program with just these options."""

    def build(*options: str) -> Path:
        (tmp_path / "program.c").write_text(PROGRAM)
        off = ["-fno-stack-protector", "-fcf-protection=none", "-no-pie", "-Wl,-z,norelro,-z,lazy"]
        compiled = [*off, "-U_FORTIFY_SOURCE", "-O2", "-frecord-gcc-switches", *options]
        subprocess.run(["gcc", *compiled, "-o", "program", "program.c"], cwd=tmp_path, check=True)
        return tmp_path / "program"

    return build


ALL = [*COMPILED, FORTIFIED, "-fPIE", *LINKED]


def test_a_hardened_program_lacks_nothing(build: Callable[..., Path]) -> None:
    assert lacks(build(*ALL)) == set()


@pytest.mark.parametrize("option", [*COMPILED, FORTIFIED, *LINKED])
def test_an_option_is_missed(build: Callable[..., Path], option: str) -> None:
    assert lacks(build(*(other for other in ALL if other != option))) == {option}


@pytest.mark.parametrize("option", ["-Wl,-z,execstack", "-Wl,-rpath,/tmp"])
def test_an_option_too_much_is_seen(build: Callable[..., Path], option: str) -> None:
    seen = option.replace("exec", "noexec").removesuffix(",/tmp")
    assert lacks(build(*ALL, option)) == {seen}


def test_relocations_of_code_are_seen(build: Callable[..., Path]) -> None:
    options = [option for option in ALL if option != "-fPIE"]
    program = build(*options, "-mcmodel=large", "-fno-pie", "-Wl,-z,notext")
    assert lacks(program) == {"-Wl,-z,notext"}


def test_one_object_in_a_program_is_seen(build: Callable[..., Path], tmp_path: Path) -> None:
    (tmp_path / "other.c").write_text("int other;\n")
    compile_it = ["gcc", "-c", "-frecord-gcc-switches", "-fPIE", "other.c"]
    subprocess.run(compile_it, cwd=tmp_path, check=True)
    assert lacks(build(*ALL, "other.o")) == set(COMPILED)
