"""
The ground of tests with machines of their own: servers, agents, and what all of them are told.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from sipoutbound.test.bed_agent import Agent
from sipoutbound.test.bed_net import Internet, Machine
from sipoutbound.test.bed_program import PATIENCE
from sipoutbound.test.bed_server import Server

# Where servers listen; each has a network of its own.
PORT = 5060

# After how many seconds a connection that acknowledges nothing is dead, on these grounds.
UNACKNOWLEDGED = 3.0


class NetTestCase(SynchronousTestCase):
    """
    Tests with several machines.
    """

    def setUp(self) -> None:
        """
        Make the network.
        """
        reason = Internet.impossible()
        if reason is not None:
            self.skipTest(reason)
        self.folder = Path(self.mktemp()).resolve()
        self.internet = Internet()
        self.addCleanup(self.internet.close)
        self.internet.open()

    def server(self, name: str, *options: str) -> Server:
        """
        A server on a machine of its own, launched. Its clients are to ping often.
        """
        told = ("--flow-timer", "20", *options)
        machine = self.internet.machine()
        server = Server(self.folder / name, machine, [PORT], told, UNACKNOWLEDGED)
        server.launch()
        self.addCleanup(server.stop)
        return server

    def agent(self, user: str, network: Machine, *servers: Server, transport: str = "tcp") -> Agent:
        """
        A user agent with these servers for its proxies, started.
        """
        proxies = [f"sip:{addressOf(server)};transport={transport}" for server in servers]
        agent = Agent(user, proxies, self.folder, network).start()
        self.addCleanup(agent.stop)
        return agent

    def until(self, condition: Callable[[], object], what: str, seconds: float = PATIENCE) -> float:
        """
        Look again and again whether something is so.

        @return: after how many seconds it was.
        @raise AssertionError: it was not in so many seconds.
        """
        began = time.monotonic()
        while not condition():
            if time.monotonic() > began + seconds:
                raise AssertionError(f"not so in {seconds} s: {what}")
            time.sleep(0.02)
        return time.monotonic() - began


def machineOf(server: Server) -> Machine:
    """
    Where a server runs.
    """
    assert isinstance(server.network, Machine)
    return server.network


def addressOf(server: Server) -> str:
    """
    C{HOST:PORT} by which everybody reaches it.
    """
    return f"{machineOf(server).address}:{PORT}"
