"""A shell that does what a page says, on a host of the page's kind."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

from documents.page import PROJECT, Block, Command, host, matches, read

HERE = Path(__file__).parent
CHECKOUT = Path("/srv/crunw")
LONGEST = 600  # s, of a command: then it hangs


def copy_checkout() -> None:
    """What a reader has: the files that git knows; and the compiled examples, to save time."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=PROJECT, stdout=subprocess.PIPE, check=True)
    for name in listed.stdout.decode().split("\0"):
        if name and (PROJECT / name).is_file():
            (CHECKOUT / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(PROJECT / name, CHECKOUT / name)
    if (PROJECT / "build/examples").exists():
        shutil.copytree(PROJECT / "build/examples", CHECKOUT / "build/examples", symlinks=True)


class PageError(Exception):
    """A command has not done what the page says."""


class Shell:
    """bash, which keeps variables and jobs from one command to the next."""

    def __init__(self, kind: str) -> None:
        self._text = Path("/run/document-command")
        self._output = Path("/run/document-output")
        reports, report = os.pipe()
        environment = os.environ | {
            "PATH": f"{HERE / 'host'}:/run/programs:{os.environ['PATH']}",
            "HOME": "/root",
            "LC_ALL": "C.UTF-8",
            "PODMAN_IGNORE_CGROUPSV1_WARNING": "1",
        }
        for name in ("PYTHONPATH", "CONTAINERS_CONF_OVERRIDE"):
            environment.pop(name, None)
        loop = f". {self._text} </dev/null >{self._output} 2>&1; echo $? >&{report}"
        self._process = subprocess.Popen(
            ["bash", "--noprofile", "--norc", "-c", f"while read -r _; do {loop}; done"],
            stdin=subprocess.PIPE,
            pass_fds=[report],
            cwd=CHECKOUT,
            env=environment,
        )
        os.close(report)
        self._reports = os.fdopen(reports)
        prepare = HERE / "host" / f"prepare-{kind}"
        if prepare.exists():
            self.run(Command(0, f". {prepare}", None))

    def run(self, command: Command) -> None:
        """Raises :class:`PageError`."""
        status, output = self._do(command.text)
        if (status != 0) is not command.fails:
            raise PageError(f"line {command.line}: status {status}\n{command.text}\n{output}")
        if command.output is not None and not matches(command.output, output):
            raise PageError(
                f"line {command.line}: the output differs\n{command.text}\n"
                f"-- the page\n{command.output}\n-- printed\n{output}"
            )

    def _do(self, text: str) -> tuple[int, str]:
        self._text.write_text(text + "\n")
        assert self._process.stdin
        self._process.stdin.write(b"\n")
        self._process.stdin.flush()
        line = self._reports.readline()
        if not line:
            raise PageError(f"the shell has ended\n{text}\n{self._output.read_text()}")
        return int(line), self._output.read_text(errors="replace")


def run_block(shell: Shell, block: Block) -> int:
    """Do what a block says; how many commands that were."""
    commands = block.commands()
    for command in commands:
        shell.run(command)
    if block.file:
        shell.run(Command(block.line, f"mkdir -p \"$(dirname '{block.file}')\"", None))
        quoted = block.text.replace("'", "'\\''")
        shell.run(Command(block.line, f"printf %s '{quoted}' >'{block.file}'", None))
    return len(commands)


def run_page(path: Path) -> bool:
    """Do what a page says, until something fails."""
    name = path.relative_to(PROJECT)
    begin = time.monotonic()
    copy_checkout()
    try:
        shell = Shell(host(path))
        done = sum(run_block(shell, block) for block in read(path))
    except PageError as failure:
        print(f"{name}: {failure}", flush=True)
        return False
    print(f"{name}: {done} commands, {time.monotonic() - begin:.1f} s", flush=True)
    return True


if __name__ == "__main__":
    sys.exit(not run_page(Path(sys.argv[1]).resolve()))
