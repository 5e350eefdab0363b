"""usage: documents.py CHECKOUT OUTPUT-DIRECTORY

Write what belongs to the command line in other places, from what `--help` is made of: manual pages
(``crunw.1``, ``crunw-VERB.1``) and the completions of bash, zsh and fish.
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from crunw.cli.options import Option

FILES = {
    "/run/crunw": "the containers' states",
    "/etc/crunw/crunw.toml": "the node's settings",
    "/var/cache/crunw": "compiled modules and seccomp filters",
}


class Verb(NamedTuple):
    """What `crunw VERB --help` tells."""

    name: str
    summary: str
    usage: str
    about: str
    options: tuple[Option, ...]


def roff(text: str) -> str:
    """Plain text as roff has it."""
    text = text.replace("\\", "\\e").replace("-", "\\-").replace("'", "\\(aq")
    return "\n".join(f"\\&{line}" if line.startswith(".") else line for line in text.split("\n"))


def page(name: str, summary: str, usage: str, sections: list[tuple[str, str]]) -> str:
    """A manual page; the sections' texts are roff."""
    title = name.replace(" ", "-")
    lines = [
        f'.TH {roff(title.upper())} 1 "" "crunw {crunw.__version__}" "User Commands"',
        ".SH NAME",
        f"{roff(title)} \\- {roff(summary)}",
        ".SH SYNOPSIS",
        f".B {roff(name)}",
        roff(usage),
    ]
    for heading, text in sections:
        lines += [f".SH {heading}", text]
    return "\n".join(lines) + "\n"


def options_text(options: tuple[Option, ...]) -> str:
    """A tagged paragraph for each option."""
    lines = []
    for option in options:
        words = [f"\\fB\\-\\-{roff(option.name)}\\fR"]
        if option.short:
            words.insert(0, f"\\fB\\-{option.short}\\fR,")
        if option.value:
            words.append(f"\\fI{roff(option.value)}\\fR")
        lines += [".TP", " ".join(words), roff(option.help)]
    return "\n".join(lines)


def about_text(about: str) -> str:
    """Paragraphs; one whose lines are indented keeps them."""
    paragraphs = []
    for paragraph in about.strip("\n").split("\n\n"):
        text = roff(paragraph)
        paragraphs.append(f".nf\n{text}\n.fi" if paragraph.startswith(" ") else text)
    return "\n.PP\n".join(paragraphs)


def overview(verbs: list[Verb], usage: str, options: tuple[Option, ...]) -> str:
    """The page ``crunw.1``."""
    listed = "\n".join(
        f".TP\n.BR {roff(f'crunw-{verb.name}')} (1)\n{roff(verb.summary)}" for verb in verbs
    )
    sections = [
        (
            "DESCRIPTION",
            roff(
                "An OCI runtime for WebAssembly and Linux containers. A program whose file begins"
                " as a WebAssembly module is run by WasmEdge, any other by the kernel."
            ),
        ),
        ("OPTIONS", options_text(options)),
        ("VERBS", listed),
        (
            "FILES",
            "\n".join(f".TP\n{path}\n{roff(what)}" for path, what in FILES.items()),
        ),
        ("SEE ALSO", ".BR crun (1),\n.BR podman (1)"),
    ]
    return page("crunw", "OCI container runtime for WebAssembly", usage.partition(" ")[2], sections)


def verb_page(verb: Verb) -> str:
    """The page ``crunw-VERB.1``."""
    sections = [("DESCRIPTION", about_text(verb.about))]
    if verb.options:
        sections.append(("OPTIONS", options_text(verb.options)))
    sections.append(("SEE ALSO", ".BR crunw (1)"))
    return page(f"crunw {verb.name}", verb.summary, verb.usage, sections)


def words(options: tuple[Option, ...]) -> str:
    """The options as they are typed."""
    return " ".join(f"--{option.name}" for option in options)


# Verbs whose first argument is a container, from `list`.
TAKES_ID = "delete events exec kill mounts pause ps resume start state update checkpoint".split()


def bash(verbs: list[Verb], options: tuple[Option, ...]) -> str:
    """The completion of bash."""
    cases = "".join(f"    {verb.name}) options='{words(verb.options)}' ;;\n" for verb in verbs)
    return f"""\
# bash completion of crunw
_crunw() {{
    local current=${{COMP_WORDS[COMP_CWORD]}} verb='' word options='{words(options)}'
    for word in "${{COMP_WORDS[@]:1:COMP_CWORD-1}}"; do
        case $word in
        {"|".join(verb.name for verb in verbs)}) verb=$word && break ;;
        esac
    done
    case $verb in
{cases}    esac
    if [[ $current == -* ]]; then
        mapfile -t COMPREPLY < <(compgen -W "$options" -- "$current")
    elif [[ ! $verb ]]; then
        mapfile -t COMPREPLY < <(compgen -W '{" ".join(verb.name for verb in verbs)}' -- "$current")
    elif [[ $verb == install ]]; then
        mapfile -t COMPREPLY < <(compgen -W '{" ".join(ENGINES)}' -- "$current")
    elif [[ $verb =~ ^({"|".join(TAKES_ID)})$ ]]; then
        mapfile -t COMPREPLY < <(compgen -W "$(crunw list --quiet 2>/dev/null)" -- "$current")
    fi
}}
complete -o default -F _crunw crunw
"""


def quoted(text: str) -> str:
    """Text between single quotes, as shells read it."""
    return text.replace("'", "'\\''")


def zsh_options(options: tuple[Option, ...]) -> str:
    """What _arguments takes."""
    specifications = []
    for option in options:
        text = option.help.replace("[", "(").replace("]", ")").replace(":", "\\:")
        value = f":{option.value}:_files" if option.value else ""
        equals = "=" if option.value else ""
        specifications.append(f"'--{option.name}{equals}[{quoted(text)}]{value}'")
    return " ".join(specifications)


def zsh(verbs: list[Verb], options: tuple[Option, ...]) -> str:
    """The completion of zsh."""
    listed = "\n".join(f"        '{verb.name}:{quoted(verb.summary)}'" for verb in verbs)
    cases = "\n".join(
        f"    {verb.name}) _arguments {zsh_options(verb.options)} '*: :_crunw_argument' ;;"
        for verb in verbs
    )
    return f"""\
#compdef crunw
_crunw_argument() {{
    case $verb in
    install) compadd {" ".join(ENGINES)} ;;
    {"|".join(TAKES_ID)}) compadd -- ${{(f)"$(crunw list --quiet 2>/dev/null)"}} ;;
    *) _files ;;
    esac
}}
_crunw() {{
    local state verb
    local -a verbs=(
{listed}
    )
    _arguments -C {zsh_options(options)} '1: :->verb' '*:: :->rest'
    if [[ $state == verb ]]; then
        _describe verb verbs
        return
    fi
    verb=$words[1]
    case $verb in
{cases}
    esac
}}
_crunw "$@"
"""


def fish_options(condition: str, options: tuple[Option, ...]) -> list[str]:
    """A line for each option."""
    return [
        f"complete -c crunw -n '{condition}' -l {option.name}"
        + (f" -s {option.short}" if option.short else "")
        + (" -r" if option.value else "")
        + f" -d '{quoted_for_fish(option.help)}'"
        for option in options
    ]


def quoted_for_fish(text: str) -> str:
    """Text between single quotes, as fish reads it."""
    return text.replace("\\", "\\\\").replace("'", "\\'")


def fish(verbs: list[Verb], options: tuple[Option, ...]) -> str:
    """The completion of fish."""
    lines = ["# fish completion of crunw"]
    lines += fish_options("__fish_use_subcommand", options)
    for verb in verbs:
        summary = quoted_for_fish(verb.summary)
        lines.append(f"complete -c crunw -f -n __fish_use_subcommand -a {verb.name} -d '{summary}'")
        lines += fish_options(f"__fish_seen_subcommand_from {verb.name}", verb.options)
    for arguments, seen in (
        (" ".join(ENGINES), "install"),
        ("(crunw list --quiet 2>/dev/null)", " ".join(TAKES_ID)),
    ):
        lines.append(
            f"complete -c crunw -f -n '__fish_seen_subcommand_from {seen}' -a '{arguments}'"
        )
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.path.insert(0, sys.argv[1])
    sys.dont_write_bytecode = True
    import crunw
    from crunw.cli.main import GLOBALS, USAGE, VERBS
    from crunw.cli.options import Option
    from crunw.setup.engines import ENGINES

    HELP = Option("help", "print this help", short="h")
    all_verbs = []
    for name, summary in VERBS.items():
        module = importlib.import_module(f"crunw.cli.{name}")
        all_verbs.append(Verb(name, summary, module.USAGE, module.ABOUT, (*module.OPTIONS, HELP)))
    output = Path(sys.argv[2])
    output.mkdir(parents=True, exist_ok=True)
    (output / "crunw.1").write_text(overview(all_verbs, USAGE, GLOBALS))
    for one in all_verbs:
        (output / f"crunw-{one.name}.1").write_text(verb_page(one))
    (output / "crunw.bash").write_text(bash(all_verbs, GLOBALS))
    (output / "_crunw").write_text(zsh(all_verbs, GLOBALS))
    (output / "crunw.fish").write_text(fish(all_verbs, GLOBALS))
