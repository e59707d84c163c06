"""
Tests of what a client reads in the answer to its REGISTER.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from sipoutbound.message.message import Response
from sipoutbound.message.parse import parseMessage
from sipoutbound.outbound.grant import Grant, seconds

CONTACT = b"sip:alice@192.0.2.4:5062;transport=tcp"


def answer(*headers: bytes) -> Response:
    """
    A 200 with these headers.
    """
    response = parseMessage(b"\r\n".join((b"SIP/2.0 200 OK", *headers)))
    assert isinstance(response, Response)
    return response


class GrantTests(SynchronousTestCase):
    """
    L{Grant}.
    """

    def grant(self, *headers: bytes) -> Grant:
        """
        What was granted where 600 s were asked for.
        """
        return Grant.parse(answer(*headers), CONTACT, 2, 600)

    def test_outbound(self) -> None:
        """
        Only C{Require} says that outbound applies (RFC 5626 4.2.1).
        """
        self.assertTrue(self.grant(b"Require: path, Outbound").outbound)
        for header in (b"Supported: outbound", b"Require: path", b"X: outbound", b"Flow-Timer: 20"):
            self.assertFalse(self.grant(header).outbound)

    def test_expires(self) -> None:
        """
        What the registrar grants counts, for our Contact among those of others, else for all; what
        was asked for only where it says nothing.
        """
        ours = b"Contact: <%b>;reg-id=2;expires=50" % CONTACT
        first = b"Contact: <%b>;reg-id=1;expires=70" % CONTACT
        other = b"Contact: <sip:alice@192.0.2.5>;reg-id=2;expires=90"
        require, general = b"Require: outbound", b"Expires: 40"
        for headers, granted in (
            ((other, first, ours, require, general), 50),
            ((b"Contact: <%b>;expires=80" % CONTACT, general), 80),
            ((first,), 70),
            ((b"Contact: <%b>" % CONTACT, general), 40),
            ((other, general), 40),
            ((b"Contact: <%b>;expires=soon" % CONTACT,), 600),
            ((b"Contact: <<", general), 40),
            ((), 600),
        ):
            self.assertEqual(self.grant(*headers).expires, granted, headers)

    def test_flowTimer(self) -> None:
        """
        A Flow-Timer that is none, or would have us ping without end, is none.
        """
        for text, found in ((b"20", 20), (b"0", None), (b"soon", None), (b"-1", None), (b"", None)):
            self.assertEqual(self.grant(b"Flow-Timer: " + text).flowTimer, found)
        self.assertIsNone(self.grant().flowTimer)

    def test_seconds(self) -> None:
        """
        C{Retry-After} may have a comment and parameters (RFC 3261 20.33).
        """
        for text, found in (
            (b"5", 5),
            (b"0", 0),
            (b"18000;duration=3600", 18000),
            (b"120 (I'm in a meeting)", 120),
            (b"later", None),
        ):
            self.assertEqual(seconds(answer(b"Retry-After: " + text), b"retry-after"), found)
