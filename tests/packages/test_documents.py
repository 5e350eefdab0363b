"""Manual pages and completions of the Debian package, in the programs that read them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from packages import smoke
from packages.host import Host

OTHER = "/srv/other"


@pytest.fixture(scope="module")
def installed(host: Host, deb: Path) -> Iterator[Host]:
    """With a container ``web``, and in another root directory one ``there``."""
    host.run("apt-get install --yes --no-install-recommends man-db bash-completion zsh fish")
    host.run(f"apt-get install --yes {deb}")
    smoke.make_bundles(host)
    containers = (("", "web"), (f"--root {OTHER}", "there"))
    for options, name in containers:
        host.run(
            f"crunw {options} create --bundle {smoke.BUNDLES}/wasm {name}"
            " </dev/null >/dev/null 2>&1"
        )
    yield host
    for options, name in containers:
        host.run(f"crunw {options} delete --force {name}")


def test_manual_pages(installed: Host) -> None:
    assert installed.says("man --where crunw") == "/usr/share/man/man1/crunw.1.gz\n"
    text = installed.says("MANWIDTH=80 man crunw-run")
    assert "       --keep do not delete the container when it has ended\n" in text
    assert "crunw-kill (1)" in installed.says(
        "mandb --quiet; apropos 'send a signal to a container'"
    )


def sections(shown: str) -> list[str]:
    """What stands behind each line ``==``, whatever the terminal has for ends of lines."""
    return re.split(r"^==\r?$", shown, flags=re.MULTILINE)[1:]


SHELLS = {
    "bash": "bash --rcfile /usr/share/bash-completion/bash_completion -i",
    "zsh": "zsh -f -i",
}
# What is typed, what the completed command prints.
TYPED = {
    "crunw state w\t": '"id": "web"',
    "crunw --root /srv/other state t\t": '"id": "there"',
    "crunw --root=/srv/other state t\t": '"id": "there"',
    "crunw featu\t": "ociVersionMin",
    "crunw list --form\tjs\t": '"bundle":',
    "crunw --log-level err\tstate web": '"id": "web"',
    "crunw kill web URG\t&& echo sen''t": "sent",
    "crunw plan --bundle /srv/bundles/nat\t": "workload  native",
    "crunw inspect /srv/bundles/wasm/rootfs/ap\t": "runs here",
}


@pytest.mark.parametrize("shell", SHELLS)
def test_typed(installed: Host, shell: str) -> None:
    begin = "autoload -Uz compinit; compinit -u\n" if shell == "zsh" else ""
    lines = "".join(f"echo '='=\n{line}\n" for line in TYPED)
    (installed.root / "srv/typed").write_text(f"{begin}{lines}echo '='=\nexit\n")
    command = f"TERM=dumb timeout 100 script -qec '{SHELLS[shell]}' /dev/null </srv/typed"
    *shown, _ = sections(installed.says(command))
    for (line, expected), output in zip(TYPED.items(), shown, strict=True):
        assert expected in output, line


# What is before the cursor, what fish offers.
OFFERED = {
    "crunw state ": "web",
    "crunw --root /srv/other state ": "there",
    "crunw --root=/srv/other --debug state ": "there",
    "crunw --debug sta": "start state",
    "crunw list --format ": "json table",
    "crunw list --format=j": "--format=json",
    "crunw list -f j": "json",
    "crunw --log-level d": "debug",
    "crunw kill web US": "USR1 USR2",
    "crunw kill web USR1 ": "",
    "crunw mounts ": "add remove",
    "crunw mounts add ": "web",
    "crunw run ": "",
    "crunw run --kee": "--keep",
    "crunw exec -u 0 ": "web",
    "crunw exec web --t": "",
    "crunw install pod": "podman",
    "crunw help pau": "pause",
    "crunw plan --bundle /srv/bundles/n": "/srv/bundles/native/",
    "crunw inspect /srv/bundles/wasm/rootfs/a": "/srv/bundles/wasm/rootfs/app.wasm",
}


def test_fish(installed: Host) -> None:
    lines = "".join(f"echo ==\ncomplete --do-complete '{line}'\n" for line in OFFERED)
    (installed.root / "srv/offered").write_text(lines)
    shown = sections(installed.says("fish /srv/offered"))
    for (line, expected), output in zip(OFFERED.items(), shown, strict=True):
        found = [row.split("\t")[0] for row in output.splitlines() if row]
        assert found == expected.split(), line
