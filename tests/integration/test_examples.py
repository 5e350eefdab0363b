"""The example modules under ``crunw run``: what each prints, how each ends."""

from __future__ import annotations

import json
import os
import re
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"

HEADINGS = [
    "Test 1: Print Random Number",
    "Test 2: Print Random Bytes",
    "Test 3: Call an echo function",
    "Test 4: Print Environment Variables",
    "Test 5: Create a file `/tmp.txt` with content `This is in a file`",
    "Test 6: Read the content from the previous file",
    "Test 7: Delete the previous file",
]


class Container:
    """A bundle with one example module, and the runtime's state directory for it."""

    def __init__(self, directory: Path, module: Path, *arguments: str) -> None:
        self.id = f"example-{os.getpid()}-{directory.name}"
        self.bundle = directory / "bundle"
        self.runtime = ["crunw", "--root", str(directory / "root")]
        bundle = [str(EXAMPLES / "bundle"), str(module), str(self.bundle), *arguments]
        subprocess.run(bundle, check=True)

    def configure(self, **root: object) -> None:
        """Change members of ``root`` in config.json."""
        path = self.bundle / "config.json"
        config = json.loads(path.read_text())
        config["root"].update(root)
        path.write_text(json.dumps(config))

    def start(self) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [*self.runtime, "run", "--bundle", str(self.bundle), self.id],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self) -> subprocess.CompletedProcess[str]:
        with self.start() as process:
            stdout, stderr = process.communicate(timeout=60)
        return subprocess.CompletedProcess(process.args, process.returncode, stdout, stderr)

    def status(self) -> str | None:
        """The container's OCI status, None while it does not exist."""
        state = subprocess.run(
            [*self.runtime, "state", self.id], capture_output=True, text=True, check=False
        )
        return json.loads(state.stdout)["status"] if state.returncode == 0 else None

    def kill(self, signal: str) -> None:
        subprocess.run([*self.runtime, "kill", self.id, signal], check=True)

    def delete(self) -> None:
        """Remove what a failed test may have left."""
        delete = [*self.runtime, "delete", "--force", self.id]
        subprocess.run(delete, capture_output=True, check=False)


Runs = tuple[Container, list[dict[str, list[str]]]]


@pytest.fixture(scope="module")
def wasi_main(modules: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runs]:
    """The container, and of two runs of it the lines below each heading."""
    directory = tmp_path_factory.mktemp("wasi-main")
    container = Container(directory, modules / "wasi_example_main.wasm", "50000000")
    runs = []
    for result in (container.run(), container.run()):
        assert (result.returncode, result.stderr) == (0, "")
        assert result.stdout.splitlines()[0] == HEADINGS[0]
        paragraphs = [text.splitlines() for text in result.stdout.rstrip().split("\n\n")]
        runs.append({lines[0]: lines[1:] for lines in paragraphs})
    yield container, runs
    container.delete()


def test_the_seven_tests_come_in_order(wasi_main: Runs) -> None:
    for run in wasi_main[1]:
        assert list(run) == HEADINGS


def test_random_number(wasi_main: Runs) -> None:
    lines = [run[HEADINGS[0]] for run in wasi_main[1]]
    for (line,) in lines:
        number = re.fullmatch(r"Random number: (-?\d+)", line)
        assert number
        assert -(2**31) <= int(number[1]) < 2**31
    assert lines[0] != lines[1]


def test_random_bytes(wasi_main: Runs) -> None:
    drawn = []
    for run in wasi_main[1]:
        (line,) = run[HEADINGS[1]]
        assert line.startswith("Random bytes: [")
        drawn.append(bytes(json.loads(line.removeprefix("Random bytes: "))))
    assert [len(random_bytes) for random_bytes in drawn] == [128, 128]
    assert drawn[0] != drawn[1]


def test_echo(wasi_main: Runs) -> None:
    for run in wasi_main[1]:
        assert run[HEADINGS[2]] == [
            "Printed from wasi: This is from a main function",
            "This is from a main function",
        ]


def test_environment_and_arguments_are_those_of_the_spec(wasi_main: Runs) -> None:
    container, runs = wasi_main
    process = json.loads((container.bundle / "config.json").read_text())["process"]
    for run in runs:
        assert run[HEADINGS[3]] == [
            "The env vars are as follows.",
            *(variable.replace("=", ": ", 1) for variable in process["env"]),
            "HOME: /",  # the image has no user database
            "The args are as follows.",
            "/wasi_example_main.wasm",
            "50000000",
        ]


def test_file_is_created_read_and_deleted(wasi_main: Runs) -> None:
    container, runs = wasi_main
    for run in runs:
        assert run[HEADINGS[4]] == []
        assert run[HEADINGS[5]] == ["File content is This is in a file"]
        assert run[HEADINGS[6]] == []
    assert not (container.bundle / "rootfs" / "tmp.txt").exists()


def test_no_host_path_reaches_the_program(wasi_main: Runs) -> None:
    container, runs = wasi_main
    assert str(container.bundle.parent) not in str(runs)


def test_failure_of_the_program_is_its_exit_status(tmp_path: Path, modules: Path) -> None:
    container = Container(tmp_path, modules / "wasi_example_main.wasm")
    container.configure(readonly=True)
    result = container.run()
    assert result.returncode == 1
    assert "Test 6" not in result.stdout
    assert "ReadOnlyFilesystem" in result.stderr


def test_hello(tmp_path: Path, modules: Path) -> None:
    result = Container(tmp_path, modules / "hello.wasm").run()
    assert (result.returncode, result.stdout) == (0, "Hello from WebAssembly\n")


def test_pause_sleeps_until_term(tmp_path: Path, modules: Path) -> None:
    container = Container(tmp_path, modules / "pause.wasm")
    with container.start() as process:
        try:
            deadline = time.monotonic() + 30
            while container.status() != "running" and time.monotonic() < deadline:
                time.sleep(0.05)
            assert process.poll() is None
            container.kill("TERM")
            assert process.wait(timeout=5) == 143
        finally:
            container.delete()
            process.kill()
