"""
Everybody who takes part: two edges, a registrar, two phones and the cables between.
"""

from __future__ import annotations

import socket
from pathlib import Path

from actor import Actor, Told
from cable import Cable
from twisted.internet import reactor
from twisted.internet.defer import gatherResults
from twisted.internet.task import deferLater

DOMAIN = "demo.invalid"


class Cast:
    """
    @ivar edges: the names of the edges that phones have a flow through.
    @ivar actors: the processes, by name.
    @ivar cables: those of phones, by the names of both ends.
    """

    def __init__(self, folder: Path, edges: tuple[str, ...]) -> None:
        self.folder = folder
        self.edges = edges
        self.actors: dict[str, Actor] = {}
        self.cables: dict[tuple[str, str], Cable] = {}
        self.ports: dict[str, int] = {}

    async def servers(self) -> None:
        """
        Start the registrar and the edges.
        """
        home = freePort()
        registrar = f"sip:127.0.0.1:{home};transport=tcp"
        self._server("Registrar", home, "--role", "registrar")
        for name in ("Edge 1", "Edge 2"):
            self._server(
                name, freePort(), "--role", "edge", "--registrar", registrar, "--trust", "none"
            )
        for name, port in self.ports.items():
            await self._listens(name, port)

    def _server(self, name: str, port: int, *options: str) -> None:
        state = self.folder / name.replace(" ", "")
        state.mkdir()
        self.ports[name] = port
        self.actors[name] = Actor(
            name, "server.py", "-n", "--pidfile=", f"--logfile={state}/log", "sipoutbound",
            "--domain", DOMAIN, "--listen", f"tcp:{port}:interface=127.0.0.1",
            "--state", str(state), *options,
        )  # fmt: skip

    async def _listens(self, name: str, port: int) -> None:
        for _ in range(400):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    return
            await deferLater(reactor, 0.02)
        log = self.folder / name.replace(" ", "") / "log"
        raise TimeoutError(f"{name} does not start: {log.read_text() if log.exists() else ''}")

    async def phones(self) -> None:
        """
        Start the phones, and wait until both are registered.
        """
        for name in ("Alice", "Bob"):
            cables = [f"{self.ports[edge]}={self._cable(name, edge)}" for edge in self.edges]
            aor = f"sip:{name.lower()}@{DOMAIN}"
            self.actors[name] = Actor(name, "phone.py", aor, *cables)
        for name in ("Alice", "Bob"):
            for edge in self.edges:
                await self.registered(name, edge)

    def _cable(self, phone: str, edge: str) -> int:
        cable = self.cables[phone, edge] = Cable(self.ports[edge])
        port: int = reactor.listenTCP(0, cable, interface="127.0.0.1").getHost().port
        return port

    async def registered(self, phone: str, edge: str, since: float = 0.0) -> None:
        """
        Wait until a phone has registered through an edge.
        """

        def through(told: Told) -> bool:
            return told["what"] == "status" and told["registered"] and told["proxy"] == proxy

        proxy = f"sip:127.0.0.1:{self.ports[edge]};transport=tcp"
        missing = f"{phone} did not register through {edge}"
        await self.actors[phone].until(through, since, missing)

    def told(self, since: float) -> list[Told]:
        """
        What anybody has told of since then.
        """
        return [
            told for actor in self.actors.values() for told in actor.told if told["at"] >= since
        ]

    async def end(self) -> None:
        """
        End every process, and wait until it is no more.
        """
        for actor in self.actors.values():
            actor.kill()
        await gatherResults([actor.ended for actor in self.actors.values()])


def freePort() -> int:
    """
    A port of 127.0.0.1 where nobody listens now.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
