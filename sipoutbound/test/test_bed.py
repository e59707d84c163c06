"""
The network in which the interoperability tests run keeps its promise; if it did not, they would
pass with a server that ignores flows.
"""

from __future__ import annotations

import sys

from twisted.trial.unittest import SynchronousTestCase

from sipoutbound.test.bed import CLIENT_PORTS, Namespace

# Listens on a port, dials it, and prints the number of the error, 0 for none.
DIAL = """
import socket
listener = socket.create_server(("127.0.0.1", {port}))
print(socket.socket().connect_ex(("127.0.0.1", {port})))
"""

# What a program gets that runs into a rule of the kind "prohibit" (ip-rule(8)).
EACCES = 13


class NamespaceTests(SynchronousTestCase):
    """
    A network namespace of our own; needs root and iproute2.
    """

    def setUp(self) -> None:
        """
        Make it.
        """
        reason = Namespace.impossible()
        if reason is not None:
            self.skipTest(reason)
        self.network = Namespace().open()
        self.addCleanup(self.network.close)

    def dial(self, port: int) -> int:
        """
        @return: what a TCP connection to a port comes to at which somebody listens.
        """
        return int(self.network.run([sys.executable, "-c", DIAL.format(port=port)]))

    def test_clients(self) -> None:
        """
        Nobody can open a connection to a client.
        """
        self.assertEqual(self.dial(CLIENT_PORTS[0]), EACCES)
        self.assertEqual(self.dial(CLIENT_PORTS[-1]), EACCES)

    def test_servers(self) -> None:
        """
        A client can open one to a server.
        """
        self.assertEqual(self.dial(CLIENT_PORTS[0] - 1), 0)
        self.assertEqual(self.dial(CLIENT_PORTS[-1] + 1), 0)
