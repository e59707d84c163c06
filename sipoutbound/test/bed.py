"""
The ground on which real SIP programs meet the real server: what is installed, ports, and a private
network in which nobody can dial a client.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from collections.abc import Sequence
from pathlib import Path

from attrs import define, field

# A plain user's search path may lack the folders in which ip, ss and kamailio are.
SEARCH = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"

# The TCP ports at which clients listen in a L{Namespace}; each client takes some of them.
CLIENT_PORTS = range(17100, 17200)

LOOPBACK = "127.0.0.1"


def environment() -> dict[str, str]:
    """
    @return: the environment for a program: this checkout first among Python's modules.
    """
    root = str(Path(__file__).resolve().parents[2])
    paths = [root, *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "PATH": SEARCH}


def missing(**packages: str) -> str | None:
    """
    @param packages: programs, and the Debian package that each comes in.
    @return: why a test must be skipped, C{None} when all programs are there.
    """
    for program, package in packages.items():
        if shutil.which(program, path=SEARCH) is None:
            return f"{program} is missing: install {package}"
    return None


def freePorts(count: int) -> list[int]:
    """
    @return: ports of 127.0.0.1 that are free for UDP and TCP now, all different.
    """
    found: list[int] = []
    kept: list[socket.socket] = []
    while len(found) < count:
        tcp, udp = socket.socket(), socket.socket(type=socket.SOCK_DGRAM)
        kept += [tcp, udp]
        tcp.bind((LOOPBACK, 0))
        port = tcp.getsockname()[1]
        try:
            udp.bind((LOOPBACK, port))
        except OSError:
            continue
        found.append(port)
    for each in kept:
        each.close()
    return found


@define(eq=False)
class Loopback:
    """
    The machine's own loopback: what every user may use, and where clients can be dialled.
    """

    def command(self, argv: Sequence[str]) -> list[str]:
        """
        @param argv: a program and its arguments.
        @return: how to run it here.
        """
        return list(argv)


@define(eq=False)
class Namespace(Loopback):
    """
    A network of its own with nothing but a loopback, in which a TCP connection to one of
    L{CLIENT_PORTS} is refused at once: a client is reached over the connections that it made, or
    not at all. On UDP there is nothing to forbid, since there a client's port is its flow.

    @ivar name: what ip-netns(8) calls it; unique among test runs.
    """

    name: str = field(factory=lambda: f"sipoutbound-{os.getpid()}-{os.urandom(3).hex()}")

    @staticmethod
    def impossible() -> str | None:
        """
        @return: why no namespace can be made here, C{None} when it can.
        """
        lacking = missing(ip="iproute2", ss="iproute2")
        if lacking is not None:
            return lacking
        try:
            Namespace().open().close()
        except subprocess.CalledProcessError as error:
            return f"a network namespace is not allowed here (iproute2): {error.stderr.strip()}"
        return None

    def open(self) -> Namespace:
        """
        Make it.

        @return: itself.
        @raise subprocess.CalledProcessError: that is not allowed.
        """
        _run(["ip", "netns", "add", self.name])
        try:
            self._forbid()
        except BaseException:
            self.close()
            raise
        return self

    def _forbid(self) -> None:
        # The rule that delivers to local addresses comes first of all, as number 0; the one that
        # forbids has to be before it.
        ports = f"{CLIENT_PORTS.start}-{CLIENT_PORTS.stop - 1}"
        dialled = ["ipproto", "tcp", "dport", ports]
        self.run(["ip", "link", "set", "lo", "up"])
        self.run(["ip", "rule", "add", "pref", "10", *dialled, "prohibit"])
        self.run(["ip", "rule", "add", "pref", "20", "lookup", "local"])
        self.run(["ip", "rule", "del", "pref", "0"])

    def close(self) -> None:
        """
        Give it up; it is gone with the last program in it.
        """
        _run(["ip", "netns", "del", self.name])

    def command(self, argv: Sequence[str]) -> list[str]:
        """
        @param argv: a program and its arguments.
        @return: how to run it in here; the process id stays the program's own.
        """
        return ["ip", "netns", "exec", self.name, *argv]

    def run(self, argv: Sequence[str]) -> str:
        """
        Run a short program in here.

        @return: what it printed.
        @raise subprocess.CalledProcessError: it failed.
        """
        return _run(self.command(argv))

    def cut(self, port: int) -> bool:
        """
        Destroy the server's side of all TCP connections to one of its ports, as a middlebox might.

        @param port: where the server listens.
        @return: whether they are gone; some kernels lack this (CONFIG_INET_DIAG_DESTROY).
        """
        chosen = ["state", "established", f"( sport = :{port} )"]
        self.run(["ss", "-K", "-Htn", *chosen])
        return not self.run(["ss", "-Htn", *chosen]).strip()


def _run(argv: Sequence[str]) -> str:
    done = subprocess.run(
        argv, check=True, capture_output=True, text=True, timeout=10, env=environment()
    )
    return done.stdout
