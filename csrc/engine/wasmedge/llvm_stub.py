"""Write the source of a stand-in for libLLVM that fits the installed libwasmedge.

    llvm_stub.py READELF LIBWASMEDGE SOURCE VERSIONS

Running a module calls nothing of LLVM, but libwasmedge is bound to it when it is loaded, which
takes most of the start and most of the memory. The stub has LLVM's soname, its symbol versions and
just the symbols that libwasmedge imports: functions that stop the program, data of the right size.
What libwasmedge's static objects (of a linker inside it, never used) call at exit does nothing.

SOURCE is written as C, VERSIONS as a linker version script; the soname is printed. Nothing is
written or printed for a libwasmedge that needs no libLLVM.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

TRAP = """\
#include <unistd.h>

void crunw_llvm_trap(void) __attribute__((visibility("hidden")));
void crunw_llvm_trap(void) {
    static const char message[] = "crunw: LLVM is not loaded in this process\\n";
    ssize_t ignored = write(2, message, sizeof(message) - 1);
    (void)ignored;
    __builtin_trap();
}

void crunw_llvm_nothing(void) __attribute__((visibility("hidden")));
void crunw_llvm_nothing(void) {}
"""

# Destructors and llvm::deallocate_buffer(void*, size_t, size_t), mangled by the Itanium C++ ABI.
AT_EXIT = re.compile(r"(D[012]Ev|17deallocate_bufferEPvmm)$")


class Symbol(NamedTuple):
    """A row of ``readelf --dyn-syms``; ``version`` is "" for a symbol without one."""

    name: str
    version: str
    type: str
    binding: str
    defined: bool
    size: int


def run(*command: str) -> str:
    """Return what a command prints."""
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def symbols(readelf: str, library: str) -> Iterator[Symbol]:
    """Yield the dynamic symbols of a library."""
    for line in run(readelf, "--dyn-syms", "-W", library).splitlines():
        fields = line.split()
        if len(fields) < 8 or not fields[0].rstrip(":").isdigit():
            continue
        name, _, version = fields[7].partition("@")
        yield Symbol(
            name=name,
            version=version.lstrip("@"),
            type=fields[3],
            binding=fields[4],
            defined=fields[6] != "UND",
            size=int(fields[2], 0),
        )


def find_llvm(readelf: str, libwasmedge: str) -> tuple[str, str] | None:
    """Return soname and path of the libLLVM that libwasmedge is linked with, or None."""
    needed = re.search(r"NEEDED.*\[(libLLVM[^]]*)\]", run(readelf, "-d", "-W", libwasmedge))
    if needed is None:
        return None
    soname = needed[1]
    beside = Path(libwasmedge).with_name(soname)
    if beside.exists():  # where ldd would find it, and can't for another processor
        return soname, str(beside)
    for line in run("ldd", libwasmedge).splitlines():
        name, _, target = line.strip().partition(" => ")
        if name == soname and target.startswith("/"):
            return soname, target.split(" (")[0]
    raise SystemExit(f"{libwasmedge} needs {soname}, which is not installed")


def main(readelf: str, libwasmedge: str, source: str, versions: str) -> None:
    """Write the two files and print the soname."""
    llvm = find_llvm(readelf, libwasmedge)
    if llvm is None:
        return
    soname, path = llvm
    wanted = {
        symbol.name
        for symbol in symbols(readelf, libwasmedge)
        if not symbol.defined and symbol.binding != "WEAK"
    }
    code = [TRAP]
    exported: dict[str, list[str]] = {}
    for symbol in symbols(readelf, path):
        if not symbol.defined or symbol.name not in wanted:
            continue
        wanted.discard(symbol.name)
        exported.setdefault(symbol.version, []).append(symbol.name)
        if symbol.type == "OBJECT":
            code.append(f"char {symbol.name}[{symbol.size}] __attribute__((aligned(16)));")
        else:
            target = "nothing" if AT_EXIT.search(symbol.name) else "trap"
            code.append(f'void {symbol.name}(void) __attribute__((alias("crunw_llvm_{target}")));')
    Path(source).write_text("\n".join(code) + "\n")
    with open(versions, "w") as script:
        for version, names in exported.items():
            body = "".join(f"    {name};\n" for name in sorted(names))
            script.write(f"{version} {{\n  global:\n{body}  local: *;\n}};\n")
    print(soname)


if __name__ == "__main__":
    main(*sys.argv[1:])
