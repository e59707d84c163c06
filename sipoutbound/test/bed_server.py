"""
The real server, started as an operator starts it.
"""

from __future__ import annotations

import signal
import sqlite3
import sys
from collections.abc import Sequence
from pathlib import Path

from attrs import define, field

from sipoutbound.test.bed import LOOPBACK, Loopback, freePorts
from sipoutbound.test.bed_program import Program


@define(eq=False)
class Server:
    """
    C{twistd -n sipoutbound} for the domain example.test, with UDP and TCP on each of its ports.

    @ivar folder: for its state; a server started later in the same folder finds the bindings.
    @ivar network: where it runs.
    @ivar ports: where it listens.
    @ivar options: more of the command line.
    @ivar patience: after how many seconds it takes a connection for dead that acknowledges nothing,
        if not after as many as usual.
    """

    folder: Path
    network: Loopback = field(factory=Loopback)
    ports: Sequence[int] = field(factory=lambda: freePorts(1))
    options: Sequence[str] = ()
    patience: float | None = None
    _program: Program = field(init=False)
    _ended: bool = field(default=False, init=False)

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
        self.launch()
        return self.ready()

    def launch(self) -> Server:
        """
        Start it without waiting; L{ready} is to follow.

        @return: itself.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        self._ended = False
        self._program = Program(self._command(), self.network)
        self._program.start()
        return self

    def ready(self) -> Server:
        """
        Wait until it listens.

        @return: itself.
        @raise AssertionError: it does not come up; its log is told.
        """
        try:
            # The last that it says when it has started.
            self._program.expect("a phone's account")
        except AssertionError:
            self._program.stop(signal.SIGKILL)
            raise
        return self

    def _command(self) -> list[str]:
        listen = [f"{kind}:{port}" for port in self.ports for kind in ("tcp", "udp")]
        own = ["--domain", "example.test", "--state", str(self.folder), "--allow-anonymous"]
        for each in listen:
            own += ["--listen", each]
        twistd = [str(Path(sys.executable).with_name("twistd"))]
        if self.patience is not None:
            impatient = "sipoutbound.test.bed_impatient"
            twistd = [sys.executable, "-m", impatient, str(self.patience)]
        return [*twistd, "-n", "--pidfile=", "sipoutbound", *own, *self.options]

    def bindings(self, user: str) -> list[tuple[int, str]]:
        """
        What a user is bound to, as the database has it.

        @return: reg-id and Path of each, in the order of the reg-ids.
        """
        database = sqlite3.connect(self.folder / "location.sqlite")
        try:
            return database.execute(
                "SELECT reg_id, path FROM binding WHERE aor = ? ORDER BY reg_id",
                (f"{user}@example.test",),
            ).fetchall()
        finally:
            database.close()

    def kill(self) -> None:
        """
        End it as a power cut would (SIGKILL).
        """
        self._ended = True
        self._program.stop(signal.SIGKILL)

    def stop(self) -> None:
        """
        End it as an operator does (SIGTERM), and look at what it logged.

        @raise AssertionError: it logged a traceback or an unhandled error, or was not there any
            more though nobody had killed it.
        """
        died = not self._program.alive() and not self._ended
        self._ended = True
        self._program.stop()
        (self.folder / "log").write_text("\n".join(self._program.lines) + "\n")
        bad = [line for line in self._program.lines if "Traceback" in line or "Unhandled" in line]
        if died or bad:
            raise AssertionError(f"the server {'died' if died else bad[0]}\n{self._program.tail()}")
