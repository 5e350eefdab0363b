"""Command-line options as data: importing ``argparse`` would double the time of a ``state``."""

from __future__ import annotations

from crunw.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

# Of a switch, as Go's parsers know them.
_TRUE = ("true", "1", "t", "T", "TRUE", "True")
_FALSE = ("false", "0", "f", "F", "FALSE", "False")
_MOST_DIGITS = 18  # of a number that is one; the interpreter takes a while for a million of them


class Option:
    """``--name`` (and ``-short``). ``value`` names its argument in the help, ``""``: a switch.

    ``many``: may be given repeatedly; the values make a list. ``choices``: what the value may be,
    anything if there are none.
    """

    __slots__ = ("choices", "help", "many", "name", "short", "value")

    def __init__(
        self,
        name: str,
        help: str,
        value: str = "",
        short: str = "",
        *,
        many: bool = False,
        choices: Iterable[str] = (),
    ) -> None:
        self.name = name
        self.help = help
        self.value = value
        self.short = short
        self.many = many
        self.choices = (*choices,)


class Parsed:
    """The result: text by option name, and what is not an option."""

    __slots__ = ("_values", "arguments")

    def __init__(self) -> None:
        self._values: dict[str, list[str]] = {}
        self.arguments: list[str] = []

    def add(self, name: str, value: str) -> None:
        """Note that ``--name`` was given."""
        self._values.setdefault(name, []).append(value)

    def text(self, name: str, default: str = "") -> str:
        """The value given last."""
        return self._values[name][-1] if name in self._values else default

    def texts(self, name: str) -> list[str]:
        """All values of a repeatable option."""
        return self._values.get(name, [])

    def flag(self, name: str) -> bool:
        """Whether the switch was given (``--name=false``: no)."""
        return name in self._values and self._values[name][-1] not in _FALSE

    def number(self, name: str, default: int = 0) -> int:
        """The value as a non-negative integer. Raises :class:`UsageError`."""
        if name not in self._values:
            return default
        text = self.text(name)
        digits = text.removeprefix("+")
        if not digits.isdecimal() or len(digits) > _MOST_DIGITS:
            raise UsageError(f"--{name}: {text!r} is not a number")
        return int(digits)


def parse(options: Sequence[Option], words: list[str], *, interspersed: bool) -> Parsed:
    """Sort ``words`` into options and arguments, as Go's and GNU's parsers both accept them:
    ``--name value``, ``--name=value``, ``-n value``, ``-nvalue``, ``--`` ends the options. Where it
    is not that, ``-name`` is ``--name``, as containerd's shim says it to runc.

    Without ``interspersed`` the first argument ends them too. Raises :class:`UsageError`.
    """
    by_word = {f"--{option.name}": option for option in options}
    by_word.update({f"-{option.short}": option for option in options if option.short})
    parsed = Parsed()
    rest = list(reversed(words))
    while rest:
        word = rest.pop()
        if word == "--":
            parsed.arguments += reversed(rest)
            break
        if not word.startswith("-") or word == "-":
            parsed.arguments.append(word)
            if not interspersed:
                parsed.arguments += reversed(rest)
                break
            continue
        name, equals, value = word.partition("=")
        option = by_word.get(name)
        if option is None and word[1] != "-":
            option, name, equals, value = _short(word, by_word)
        if option is None and (letters := _bundled(word, by_word)):
            rest += reversed(letters)
            continue
        if option is None:
            hint = suggestion(name, by_word)
            raise UsageError(f"unknown option {name}; {hint}see --help")
        if option.value and not equals:
            if not rest:
                raise UsageError(f"{name} requires an argument: {option.value}")
            value = rest.pop()
        parsed.add(option.name, value if option.value or equals else "true")
    return parsed


def check(options: Sequence[Option], parsed: Parsed) -> None:
    """Raise :class:`UsageError` for a value that is not one of its option's choices."""
    for option in options:
        for text in () if option.value else parsed.texts(option.name):
            if text not in _TRUE + _FALSE:
                raise UsageError(f"--{option.name}: {text!r} is neither true nor false")
        for text in parsed.texts(option.name) if option.choices else ():
            if text not in option.choices:
                raise UsageError(f"--{option.name}: {text!r} {_none_of(option.choices)}")


def _none_of(choices: Sequence[str]) -> str:
    if len(choices) == 2:
        return f"is neither {choices[0]} nor {choices[1]}"
    return f"is none of {', '.join(choices)}" if len(choices) > 1 else f"is not {choices[0]}"


def _short(word: str, by_word: dict[str, Option]) -> tuple[Option | None, str, str, str]:
    """``-nvalue``, or ``-name`` for ``--name``: the option, its name, "=" and the value."""
    option = by_word.get(word[:2])
    if option and option.value:
        return option, word[:2], "=", word[2:]
    name, equals, value = word.partition("=")
    return by_word.get(f"-{name}"), name, equals, value


def _bundled(word: str, by_word: dict[str, Option]) -> list[str]:
    """``-it`` as ``-i``, ``-t``; the last letter may take a value. Nothing if it is not that."""
    letters = [f"-{letter}" for letter in word[1:]]
    if word[1] == "-" or any(letter not in by_word for letter in letters):
        return []
    return [] if any(by_word[letter].value for letter in letters[:-1]) else letters


def suggestion(word: str, known: Iterable[str]) -> str:
    """``did you mean …? `` for a word that is like a known one, else nothing."""
    from difflib import get_close_matches

    long = [name for name in known if name[:1] != "-" or name[:2] == "--"]
    close = get_close_matches(word, long, n=1)
    return f"did you mean {close[0]}? " if close else ""


def help_text(usage: str, about: str, options: Sequence[Option]) -> str:
    """The text of ``--help``."""
    rows = []
    for option in options:
        short = f"-{option.short}, " if option.short else "    "
        rows.append((f"{short}--{option.name} {option.value}".rstrip(), option.help))
    width = max((len(left) for left, _ in rows), default=0)
    lines = [f"usage: {usage}", "", about]
    if rows:
        lines += ["", "options:", *(f"  {left:<{width}}  {right}" for left, right in rows)]
    return "\n".join(lines) + "\n"
