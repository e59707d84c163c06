"""
Which transaction a message belongs to.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from sipoutbound.message.grammar import Malformed
from sipoutbound.message.message import Request, Response
from sipoutbound.message.parse import parseMessage
from sipoutbound.message.unique import MAGIC
from sipoutbound.transaction.matching import (
    cancelledKey,
    clientKey,
    clientKeyOf,
    serverKey,
)

NEW = b"SIP/2.0/UDP pc33.atlanta.com;branch=z9hG4bKkjshdyff"
OLD = b"SIP/2.0/UDP pc33.atlanta.com"


DEFAULTS = {
    "uri": b"sip:bob@biloxi.com",
    "fromTag": b";tag=88sja8x",
    "toTag": b"",
    "callId": b"987asjd97y7atg",
    "number": b"986759",
}


def request(method: bytes = b"INVITE", via: bytes = NEW, **changes: bytes) -> Request:
    """
    A request as it is received.

    @param changes: what is not as in L{DEFAULTS}.
    """
    it = DEFAULTS | changes
    lines = [
        method + b" " + it["uri"] + b" SIP/2.0",
        b"Via: " + via,
        b"To: Bob <sip:bob@biloxi.com>" + it["toTag"],
        b"From: Alice <sip:alice@atlanta.com>" + it["fromTag"],
        b"Call-ID: " + it["callId"],
        b"CSeq: " + it["number"] + b" " + method,
    ]
    message = parseMessage(b"\r\n".join(lines))
    assert isinstance(message, Request)
    return message


def response(via: bytes = NEW, cseq: bytes = b"986759 INVITE") -> Response:
    """
    A response as it is received.
    """
    lines = [b"SIP/2.0 180 Ringing", b"Via: " + via, b"CSeq: " + cseq]
    message = parseMessage(b"\r\n".join(lines))
    assert isinstance(message, Response)
    return message


class ServerKeyTests(SynchronousTestCase):
    """
    L{serverKey} for clients of RFC 3261 (17.2.3).
    """

    def same(self, one: Request, other: Request) -> None:
        """
        Check that two requests belong to the same transaction.
        """
        self.assertEqual(serverKey(one), serverKey(other))
        self.assertEqual(hash(serverKey(one)), hash(serverKey(other)))

    def different(self, one: Request, other: Request) -> None:
        """
        Check that they do not.
        """
        self.assertNotEqual(serverKey(one), serverKey(other))

    def test_retransmission(self) -> None:
        """
        A repeated INVITE would ring twice. Beside branch, sent-by and method nothing counts.
        """
        self.same(request(), request())
        self.same(
            request(),
            request(uri=b"sip:x@y", fromTag=b";tag=1", toTag=b";tag=2", callId=b"z", number=b"1"),
        )
        self.same(request(), request(via=NEW + b";rport;received=192.0.2.1"))

    def test_branch(self) -> None:
        """
        A second call would be taken for a repetition of the first and be lost.
        """
        self.different(request(), request(via=NEW + b"2"))
        self.different(request(), request(via=NEW.upper().replace(b"Z9HG4BK", MAGIC)))

    def test_sentBy(self) -> None:
        """
        A client could hit another one's transaction with a branch that it has seen, or one that
        spells its name differently would miss its own.
        """
        self.different(request(), request(via=NEW.replace(b"pc33", b"pc34")))
        self.different(request(), request(via=NEW.replace(b".com", b".com:5062")))
        self.same(request(), request(via=NEW.replace(b"pc33.atlanta", b"PC33.Atlanta")))

    def test_defaultPort(self) -> None:
        """
        A client that writes the default port in its ACK only would have its refusal repeated for
        half a minute.
        """
        for transport, port in (
            (b"UDP", b"5060"),
            (b"TCP", b"5060"),
            (b"tls", b"5061"),
            (b"WS", b"80"),
            (b"WSS", b"443"),
        ):
            via = NEW.replace(b"UDP", transport)
            self.same(request(via=via), request(via=via.replace(b".com", b".com:" + port)))
            self.different(request(via=via), request(via=via.replace(b".com", b".com:5099")))

    def test_method(self) -> None:
        """
        A CANCEL, which has the INVITE's branch, would be taken for a repeated INVITE.
        """
        self.different(request(), request(b"CANCEL"))
        self.different(request(b"REGISTER"), request(b"OPTIONS"))

    def test_ack(self) -> None:
        """
        The ACK for a refusal would not stop its repetitions; that for a 2xx would be swallowed.
        """
        self.same(request(), request(b"ACK", toTag=b";tag=99sa0xk"))
        self.different(request(), request(b"ACK", NEW + b"2", toTag=b";tag=99sa0xk"))

    def test_cancelledKey(self) -> None:
        """
        A caller who hangs up while it rings would not be heard.
        """
        self.assertEqual(cancelledKey(request(b"CANCEL")), serverKey(request()))
        self.assertNotEqual(cancelledKey(request(b"CANCEL", NEW + b"2")), serverKey(request()))
        self.assertNotEqual(cancelledKey(request(b"CANCEL")), serverKey(request(b"CANCEL")))

    def test_malformed(self) -> None:
        """
        A request without Via would break the server instead of being refused.
        """
        message = parseMessage(b"INVITE sip:bob@biloxi.com SIP/2.0\r\nCSeq: 1 INVITE")
        assert isinstance(message, Request)
        self.assertRaises(Malformed, serverKey, message)


class OldServerKeyTests(ServerKeyTests):
    """
    L{serverKey} for clients of RFC 2543, whose branch says nothing (RFC 3261 17.2.3).
    """

    vias = (
        OLD,
        OLD + b";branch=1",
        OLD + b";branch=Z9HG4BKx",
        OLD + b";branch=xz9hG4bK",
        OLD + b";branch=z9hG4bK",  # the cookie alone: RFC 4475 3.2.1
    )

    def test_retransmission(self) -> None:
        """
        A repeated request of an old client would be carried out twice.
        """
        for via in self.vias:
            for method in (b"INVITE", b"OPTIONS"):
                self.same(request(method, via), request(method, via))

    def test_branch(self) -> None:
        """
        Two requests of an old client that differ in what it distinguishes them by would be taken
        for one, and the second be lost.
        """
        for via in self.vias:
            for method in (b"INVITE", b"OPTIONS"):
                first = request(method, via)
                self.different(first, request(method, via, uri=b"sip:carol@biloxi.com"))
                self.different(first, request(method, via, fromTag=b";tag=2"))
                self.different(first, request(method, via, callId=b"2"))
                self.different(first, request(method, via, number=b"986760"))
                self.different(first, request(method, via + b";x=y"))
                self.different(first, request(method, via.replace(b"UDP", b"TCP")))
            self.different(request(b"OPTIONS", via), request(b"OPTIONS", via, toTag=b";tag=2"))

    def test_sentBy(self) -> None:
        """
        The Via of an old client would be compared by its spelling, not by its meaning.
        """
        for via in self.vias:
            self.different(request(via=via), request(via=via.replace(b"pc33", b"pc34")))
            self.same(request(via=via), request(via=via.replace(b"pc33", b"PC33")))
            self.same(request(via=via), request(via=via.replace(b"SIP/2.0/UDP", b"SIP / 2.0/udp")))
            self.same(request(via=via + b";a=1;b"), request(via=via + b" ; B ; A=1"))

    def test_defaultPort(self) -> None:
        """
        An old client that writes the default port in its ACK only would miss its transaction.
        """
        self.same(request(via=OLD), request(via=OLD + b":5060"))
        self.different(request(via=OLD), request(via=OLD + b":5061"))

    def test_method(self) -> None:
        """
        An old client's CANCEL would be taken for a repeated INVITE.
        """
        for via in self.vias:
            self.different(request(via=via), request(b"CANCEL", via))
            self.different(request(b"OPTIONS", via), request(b"INFO", via))

    def test_ack(self) -> None:
        """
        An old client's ACK, whose To tag is that of the response, would not be found: its refusal
        would be repeated, or the ACK of its call not be passed on (RFC 6026 6).
        """
        for via in self.vias:
            self.same(request(via=via), request(b"ACK", via, toTag=b";tag=99sa0xk"))
            self.different(request(via=via), request(b"ACK", via, number=b"1"))

    def test_cancelledKey(self) -> None:
        """
        An old client who hangs up while it rings would not be heard.
        """
        for via in self.vias:
            invite = serverKey(request(via=via))
            self.assertEqual(cancelledKey(request(b"CANCEL", via)), invite)
            self.assertNotEqual(cancelledKey(request(b"CANCEL", via, number=b"1")), invite)

    def test_newIsNotOld(self) -> None:
        """
        Clients of the two kinds could hit each other's transactions.
        """
        for via in self.vias:
            self.different(request(), request(via=via))


class ClientKeyTests(SynchronousTestCase):
    """
    L{clientKey} (RFC 3261 17.1.3).
    """

    def test_match(self) -> None:
        """
        Answers would not reach their callers. Only the topmost Via counts, and not what a peer
        adds to it.
        """
        key = clientKeyOf(b"z9hG4bKkjshdyff", b"INVITE")
        self.assertEqual(clientKey(response()), key)
        self.assertEqual(clientKey(response(NEW + b";received=192.0.2.1, " + NEW + b"2")), key)

    def test_mismatch(self) -> None:
        """
        The 200 to a CANCEL would be taken for that to the INVITE: the caller hears "answered".
        """
        key = clientKeyOf(b"z9hG4bKkjshdyff", b"INVITE")
        for other in (
            response(cseq=b"986759 CANCEL"),
            response(NEW + b"2"),
            response(OLD + b", " + NEW),
        ):
            self.assertNotEqual(clientKey(other), key)

    def test_malformed(self) -> None:
        """
        A response without CSeq would break the server instead of being dropped.
        """
        self.assertRaises(Malformed, clientKey, response(cseq=b"INVITE"))
