"""
Kamailio, an edge or a registrar that is not ours.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
from collections.abc import Iterable, Sequence
from contextlib import suppress
from glob import glob
from pathlib import Path
from threading import Timer
from typing import Final

from attrs import define, field

from sipoutbound.test.bed import LOOPBACK, SEARCH, Loopback, Namespace, missing
from sipoutbound.test.bed_program import PATIENCE, Program
from sipoutbound.test.laboratory import quietPort

CONFIGURATIONS = Path(__file__).parent / "kamailio"


def impossible() -> str | None:
    """
    @return: why Kamailio cannot be run with its outbound module, C{None} when it can.
    """
    lacking = missing(kamailio="kamailio")
    if lacking is None and not glob("/usr/lib/*/kamailio/modules/outbound.so"):
        return "kamailio's outbound.so is missing: install kamailio-outbound-modules"
    return lacking


@define(eq=False)
class Kamailio:
    """
    One Kamailio with a configuration of the folder C{kamailio}, on UDP and TCP.

    @ivar name: the configuration's.
    @ivar folder: for all it writes.
    @ivar registrar: the URI of the registrar, for an edge.
    @ivar defines: what is defined in its configuration.
    @ivar port: where it listens.
    @ivar network: where it runs.
    """

    name: str
    folder: Path
    registrar: str = ""
    defines: Sequence[str] = ()
    port: int = field(factory=quietPort)
    network: Loopback = field(factory=Loopback)
    program: Program = field(init=False)
    _children: Sequence[int] = field(default=(), init=False)

    @property
    def address(self) -> str:
        """
        C{HOST:PORT}.
        """
        return f"{LOOPBACK}:{self.port}"

    def start(self) -> None:
        """
        Start it and wait until it takes requests.

        @raise AssertionError: it does not come up; its log is told.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        text = (CONFIGURATIONS / f"{self.name}.cfg").read_text()
        text = text.replace("$PORT", str(self.port)).replace("$REGISTRAR", self.registrar)
        configuration = self.folder / f"{self.name}.cfg"
        configuration.write_text(text)
        self.program = Program(self._command(configuration), self.network)
        self.program.start()
        try:
            self.program.expect("ready")
            if not isinstance(self.network, Namespace):  # whose ports nobody out here can reach
                self._probe()
        except BaseException:
            self.stop()
            raise
        self._children = children(self.program.pid)

    def _probe(self) -> None:
        """
        Wait for an answer over TCP, which its last process gives. While it starts its processes it
        cannot be ended: it would wait for ever for one that was not there yet.
        """
        with socket.create_connection((LOOPBACK, self.port), PATIENCE) as line:
            line.sendall(_PROBE)
            assert line.recv(4096).startswith(b"SIP/2.0 483"), self.program.tail()

    def _command(self, configuration: Path) -> list[str]:
        program = shutil.which("kamailio", path=SEARCH) or "kamailio"
        folder = str(self.folder)
        defined = [word for name in self.defines for word in ("-A", name)]
        # In the foreground, the log on the standard error; megabytes of shared and private memory.
        own = ["-DD", "-E", "-m", "32", "-M", "8", "-Y", folder, "-w", folder]
        return [program, *own, *defined, "-f", str(configuration)]

    def stop(self) -> None:
        """
        End it, and all its processes.
        """
        family = [self.program.pid, *{*self._children, *children(self.program.pid)}]
        late = Timer(PATIENCE / 2, killed, [family])
        late.start()
        try:
            self.program.stop()
        finally:
            late.cancel()


def children(pid: int) -> list[int]:
    """
    The processes that a process has started.
    """
    tasks = Path(f"/proc/{pid}/task/{pid}/children")
    return [int(each) for each in tasks.read_text().split()] if tasks.exists() else []


def killed(family: Iterable[int]) -> None:
    """
    Kill processes by their ids.
    """
    for pid in family:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


_PROBE: Final = (
    b"OPTIONS sip:example.test SIP/2.0\r\n"
    b"Via: SIP/2.0/TCP 127.0.0.1:9;branch=z9hG4bKprobe;rport\r\n"
    b"Max-Forwards: 0\r\nFrom: <sip:probe@example.test>;tag=1\r\nTo: <sip:example.test>\r\n"
    b"Call-ID: probe\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"
)
