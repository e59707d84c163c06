"""
The server as an operator starts it, with a DNS server of its own: C{--resolver}.
"""

from __future__ import annotations

from pathlib import Path

from twisted.internet.threads import deferToThread
from twisted.trial.unittest import TestCase

from sipoutbound.test.bed_server import Server
from sipoutbound.test.directories import NameServer, a, naptr, srv
from sipoutbound.test.peer import Peer
from sipoutbound.test.phone import Phone


class ResolverTests(TestCase):
    """
    C{twistd sipoutbound --resolver}.
    """

    timeout = 60.0

    async def setUp(self) -> None:  # type: ignore[override]
        """
        Start a dead DNS server, one that works, and ours.
        """
        self.dead, self.dns = NameServer().start(), NameServer().start()
        self.dead.factory.mute = True
        options = [word for each in (self.dead, self.dns)
                   for word in ("--resolver", f"127.0.0.1:{each.port}")]  # fmt: skip
        self.server = Server(Path(self.mktemp()).absolute(), options=options)
        await deferToThread(self.server.start)
        self.address = ("127.0.0.1", self.server.port)

    async def tearDown(self) -> None:  # type: ignore[override]
        """
        Stop them.
        """
        await deferToThread(self.server.stop)
        for each in (self.dead, self.dns):
            await each.stop()

    async def test_call(self) -> None:
        """
        A phone calls a domain with two servers: found by NAPTR and SRV though the first DNS server
        is dead, refused by the first, and answered by the second.
        """
        alice = await Phone.at(self.address, b"alice", b"UDP")
        await alice.registered()
        second = await Phone.at(self.address, b"foreign", b"UDP")
        first = await Phone.at(self.address, b"foreign", b"UDP")
        self.dns.add("foreign.test", naptr(1, b"SIP+D2U", b"_sip._udp.foreign.test"))
        self.dns.add("_sip._udp.foreign.test", srv(1, first.local[1], b"a.test"),
                     srv(2, second.local[1], b"a.test"))  # fmt: skip
        self.dns.add("a.test", a("127.0.0.1"))
        alice.ask(b"INVITE", b"sip:f@foreign.test")
        await alice.told(100)
        first.answer(await first.asked(b"INVITE"), 503)
        await first.asked(b"ACK")
        second.answer(await second.asked(b"INVITE"), 200)
        await alice.told(200)
        self.assertTrue(self.dead.asked)
        self.assertIn("NAPTR foreign.test", self.dns.asked)
        for phone in (alice, first, second):
            await phone.close()

    async def test_connections(self) -> None:
        """
        The server ends cleanly with connections of its own making, and with a question to the DNS
        under way.
        """
        alice = await Phone.at(self.address, b"alice", b"UDP")
        await alice.registered()
        peer = Peer().listen("127.0.0.1")
        self.dns.add("a.test", a("127.0.0.1"))
        alice.ask(b"MESSAGE", b"sip:f@a.test:%d;transport=tcp" % peer.address[1])
        await (await peer.connected(b"foreign")).asked(b"MESSAGE")
        self.dns.factory.mute = True
        asked = len(self.dead.asked)
        alice.ask(b"MESSAGE", b"sip:f@other.test")
        while len(self.dead.asked) == asked:
            await alice.hearsNothing()
        await alice.close()
        await peer.close()
