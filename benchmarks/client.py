"""Ask a web server again and again, one request after the other: ``client.py ADDRESS COUNT``.

Prints when each answer was there, as a JSON list of seconds of the clock CLOCK_MONOTONIC. Waits
for the server to be there.
"""

from __future__ import annotations

import json
import socket
import sys
import time

_PORT = 1234
_PATIENCE = 300  # s
_AGAIN = 0.005  # s
_REQUEST = b"GET / HTTP/1.1\r\n\r\n"


def main() -> None:
    """Do it."""
    address, count = sys.argv[1], int(sys.argv[2])
    end = time.monotonic() + _PATIENCE
    print(json.dumps([_answer(address, end) for _ in range(count)]))


def _answer(address: str, end: float) -> float:
    with _connected(address, end) as connection:
        connection.sendall(_REQUEST)
        answer = b""
        while part := connection.recv(4096):
            answer += part
    if not answer.startswith(b"HTTP/1.1 200 "):
        raise RuntimeError(f"{address} has answered {answer!r}")
    return time.monotonic()


def _connected(address: str, end: float) -> socket.socket:
    while True:
        try:
            return socket.create_connection((address, _PORT), _PATIENCE)
        except OSError:  # nothing listens there yet
            if time.monotonic() > end:
                raise
            time.sleep(_AGAIN)


if __name__ == "__main__":
    main()
