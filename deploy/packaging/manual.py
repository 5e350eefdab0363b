"""The manual pages of the program and of its verbs, in the language of man(7)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from verb import Verb

    from crunw.cli.options import Option

    Section = tuple[str, str]  # heading, text in roff

_ESCAPES = str.maketrans({"\\": "\\e", "-": "\\-", "'": "\\(aq", "~": "\\(ti", "^": "\\(ha"})

# Verbs that have to do with each other.
_GROUPS = [
    set(words.split())
    for words in (
        "create start state kill delete run exec list",
        "run plan spec mounts",
        "list ps events top update pause resume",
        "checkpoint restore",
        "compile inspect cache",
        "install doctor features",
    )
]

_STATE = (
    "create start state kill delete run exec list ps events top update pause resume mounts "
    "checkpoint restore"
)
# Path: what it is, and the verbs that have to do with it.
_FILES = {
    "config.json": ("the container, in its bundle's directory", "create run restore plan spec"),
    "checkpoint": (
        "the images of a container, unless --image-path names another directory",
        "checkpoint restore",
    ),
    "/run/crunw": ("the containers' states, unless --root names another directory", _STATE),
    "$XDG_RUNTIME_DIR/crunw": ("the same of an ordinary user", _STATE),
    "/etc/crunw/crunw.toml": ("the node's settings", "create run exec cache doctor"),
    "/var/cache/crunw": ("compiled modules and seccomp filters", "create run exec cache doctor"),
    "/etc/crio, /etc/containerd, /etc/containers, /etc/docker": (
        "the engines' configurations",
        "install doctor",
    ),
}

_SUCCESS = [("0", "Success."), ("1", "An error, in one line on standard error.")]
_STATUS = {
    "run": [
        ("0", "With --detach: the program has been started."),
        ("1", "The container could not be started."),
        ("N", "The program has ended with this status."),
        ("128 + N", "Signal N has ended it."),
    ],
    "exec": [
        ("0", "With --detach: the program has been started."),
        ("255", "The program could not be started."),
        ("N", "The program has ended with this status."),
        ("128 + N", "Signal N has ended it."),
    ],
    "doctor": [("0", "Nothing is broken."), ("1", "Something is broken, or could not be checked.")],
    "cache": [("0", "Success."), ("1", "An error, or an entry that verify has found damaged.")],
    "compile": [("0", "Success."), ("1", "A module could not be compiled.")],
}
_STATUS["restore"] = _STATUS["run"]
_OF_ALL = [*_SUCCESS, ("128 + N", "Signal N has ended crunw before it was done.")]

_DESCRIPTION = """\
crunw creates, runs and controls containers as the runtime specification of the Open Container \
Initiative has it. A program that begins as a WebAssembly module is run by WasmEdge, a component \
by wasmtime, any other program by the kernel, each within the container's namespaces, cgroups, \
capabilities and seccomp filter.

Most containers are started by an engine: podman(1), CRI-O, containerd(8) or Docker, after \
crunw-install(1)."""


def pages(program: Verb, verbs: list[Verb], version: str) -> dict[str, str]:
    """File name → page of each verb and of the program."""
    found = {"crunw.1": _overview(program, verbs, version)}
    names = [verb.name for verb in verbs]
    for verb in verbs:
        found[f"crunw-{verb.name}.1"] = _verb_page(verb, names, version)
    return found


def _overview(program: Verb, verbs: list[Verb], version: str) -> str:
    listed = [(f"\\fBcrunw\\-{_roff(verb.name)}\\fR(1)", verb.summary) for verb in verbs]
    engines = ("containerd(8)", "crio(8)", "crun(1)", "podman(1)", "runc(8)")
    sections = [
        ("DESCRIPTION", _text(_DESCRIPTION)),
        ("OPTIONS", _options(program.options)),
        ("VERBS", _tagged(listed)),
        ("EXIT STATUS", _tagged([(_bold(code), what) for code, what in _OF_ALL])),
        (
            "FILES",
            _tagged([(f"\\fI{_roff(path)}\\fR", what) for path, (what, _) in _FILES.items()]),
        ),
        ("SEE ALSO", _see([f"crunw-{verb.name}(1)" for verb in verbs] + [*engines])),
    ]
    return _page("crunw", program.summary, _usage(program), sections, version)


def _verb_page(verb: Verb, verbs: list[str], version: str) -> str:
    status = _STATUS.get(verb.name, _SUCCESS)
    files = [
        (f"\\fI{_roff(path)}\\fR", what)
        for path, (what, users) in _FILES.items()
        if verb.name in users.split()
    ]
    related = {name for group in _GROUPS if verb.name in group for name in group if name in verbs}
    others = [f"crunw-{name}(1)" for name in sorted(related - {verb.name})]
    general = "crunw(1) describes the options before the verb."
    sections = [
        ("DESCRIPTION", _text(verb.about)),
        ("OPTIONS", f"{_options(verb.options)}\n.PP\n{_text(general)}"),
        ("EXIT STATUS", _tagged([(_bold(code), what) for code, what in status])),
        *([("FILES", _tagged(files))] if files else []),
        ("SEE ALSO", _see(["crunw(1)", *others])),
    ]
    return _page(f"crunw-{verb.name}", verb.summary, _usage(verb), sections, version)


def _page(name: str, summary: str, usage: str, sections: list[Section], version: str) -> str:
    lines = [
        f'.TH {_roff(name.upper())} 1 "" "crunw {version}" "User Commands"',
        ".nh",
        ".ad l",
        ".SH NAME",
        f"{_roff(name)} \\- {_roff(summary)}",
        ".SH SYNOPSIS",
        usage,
    ]
    for heading, text in sections:
        lines += [f".SH {heading}", text]
    return "\n".join(lines) + "\n"


def _usage(verb: Verb) -> str:
    """The program and the verb bold, what a user puts in italic."""
    words = re.sub(r"[A-Z]+(-[A-Z]+)*", lambda found: f"\\fI{found[0]}\\fR", verb.usage)
    before = (
        f"\\fBcrunw\\fR [\\fIOPTION\\fR…] \\fB{verb.name}\\fR" if verb.name else "\\fBcrunw\\fR"
    )
    return f"{before} {words}".replace("-", "\\-").replace("|", "\\:|").rstrip()


def _options(options: tuple[Option, ...]) -> str:
    """A tagged paragraph for each one."""
    rows = []
    for option in options:
        words = ", ".join(
            _bold(word)
            for word in (option.short and f"-{option.short}", f"--{option.name}")
            if word
        )
        rows.append(
            (f"{words} \\fI{_roff(option.value)}\\fR" if option.value else words, option.help)
        )
    return _tagged(rows)


def _tagged(rows: list[tuple[str, str]]) -> str:
    """Paragraphs with a tag, which is roff."""
    return "\n".join(f".TP\n{tag}\n{_roff(text)}" for tag, text in rows)


def _text(text: str) -> str:
    """Paragraphs; one whose lines are indented keeps them."""
    paragraphs = []
    for paragraph in text.strip("\n").split("\n\n"):
        lines = _references(_roff(paragraph))
        paragraphs.append(f".nf\n{lines}\n.fi" if paragraph.startswith(" ") else lines)
    return "\n.PP\n".join(paragraphs)


def _references(text: str) -> str:
    """Pages that are named, as ``crunw(1)``, with bold names."""
    return re.sub(r"([a-z][a-z\\-]*)(?=\([1-8]\))", r"\\fB\1\\fR", text)


def _see(pages: list[str]) -> str:
    return ",\n".join(_references(_roff(page)) for page in sorted(pages))


def _bold(text: str) -> str:
    return f"\\fB{_roff(text)}\\fR"


def _roff(text: str) -> str:
    """Plain text as roff has it; what is between backquotes is bold."""
    text = re.sub("`([^`]*)`", r"\\fB\1\\fR", text.translate(_ESCAPES))
    return "\n".join(f"\\&{line}" if line.startswith(".") else line for line in text.split("\n"))
