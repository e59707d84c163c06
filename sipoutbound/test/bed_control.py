"""
Controls a baresip from the network that it is in: a program between its control port (module
ctrl_tcp: JSON in netstrings) and pipes (one JSON value a line).

Run it as C{python -m sipoutbound.test.bed_control PORT}.
"""

from __future__ import annotations

import socket
import sys
import threading
import time
from collections.abc import Iterator
from typing import BinaryIO

# How long baresip may take to open its control port, in seconds.
PATIENCE = 10.0


def main() -> None:
    """
    Connect, then carry both ways until either end closes.
    """
    connection = connect(int(sys.argv[1]))
    print("connected", flush=True)
    threading.Thread(target=forward, args=(sys.stdin.buffer, connection), daemon=True).start()
    for value in netstrings(connection.makefile("rb")):
        print(value.decode(errors="replace").replace("\n", " "), flush=True)


def connect(port: int) -> socket.socket:
    """
    @return: a connection to the control port, which may not be open yet.
    @raise OSError: it is not opened in time.
    """
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            return socket.create_connection(("127.0.0.1", port))
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)


def forward(lines: BinaryIO, connection: socket.socket) -> None:
    """
    Send each line as a netstring.
    """
    for line in lines:
        value = line.strip()
        connection.sendall(b"%d:%s," % (len(value), value))


def netstrings(stream: BinaryIO) -> Iterator[bytes]:
    """
    @return: the values that come, until the stream ends.
    """
    length = b""
    while octet := stream.read(1):
        if octet != b":":
            length += octet
            continue
        yield stream.read(int(length))
        stream.read(1)
        length = b""


if __name__ == "__main__":
    main()
