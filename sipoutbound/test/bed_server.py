"""
The real server, started as an operator starts it.
"""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from attrs import define, field

from sipoutbound.test.bed import LOOPBACK, Loopback, freePorts
from sipoutbound.test.bed_program import PATIENCE, Program

# proc(5): the state of a listening TCP socket, and of a UDP socket without a peer.
LISTENING = {"tcp": "0A", "udp": "07"}


@define(eq=False)
class Server:
    """
    C{twistd -n sipoutbound} for the domain example.test, with UDP and TCP on each of its ports.

    @ivar folder: for its state; a server started later in the same folder finds the bindings.
    @ivar network: where it runs.
    @ivar ports: where it listens.
    @ivar options: more of the command line.
    """

    folder: Path
    network: Loopback = field(factory=Loopback)
    ports: Sequence[int] = field(factory=lambda: freePorts(1))
    options: Sequence[str] = ()
    _program: Program = field(init=False)

    @property
    def port(self) -> int:
        """
        The first of its ports.
        """
        return self.ports[0]

    @property
    def address(self) -> str:
        """
        C{HOST:PORT} of the first port.
        """
        return f"{LOOPBACK}:{self.port}"

    def start(self) -> Server:
        """
        Start it and wait until it listens.

        @return: itself.
        @raise AssertionError: it does not come up; its log is told.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        self._program = Program(self._command(), self.network)
        self._program.start()
        deadline = time.monotonic() + PATIENCE
        while not self._listens():
            if time.monotonic() > deadline or not self._program.alive():
                self._program.stop(signal.SIGKILL)
                raise AssertionError(f"the server does not come up:\n{self._program.tail()}")
            time.sleep(0.02)
        return self

    def _command(self) -> list[str]:
        listen = [f"{kind}:{port}" for port in self.ports for kind in LISTENING]
        own = ["--domain", "example.test", "--state", str(self.folder), "--allow-anonymous"]
        for each in listen:
            own += ["--listen", each]
        twistd = str(Path(sys.executable).with_name("twistd"))
        return [twistd, "-n", "--pidfile=", "sipoutbound", *own, *self.options]

    def _listens(self) -> bool:
        # The sockets are read in the program's own network, into which a test cannot dial.
        return all(
            port in _listening(self._program.pid, kind) for port in self.ports for kind in LISTENING
        )

    def kill(self) -> None:
        """
        End it as a power cut would (SIGKILL).
        """
        self._program.stop(signal.SIGKILL)

    def stop(self) -> None:
        """
        End it as an operator does (SIGTERM), and look at what it logged.

        @raise AssertionError: it logged a traceback or an unhandled error, or was not there any
            more.
        """
        died = not self._program.alive()
        self._program.stop()
        (self.folder / "log").write_text("\n".join(self._program.lines) + "\n")
        bad = [line for line in self._program.lines if "Traceback" in line or "Unhandled" in line]
        if died or bad:
            raise AssertionError(f"the server {'died' if died else bad[0]}\n{self._program.tail()}")


def _listening(pid: int, kind: str) -> set[int]:
    """
    @return: the ports with a listening socket in the network of a process.
    """
    rows = [line.split() for line in Path(f"/proc/{pid}/net/{kind}").read_text().splitlines()[1:]]
    return {int(row[1].rpartition(":")[2], 16) for row in rows if row[3] == LISTENING[kind]}
