"""``CRUNW_MUST_WORK=1``: a skipped test has failed, but for those in ``allowed-skips.toml``, as an
ordinary user those in ``rootless-skips.toml`` and those that need root to be prepared, and those in
``sanitized-skips.toml`` with that build.
"""

from __future__ import annotations

import os
import signal
import subprocess
import tomllib
from collections.abc import Generator, Iterator
from fnmatch import fnmatch
from pathlib import Path

import pytest
from support.modules import PROJECT, provide_modules
from support.run_again import AGAIN

LONGEST = 900  # s, for one test with its fixtures
MUST_WORK = os.environ.get("CRUNW_MUST_WORK") == "1"
ALLOWED_SKIPS = tomllib.loads(Path(__file__).with_name("allowed-skips.toml").read_text())


def rootless_skips() -> dict[str, str]:
    """Patterns of what an ordinary user leaves out, with the reasons; none for root."""
    if os.geteuid() == 0:
        return {}
    tables = tomllib.loads(Path(__file__).with_name("rootless-skips.toml").read_text())
    has_cgroup = "--cgroup-manager=systemd" in os.environ.get("CRUNW_TEST_OPTIONS", "")
    return tables["always"] | ({} if has_cgroup else tables["without-cgroup"])


ROOTLESS_SKIPS = rootless_skips()
SANITIZED_SKIPS: dict[str, str] = (
    tomllib.loads(Path(__file__).with_name("sanitized-skips.toml").read_text())
    if "CRUNW_TEST_SANITIZED" in os.environ
    else {}
)


def fail_if_skipped(report: pytest.TestReport | pytest.CollectReport) -> None:
    """Turn the report of a skip that is not on the list into that of a failure."""
    expected_failure = hasattr(report, "wasxfail")
    if not MUST_WORK or not report.skipped or expected_failure:
        return
    _path, _line, reason = report.longrepr
    if os.geteuid() and reason.startswith("Skipped: needs root"):
        return
    if not any(
        fnmatch(report.nodeid, pattern)
        for pattern in (*ALLOWED_SKIPS, *ROOTLESS_SKIPS, *SANITIZED_SKIPS)
    ):
        report.outcome = "failed"
        report.longrepr = f"CRUNW_MUST_WORK=1, but {reason}"


def pytest_configure() -> None:
    """Begin as a login shell's program, whatever starts the tests ignores or blocks."""
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    for number in signal.valid_signals():
        if signal.getsignal(number) is signal.SIG_IGN and number not in (
            signal.SIGPIPE, signal.SIGXFSZ,  # ignored by the interpreter, not by its children
        ):  # fmt: skip
            signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave out what an ordinary user, or a build with sanitizers, can't do."""
    left_out = {
        **{
            pattern: f"not as an ordinary user: {ROOTLESS_SKIPS[pattern]}"
            for pattern in ROOTLESS_SKIPS
        },
        **{
            pattern: f"not with sanitizers: {SANITIZED_SKIPS[pattern]}"
            for pattern in SANITIZED_SKIPS
        },
    }
    for item in items:
        for pattern, reason in left_out.items():
            if fnmatch(item.nodeid, pattern):
                item.add_marker(pytest.mark.skip(reason=reason))


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-golden", action="store_true", help="write the expected plans again")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say what was run a second time."""
    if AGAIN:
        terminalreporter.section(f"run again: {len(AGAIN)}")
        for line in AGAIN:
            terminalreporter.line(line)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol() -> Generator[None, object, object]:
    """A test that hangs fails, instead of keeping all others from being run."""
    signal.signal(signal.SIGALRM, give_up)
    signal.alarm(LONGEST)
    try:
        return (yield)
    finally:
        signal.alarm(0)


def give_up(*_: object) -> None:
    pytest.fail(f"it takes longer than {LONGEST} s")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    fail_if_skipped(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    fail_if_skipped(report)
    return report


@pytest.fixture(scope="session")
def modules(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of the compiled modules: the tests' and the examples'."""
    directory = tmp_path_factory.mktemp("modules")
    provide_modules(directory)
    return directory


@pytest.fixture(scope="session")
def wasmtime_package(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """crunw-wasmtime beside crunw, as a user installs it; its library comes before that of pip."""
    command = [PROJECT / "ci/package", "--wasmtime", "--output", tmp_path_factory.mktemp("package")]
    quick = {**os.environ, "DPKG_DEB_COMPRESSOR_TYPE": "none"}
    package = subprocess.check_output(command, env=quick, text=True).strip()
    subprocess.run(["dpkg", "--install", "--no-triggers", package], check=True, capture_output=True)
    yield
    subprocess.run(["dpkg", "--purge", "crunw-wasmtime"], check=True, capture_output=True)
