"""The completions of bash, zsh and fish: their scripts in ``completions``, with tables put in.

What can be completed has a kind: ``=a b`` (one of these words), ``container``, ``signal``,
``directory``, ``file``, ``other`` (nothing that is known).
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from crunw.lifecycle.kill import SIGNALS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from verb import Verb

    from crunw.cli.options import Option

_SCRIPTS = Path(__file__).parent / "completions"

_OPTION_KINDS = {"DIR": "directory", "FILE": "file", "PATH": "file"}
_ARGUMENT_KINDS = {"ID": "container", "SIGNAL": "signal", "FILE": "file", "MODULE": "file"}
# Verbs whose ID is that of no container yet.
_NEW = ("create", "restore", "run")


def files(program: Verb, verbs: list[Verb]) -> dict[str, str]:
    """File name → completion."""
    tables = {
        "crunw.bash": _bash(program, verbs),
        "_crunw": _zsh(program, verbs),
        "crunw.fish": _fish(program, verbs),
    }
    return {name: _filled(name, lines) for name, lines in tables.items()}


def _filled(name: str, tables: dict[str, Iterable[str]]) -> str:
    """A script, in which each line ``@NAME@`` is replaced by lines as much indented."""
    lines = []
    for line in (_SCRIPTS / name).read_text(encoding="utf-8").splitlines():
        word = line.strip()
        if word.startswith("@") and word.endswith("@"):
            indent = line[: line.index("@")]
            lines += [f"{indent}{entry}" for entry in tables[word.strip("@")]]
        else:
            lines.append(line)
    return "\n".join(lines) + "\n"


def _option_kind(option: Option) -> str:
    """Nothing for a switch."""
    if option.choices:
        return "=" + " ".join(option.choices)
    return _OPTION_KINDS.get(option.value, "other") if option.value else ""


def _argument_kinds(verb: Verb) -> list[tuple[str, bool]]:
    """The kind of each argument, and whether it is one of several of this kind."""
    kinds = []
    for word in verb.arguments():
        name = word.rstrip("…")
        if "|" in name:
            kind = "=" + name.replace("|", " ")
        elif name == "ID" and verb.name in _NEW:
            kind = "other"
        elif name == "ARGUMENT" and verb.interspersed:
            kind = "file"
        else:
            kind = _ARGUMENT_KINDS.get(name, "other")
        kinds.append((kind, word.endswith("…")))
    return kinds


def _words(option: Option) -> list[str]:
    return [f"--{option.name}", *([f"-{option.short}"] if option.short else [])]


def _quoted(text: str) -> str:
    """A word as bash and zsh read it."""
    return "'" + text.replace("'", "'\\''") + "'"


def _bash(program: Verb, verbs: list[Verb]) -> dict[str, Iterable[str]]:
    exact: dict[str, list[str]] = {"=" + " ".join(verb.name for verb in verbs): [":1", "help:1"]}
    later: dict[str, list[str]] = {}  # of the arguments after those that have a number
    for verb in (program, *verbs):
        for option in verb.options:
            if kind := _option_kind(option):
                exact.setdefault(kind, []).extend(f"{verb.name}:{w}" for w in _words(option))
    for verb in verbs:
        for number, (kind, several) in enumerate(_argument_kinds(verb), 1):
            which, place = (later, "[1-9]*") if several else (exact, str(number))
            which.setdefault(kind, []).append(f"{verb.name}:{place}")
    return {
        "kinds": [
            f"{' | '.join(places)}) kind='{kind}' ;;"
            for kind, places in (*exact.items(), *later.items())
        ],
        "options": [
            f"{verb.name or _quoted('')}) echo '{_all_words(verb)}' ;;"
            for verb in (program, *verbs)
        ],
        "signals": [f"signals='{' '.join(SIGNALS)}'"],
        "commands": [f"{'|'.join(v.name for v in verbs if not v.interspersed)}) commands=1 ;;"],
    }


def _all_words(verb: Verb) -> str:
    return " ".join(f"--{option.name}" for option in verb.options)


_ZSH_ACTIONS = {
    "container": "_crunw_containers",
    "signal": f"({' '.join(SIGNALS)})",
    "directory": "_directories",
    "file": "_files",
    "other": " ",
}


def _zsh_action(kind: str) -> str:
    return f"({kind[1:]})" if kind.startswith("=") else _ZSH_ACTIONS[kind]


def _zsh_option(option: Option) -> str:
    """What ``_arguments`` takes."""
    about = option.help
    for letter in "\\[]:":
        about = about.replace(letter, f"\\{letter}")
    names = _words(option)
    kind = _option_kind(option)
    value = f":{option.value.replace(':', chr(92) + ':')}:{_zsh_action(kind)}" if kind else ""
    specifications = []
    for name in names:
        before = "*" if option.many else f"({' '.join(names)})" if len(names) > 1 else ""
        equals = ("=" if name.startswith("--") else "+") if kind else ""
        specifications.append(_quoted(f"{before}{name}{equals}[{about}]{value}"))
    return " ".join(specifications)


def _zsh_arguments(verb: Verb) -> Iterable[str]:
    for number, (word, (kind, several)) in enumerate(
        zip(verb.arguments(), _argument_kinds(verb), strict=True), 1
    ):
        name = word.rstrip("…").lower()
        name = "what" if "|" in name else name
        yield _quoted(f"{'*' if several else number}:{name}:{_zsh_action(kind)}")


def _zsh(program: Verb, verbs: list[Verb]) -> dict[str, Iterable[str]]:
    cases = []
    for verb in verbs:
        command = "_arguments -s -S" + ("" if verb.interspersed else " -A '-*'")
        specifications = [*map(_zsh_option, verb.options), *_zsh_arguments(verb)]
        cases += [
            f"{verb.name})",
            f"    {command} \\",
            *(f"        {specification} \\" for specification in specifications[:-1]),
            f"        {specifications[-1]} && found=0 ;;",
        ]
    return {
        "verbs": [_quoted(f"{verb.name}:{verb.summary}") for verb in verbs],
        "options": [f"{_zsh_option(option)} \\" for option in program.options],
        "cases": cases,
    }


_FISH_VALUES = {
    "container": "-f -a '(__crunw_containers)'",
    "signal": f"-f -a '{' '.join(SIGNALS)}'",
    "directory": "-f -a '(__fish_complete_directories)'",
    "file": "-F",
    "other": "-f",
}


def _fish_value(kind: str) -> str:
    return f"-f -a '{kind[1:]}'" if kind.startswith("=") else _FISH_VALUES[kind]


def _fish_quoted(text: str) -> str:
    """A word as fish reads it."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _fish(program: Verb, verbs: list[Verb]) -> dict[str, Iterable[str]]:
    with_value = [
        f"'{verb.name}:{word}'"
        for verb in (program, *verbs)
        for option in verb.options
        if option.value
        for word in _words(option)
    ]
    lines = list(_fish_options(program))
    for verb in verbs:
        lines += [
            f"complete -c crunw -n '__crunw_at {before} 1' -f -a {verb.name}"
            f" -d {_fish_quoted(verb.summary)}"
            for before in ('""', "help")
        ]
        lines += _fish_options(verb)
        for number, (kind, several) in enumerate(_argument_kinds(verb), 1):
            place = f"{verb.name} {number}{' more' * several}"
            lines.append(f"complete -c crunw -n '__crunw_at {place}' {_fish_value(kind)}")
    return {
        "values": [f"case {' '.join(with_value)}"],
        "commands": [f"case {' '.join(v.name for v in verbs if not v.interspersed)}"],
        "completions": lines,
    }


def _fish_options(verb: Verb) -> Iterable[str]:
    for option in verb.options:
        kind = _option_kind(option)
        short = f" -s {option.short}" if option.short else ""
        value = f" -r {_fish_value(kind)}" if kind else ""
        condition = f"__crunw_verb {verb.name}" if verb.name else '__crunw_at "" 1'
        yield (
            f"complete -c crunw -n '{condition}' -l {option.name}{short}{value}"
            f" -d {_fish_quoted(option.help)}"
        )
