"""
The two servers that are compared, each started fresh on free ports of 127.0.0.1 and ended by its
own id.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from abc import ABC, abstractmethod
from pathlib import Path
from types import TracebackType

from processes import Family

HERE = Path(__file__).resolve().parent

# How long a server may take until it answers, and until it has ended, in seconds.
PATIENCE = 20.0

PROBE = (
    "OPTIONS sip:example.test SIP/2.0\r\n"
    "Via: SIP/2.0/UDP 127.0.0.1:{port};branch=z9hG4bKprobe{number};rport\r\n"
    "Max-Forwards: 70\r\nFrom: <sip:probe@example.test>;tag=1\r\nTo: <sip:example.test>\r\n"
    "Call-ID: probe{number}\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"
)


class Server(ABC):
    """
    A running server: use it in a C{with} statement.

    @ivar name: what the tables call it.
    @ivar port: where it listens, UDP and TCP.
    """

    name: str

    def __init__(self, folder: Path, durable: bool, journal: str) -> None:
        """
        @param folder: an empty folder for all it writes.
        @param durable: whether a binding is on disk before its 200 leaves.
        @param journal: SQLite's journal_mode where the server leaves it to us: C{wal} or C{delete}.
        """
        self.folder = folder
        self.durable = durable
        self.journal = journal
        self.port = freePort()

    @staticmethod
    @abstractmethod
    def version() -> str | None:
        """
        @return: the version installed, or C{None} where there is none.
        """

    @abstractmethod
    def command(self) -> list[str]:
        """
        @return: the program and its arguments; may first write the files these name.
        """

    def __enter__(self) -> Server:
        """
        Start the program and wait until it answers.

        @raise RuntimeError: it ended, or did not answer in time; the end of its log is told.
        """
        with open(self.folder / "log", "wb") as log:
            self._process = subprocess.Popen(
                self.command(), cwd=self.folder, env=environment(), stdout=log, stderr=log
            )
        self.family = Family(self._process.pid)
        try:
            self._await()
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        """
        End the program.
        """
        self._stop()

    def _await(self) -> None:
        deadline = time.monotonic() + PATIENCE
        while self._process.poll() is None and time.monotonic() < deadline:
            if answers(self.port):
                return
        tail = (self.folder / "log").read_text(errors="replace")[-2000:]
        raise RuntimeError(f"{self.name} did not answer on port {self.port}:\n{tail}")

    def _stop(self) -> None:
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            for pid in reversed(self.family.members()):
                os.kill(pid, signal.SIGKILL)
            self._process.wait()


class Outbound(Server):
    """
    This server, from the checkout that this file is in, under the interpreter that runs this.
    """

    name = "sipoutbound"

    @staticmethod
    def version() -> str | None:
        """
        @return: the interpreter's and Twisted's versions; both are always there.
        """
        import twisted

        return f"CPython {sys.version.split()[0]}, Twisted {twisted.__version__}"

    def command(self) -> list[str]:
        """
        @return: C{twistd} with one UDP and one TCP listener.
        """
        location = f"sqlite:{self.folder / 'location.sqlite'}" if self.durable else "memory:"
        twistd = str(Path(sys.executable).with_name("twistd"))
        where = f"{self.port}:interface=127.0.0.1"
        listen = ["--listen", f"udp:{where}", "--listen", f"tcp:{where}"]
        own = ["--domain", "example.test", *listen, "--location", location, "--state", "state"]
        return [twistd, "-n", "--pidfile=", "sipoutbound", *own]


class Kamailio(Server):
    """
    Kamailio with C{kamailio.cfg}, in memory (db_mode 0) or written through to SQLite (db_mode 1).
    """

    name = "kamailio"

    @staticmethod
    def version() -> str | None:
        """
        @return: what C{kamailio -v} says first.
        """
        program = shutil.which("kamailio", path=searchPath())
        if program is None:
            return None
        said = subprocess.run([program, "-v"], capture_output=True, text=True).stdout
        return said.partition("\n")[0].removeprefix("version: ")

    def command(self) -> list[str]:
        """
        @return: Kamailio in the foreground, with its fast allocator for shared (C{-x}) and private
            (C{-X}) memory.
        """
        database = self.folder / "kamailio.sqlite"
        if self.durable:
            createDatabase(database, self.journal)
        text = (HERE / "kamailio.cfg").read_text()
        text = text.replace("$PORT", str(self.port)).replace("$MODULES", moduleFolder())
        text = text.replace("$DATABASE", str(database)).replace("$MODE", str(int(self.durable)))
        (self.folder / "kamailio.cfg").write_text(text)
        program = shutil.which("kamailio", path=searchPath()) or "kamailio"
        memory = ["-m", "512", "-M", "32", "-x", "fm", "-X", "fm"]
        folder = str(self.folder)
        return [
            program,
            "-DD",
            "-E",
            *memory,
            "-Y",
            folder,
            "-w",
            folder,
            "-f",
            f"{folder}/kamailio.cfg",
        ]


def createDatabase(path: Path, journal: str) -> None:
    """
    Make the tables of Kamailio's package in a file.

    @param path: the new file.
    @param journal: SQLite's journal_mode; with C{wal} a commit is one flush to disk.
    """
    scripts = Path("/usr/share/kamailio/db_sqlite")
    sql = "".join((scripts / f"{name}-create.sql").read_text() for name in ("standard", "usrloc"))
    sql += f"PRAGMA journal_mode={journal};\n"
    subprocess.run(["sqlite3", str(path)], input=sql, text=True, check=True, capture_output=True)


def moduleFolder() -> str:
    """
    @return: where Kamailio's package keeps its modules.
    @raise RuntimeError: nowhere that we know.
    """
    for folder in Path("/usr").glob("lib*/**/kamailio/modules"):
        if (folder / "outbound.so").exists() and (folder / "db_sqlite.so").exists():
            return str(folder)
    raise RuntimeError("install kamailio-outbound-modules and kamailio-sqlite-modules")


def searchPath() -> str:
    """
    @return: the search path with the folders of system programs, which a plain user's may lack.
    """
    return os.environ.get("PATH", "") + ":/usr/sbin:/sbin"


def environment() -> dict[str, str]:
    """
    @return: the environment of a server: this checkout first among Python's modules.
    """
    paths = [str(HERE.parent), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "PATH": searchPath()}


def freePort() -> int:
    """
    @return: a port that is free for UDP and TCP on 127.0.0.1 now.
    """
    while True:
        with socket.socket() as tcp, socket.socket(type=socket.SOCK_DGRAM) as udp:
            tcp.bind(("127.0.0.1", 0))
            port = int(tcp.getsockname()[1])
            try:
                udp.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


def answers(port: int) -> bool:
    """
    Ask a server on 127.0.0.1 for its OPTIONS over UDP, and dial it over TCP.

    @return: whether it answered both within a moment.
    """
    with socket.socket(type=socket.SOCK_DGRAM) as udp:
        udp.settimeout(0.2)
        udp.bind(("127.0.0.1", 0))
        mine = int(udp.getsockname()[1])
        udp.sendto(
            PROBE.format(port=mine, number=f"{mine}-{time.monotonic_ns()}").encode(),
            ("127.0.0.1", port),
        )
        try:
            answer = udp.recv(4096)
            socket.create_connection(("127.0.0.1", port), 1.0).close()
        except OSError:
            time.sleep(0.05)
            return False
    return re.match(rb"SIP/2\.0 [2-6]", answer) is not None
