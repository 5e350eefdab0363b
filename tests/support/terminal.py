"""A command on a terminal."""

from __future__ import annotations

import os
import re
import select
import signal
import subprocess
import termios
import time

from support.commands import PATIENCE, wait_for


class Session:
    """A command on a terminal of which the test holds the master."""

    def __init__(self, command: list[str], environment: dict[str, str]) -> None:
        self.master, slave = os.openpty()
        streams = {"stdin": slave, "stdout": slave, "stderr": slave}
        self.process = subprocess.Popen(command, env=environment, **streams)
        os.close(slave)
        self.text = ""

    def expect(self, pattern: str) -> None:
        deadline = time.monotonic() + PATIENCE
        while not (match := re.search(pattern, self.text)):
            ready, _, _ = select.select([self.master], [], [], deadline - time.monotonic())
            assert ready, f"{pattern!r} is not in {self.text!r}"
            self.text += os.read(self.master, 65536).decode()
        self.text = self.text[match.end() :]

    def rest(self) -> str:
        """What is still written until the terminal's other side is closed."""
        try:
            while data := os.read(self.master, 65536):
                self.text += data.decode()
        except OSError:
            pass  # EIO: it is closed
        return self.text

    def resize(self, rows: int, columns: int) -> None:
        """As a terminal does for the processes in its foreground."""
        termios.tcsetwinsize(self.master, (rows, columns))
        self.process.send_signal(signal.SIGWINCH)

    def type(self, text: str) -> None:
        """Once the command has made the terminal raw: until then it is this one that echoes."""
        wait_for(lambda: not termios.tcgetattr(self.master)[3] & termios.ECHO, "a raw terminal")
        os.write(self.master, text.encode())

    def detach(self) -> int:
        """One key: of a sequence, podman takes what it reads together for a paste."""
        self.type("\x11")
        return self.end()

    def end(self) -> int:
        status = self.process.wait(PATIENCE)
        os.close(self.master)
        return status
