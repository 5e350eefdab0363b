"""A change of a configuration file: shown as a diff, made at once or not at all."""

from __future__ import annotations

import difflib
import json
import os
import tempfile
from contextlib import suppress
from typing import Any, NamedTuple

from crunw import directories
from crunw.errors import CrunwError, KernelError


class Change(NamedTuple):
    """What a file holds and is to hold; None: it is not there.

    A new file gets mode and owner of the file ``like``, if there is that.
    """

    path: str
    before: str | None
    after: str | None
    like: str = ""

    def diff(self) -> str:
        """The change as a unified diff; ``""``: there is none."""
        old, new = self.before or "", self.after or ""
        old_name = "/dev/null" if self.before is None else self.path
        new_name = "/dev/null" if self.after is None else self.path
        lines = difflib.unified_diff(
            old.splitlines(), new.splitlines(), old_name, new_name, lineterm=""
        )
        return "".join(f"{line}\n" for line in lines)

    def apply(self) -> None:
        """Make the change, keeping the file's mode and owner. Raises :class:`KernelError`."""
        if self.after == self.before:
            return
        try:
            if self.after is None:
                os.unlink(self.path)
            else:
                _replace(os.path.realpath(self.path), self.after, self.like)
        except OSError as error:
            raise KernelError("write", self.path, error) from None


def read(path: str) -> str | None:
    """The text of a file; None when there is no such file. Raises :class:`CrunwError`."""
    try:
        with open(path, encoding="utf-8", newline="") as file:
            return file.read()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise KernelError("read", path, error) from None
    except UnicodeDecodeError:
        raise CrunwError(f"{path}: is not UTF-8 text") from None


def parse_json(path: str, text: str | None) -> Any:
    """The settings of a file's text. Raises :class:`CrunwError`, which names ``path``."""
    try:
        settings = json.loads(text) if text and text.strip() else {}
        json.dumps(settings, ensure_ascii=False).encode()  # "\\ud800" can be read, not written
    except RecursionError:
        raise CrunwError(f"{path}: is not valid JSON: nested too deep") from None
    except ValueError as error:  # of the interpreter's limits, too
        raise CrunwError(f"{path}: is not valid JSON: {error}") from None
    return settings


def _replace(path: str, text: str, like: str) -> None:
    directory = os.path.dirname(path)
    directories.create(directory, directories.SHARED)
    descriptor, temporary = tempfile.mkstemp(dir=directory, prefix=f".{os.path.basename(path)}.")
    try:
        with open(descriptor, "w", encoding="utf-8", newline="") as file:
            file.write(text)
            _copy_attributes(path if os.path.exists(path) else like, file.fileno())
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError:
        with suppress(OSError):
            os.unlink(temporary)
        raise


def _copy_attributes(path: str, descriptor: int) -> None:
    """Mode and owner of the file at ``path``, or those of a new file that everyone may read."""
    try:
        status = os.stat(path)
    except FileNotFoundError:
        os.fchmod(descriptor, 0o644)
        return
    os.fchown(descriptor, status.st_uid, status.st_gid)
    os.fchmod(descriptor, status.st_mode & 0o7777)
