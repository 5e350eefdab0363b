"""Inputs made out of others: bytes, and documents of JSON with values and members exchanged."""

from __future__ import annotations

import json
import random
from typing import Any

NUMBERS = [0, 1, -1, 7, 255, 65536, 2**31 - 1, 2**31, 2**32 - 1, 2**32, 2**63 - 1, 2**63, 2**64]
TEXTS = [
    "", "/", ".", "..", "//", "a", "/a/../b", "/proc", "/dev/null", "-", ":", "=", "a=b", "a:b:c",
    "0", "-1", "0-3", "4294967296", "\0", "\n", "é", "\ud800", "\U0001f600", "%s", "a" * 300,
    "a/" * 2100, "rw", "ro", "bind", "rbind", "remount", "tmpcopyup", "idmap", "size=1m",
    "uid=1", "mode=01777", "proc", "tmpfs", "cgroup", "overlay", "lowerdir=/a:/b", "\0asm",
]  # fmt: skip
TOKENS = [b"\x00", b"\xff", b"\x80", b"\n", b" ", b":", b"/", b'"', b"\\", b"{", b"[", b",", b"-",
          b"1e999", b"null", b"true", b"\\u0000", b"\\ud800", b" - ", b"\\040", b"\xed\xa0\x80",
          b"\xff" * 10, b"[" * 200]  # fmt: skip


class Mutator:
    """Always the same for a seed. ``others``: the inputs that parts are taken from."""

    def __init__(self, seed: str, others: list[bytes]) -> None:
        self.random = random.Random(seed)  # noqa: S311  (what is wanted is the same each time)
        self.others = others

    def data(self, data: bytes) -> bytes:
        """Change a few bytes, put some in, take some out, exchange a part."""
        made = bytearray(data)
        for _ in range(self.random.choice([1, 1, 2, 4, 8])):
            start = self.random.randint(0, len(made))
            end = min(len(made), start + self.random.choice([0, 0, 1, 2, 8, 64]))
            other = self.random.choice(self.others)
            cut = self.random.randint(0, len(other))
            made[start:end] = self.random.choice(
                [b"", self.random.choice(TOKENS), self.random.randbytes(end - start or 1),
                 other[cut : cut + self.random.randint(0, 64)], made[start:end] * 2]
            )  # fmt: skip
        return bytes(made)

    def document(self, data: bytes) -> bytes:
        """Exchange values and members of a document; what is none is changed as bytes are."""
        try:
            document = json.loads(data)
        except (ValueError, RecursionError):
            return self.data(data)
        if self.random.random() < 0.05:
            return self.data(data)
        for _ in range(self.random.choice([1, 1, 1, 2, 4])):
            document = self._changed(document)
        return json.dumps(document).encode()

    def _changed(self, document: Any) -> Any:
        places = list(containers(document))
        if not places:
            return self._value(document)
        place = self.random.choice(places)
        keys = list(place) if isinstance(place, dict) else list(range(len(place)))
        key = self.random.choice(keys) if keys else None
        what = self.random.random()
        if key is None or what < 0.2:
            self._add(place)
        elif what < 0.3:
            del place[key]
        else:
            place[key] = self._value(place[key])
        return document

    def _add(self, place: Any) -> None:
        """Give it a member or an element that another document has in such a place."""
        other = self._foreign()
        if isinstance(place, list):
            added = self.random.choice(place) if place and self.random.random() < 0.5 else other
            place.insert(self.random.randint(0, len(place)), json.loads(json.dumps(added)))
        elif isinstance(other, dict) and other:
            name = self.random.choice(list(other))
            place[name] = other[name]
        else:
            place[self.random.choice(TEXTS)] = other

    def _foreign(self) -> Any:
        """A part of another document."""
        try:
            places = list(containers(json.loads(self.random.choice(self.others))))
        except (ValueError, RecursionError):
            return {}
        return self.random.choice(places) if places else {}

    def _value(self, value: Any) -> Any:
        """Mostly one of the same type, which gets further."""
        choose = self.random.choice
        same = self.random.random() < 0.9
        if isinstance(value, str) and same:
            cut = self.random.randint(0, len(value))
            changed = [value[:cut], value[:cut] + choose(TEXTS) + value[cut:], value * 2]
            return choose([*changed, *[choose(TEXTS) for _ in changed]])
        if isinstance(value, bool) and same:
            return not value
        if isinstance(value, int) and same:
            return choose([value + choose([-1, 1, 2**31, 2**32, -(2**63)]), choose(NUMBERS)])
        kinds = [choose(NUMBERS), choose(TEXTS), True, False, None, [], {}, 1.5, self._foreign()]
        return choose([choose(NUMBERS), choose(TEXTS), choose(kinds)])


def containers(document: Any) -> Any:
    """Each object and array of a document, itself first."""
    if isinstance(document, dict | list):
        yield document
        for value in document.values() if isinstance(document, dict) else document:
            yield from containers(value)
