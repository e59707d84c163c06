"""
An edge or a registrar of its own, that can be killed, stopped and started again with what it has on
disk.
"""

from __future__ import annotations

import signal
import socket
import sys
import time
from pathlib import Path

from server import PATIENCE, Outbound

# Seconds between two looks whether a server listens.
GLANCE = 0.001


class Role(Outbound):
    """
    This server in one of its roles, its bindings on disk.
    """

    def __init__(self, folder: Path, *options: str) -> None:
        """
        @param options: the role, on C{twistd sipoutbound}'s command line.
        """
        folder.mkdir()
        super().__init__(folder, True, "wal")
        self.options = options

    @property
    def uri(self) -> str:
        """
        Where it listens.
        """
        return f"sip:127.0.0.1:{self.port};transport=tcp"

    def command(self) -> list[str]:
        """
        @return: C{twistd} with one TCP listener.
        """
        twistd = str(Path(sys.executable).with_name("twistd"))
        listen = f"tcp:{self.port}:interface=127.0.0.1"
        own = ["--domain", "example.test", "--listen", listen, "--state", "state", *self.options]
        return [twistd, "-n", "--pidfile=", "sipoutbound", *own]

    def _await(self) -> None:
        deadline = time.monotonic() + PATIENCE
        while self._process.poll() is None and time.monotonic() < deadline:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(GLANCE)
        tail = (self.folder / "log").read_text(errors="replace")[-2000:]
        raise RuntimeError(f"{self.options} did not listen on port {self.port}:\n{tail}")

    def kill(self) -> None:
        """
        End it as a power cut would.
        """
        self._process.kill()
        self._process.wait()

    def pause(self) -> None:
        """
        Stop it: its connections stay, and nobody answers on them.
        """
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """
        Have it go on.
        """
        self._process.send_signal(signal.SIGCONT)

    def _stop(self) -> None:
        self.resume()
        super()._stop()
