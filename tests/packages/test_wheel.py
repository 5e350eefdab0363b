"""The wheel, in a virtual environment of a host without Debian's Python packages."""

from __future__ import annotations

from pathlib import Path

import pytest
from packages import smoke
from packages.host import Host


@pytest.fixture(scope="module")
def installed(host: Host, wheel: Path) -> Host:
    host.run("apt-get install --yes python3-venv libwasmedge0 libseccomp2")
    host.run(f"python3 -m venv /opt/crunw; /opt/crunw/bin/pip install {wheel}")
    host.run("ln -s /opt/crunw/bin/crunw /usr/local/bin/")
    smoke.make_bundles(host)
    return host


def test_it_runs(installed: Host) -> None:
    assert "/usr/lib/python3/dist-packages" not in installed.says(
        "find /usr/lib/python3/dist-packages -name '*cffi*' -o -name 'jeepney*'"
    )
    smoke.check(installed)


def test_a_copy_finds_it(installed: Host) -> None:
    """As the engines' packages expect a runtime in directories of their own."""
    installed.run("mkdir -p /usr/lib/cri-o-runc/sbin; cp /opt/crunw/bin/crunw $_")
    expected = installed.says("crunw --version")
    assert installed.says("/usr/lib/cri-o-runc/sbin/crunw --version") == expected


def test_manual_pages_and_completions_are_below_share(installed: Host) -> None:
    for file in (
        "man/man1/crunw-run.1",
        "bash-completion/completions/crunw",
        "zsh/vendor-completions/_crunw",
        "fish/vendor_completions.d/crunw.fish",
    ):
        assert "keep" in installed.says(f"cat /opt/crunw/share/{file}")


@pytest.mark.parametrize(
    "options", ["--prefix /srv/prefix", "--target /srv/target"], ids=["prefix", "target"]
)
def test_elsewhere(installed: Host, wheel: Path, options: str) -> None:
    directory = options.split()[1]
    pip = "/opt/crunw/bin/pip install --ignore-installed"
    installed.run(f"{pip} {options} {wheel}")
    program = f"{directory}/bin/crunw"
    done = installed.run(f"{program} run --bundle {smoke.BUNDLES}/wasm p1", check=False)
    assert done.returncode == 3
    assert f"{directory}/" in installed.says(f"{program} doctor | grep crunw-init")
