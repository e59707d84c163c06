"""
Idle registered TCP flows by the thousand: one connection for each user, as phones have them, and
what each costs the server in memory.
"""

from __future__ import annotations

import resource
import socket
import uuid

from server import Server

# Opened before the first reading, so that what a server spends once is not counted as a flow's.
WARM = 200

REGISTER = (
    "REGISTER sip:example.test SIP/2.0\r\n"
    "Via: SIP/2.0/TCP 127.0.0.1:{port};branch=z9hG4bKflow{number};rport\r\n"
    "Max-Forwards: 70\r\n"
    "From: <sip:flow{number}@example.test>;tag={number}\r\n"
    "To: <sip:flow{number}@example.test>\r\n"
    "Call-ID: flow{number}@benchmark\r\n"
    "CSeq: 1 REGISTER\r\n"
    "Contact: <sip:flow{number}@127.0.0.1:9;transport=tcp>"
    ';+sip.instance="<urn:uuid:{instance}>";reg-id=1\r\n'
    "Expires: 3600\r\n"
    "Supported: outbound, path\r\n"
    "Content-Length: 0\r\n\r\n"
)


def kilobytesPerFlow(server: Server, count: int) -> float:
    """
    Open flows one after the other, register one user over each, and leave them idle.

    @param server: a server that runs, with no other load.
    @param count: how many flows are measured.
    @return: by how many kB of proportional set size each made the server grow.
    """
    opened: list[socket.socket] = []
    try:
        opened += [register(server.port, number) for number in range(WARM)]
        before = server.family.memory()
        opened += [register(server.port, number) for number in range(WARM, WARM + count)]
        return (server.family.memory() - before) / count
    finally:
        for flow in opened:
            flow.close()


def register(port: int, number: int) -> socket.socket:
    """
    @return: a connection over which user C{number} is registered.
    @raise RuntimeError: the answer was not 200.
    """
    flow = socket.create_connection(("127.0.0.1", port), 10.0)
    values = {
        "port": flow.getsockname()[1],
        "number": number,
        "instance": uuid.UUID(int=number | 4 << 76),
    }
    flow.sendall(REGISTER.format(**values).encode())
    answer = b""
    while b"\r\n\r\n" not in answer:
        received = flow.recv(4096)
        answer += received
        if not received:
            break
    if not answer.startswith(b"SIP/2.0 200 "):
        raise RuntimeError(f"flow {number}: {answer[:200]!r}")
    return flow


def raiseLimit(files: int) -> None:
    """
    Let this process, and the servers that it starts, open so many files, as far as the hard limit
    allows.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < files:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(files, hard), hard))
