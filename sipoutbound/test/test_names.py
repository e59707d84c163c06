"""
What names us: Request-URIs of our domains, Routes with our addresses (RFC 3261 16.4, 16.5).
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from sipoutbound.message.uri import URI
from sipoutbound.routing.names import Names

NAMES = Names(
    frozenset((b"example.com", b"127.0.0.1", b"[::1]")),
    {b"127.0.0.1:17060", b"edge.example.com:5060", b"[2001:db8::1]:5060"},
)

# URI, whether we are responsible for it, whether a Route with it names us.
TABLE = (
    (b"sip:bob@example.com", True, True),
    (b"sip:bob@EXAMPLE.COM", True, True),
    (b"sips:bob@example.com;lr", True, True),
    (b"sip:example.com", True, True),
    (b"sip:bob@example.com:17060", True, True),
    (b"sip:bob@127.0.0.1:17060", True, True),
    (b"sip:bob@[::1]:17060", True, True),
    (b"sip:bob@127.0.0.1:5060", True, True),
    (b"sip:bob@example.com:5999", False, False),
    (b"sip:bob@127.0.0.1:7060", False, False),
    (b"sip:edge.example.com;lr", False, True),
    (b"sip:t@edge.example.com:5060;lr", False, True),
    (b"sip:t@[2001:db8::1];lr", False, True),
    (b"sip:t@edge.example.com:17060;lr", False, False),
    (b"sip:bob@example.com;maddr=192.0.2.9", False, False),
    (b"sip:bob@example.com:17060;maddr=127.0.0.1", True, True),
    (b"sip:bob@example.com;maddr=EXAMPLE.com;lr", True, True),
    (b"sip:bob@example.com;maddr", True, True),
    (b"sip:proxy.example.org:17060;maddr=127.0.0.1;lr", False, True),
    (b"sip:bob@example.org", False, False),
    (b"sip:bob@sub.example.com", False, False),
    (b"tel:+15551234", False, False),
    (b"mailto:bob@example.com", False, False),
)


class NamesTests(SynchronousTestCase):
    """
    L{Names}.
    """

    def test_table(self) -> None:
        """
        A request for our users would be sent away, or somebody else's kept.
        """
        for text, owned, named in TABLE:
            uri = URI.parse(text)
            self.assertEqual((NAMES.owns(uri), NAMES.named(uri)), (owned, named), text)

    def test_listeningLater(self) -> None:
        """
        An address that is listened on later names us from then on.
        """
        names, uri = Names(frozenset()), URI.parse(b"sip:t@192.0.2.1:5070;lr")
        self.assertFalse(names.named(uri))
        names.addresses.add(b"192.0.2.1:5070")
        self.assertTrue(names.named(uri))
